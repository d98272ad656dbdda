//! Which keys hold something that is no string.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use forewarm_domain::Key;
use parking_lot::Mutex;

/// Keys lately found to hold something that is no string, the latest few thousand of them.
///
/// MGET answers such keys as if they were not there; a reader that must tell the two apart asks
/// here first.
#[derive(Debug, Default)]
pub(super) struct OtherTypes {
    any: AtomicBool,
    keys: Mutex<OtherKeys>,
}

#[derive(Debug, Default)]
struct OtherKeys {
    known: HashSet<Key>,
    order: VecDeque<Key>,
}

impl OtherTypes {
    const LIMIT: usize = 4_096;

    pub(super) fn note(&self, key: &Key) {
        let mut keys = self.keys.lock();
        if keys.known.insert(key.clone()) {
            keys.order.push_back(key.clone());
        }
        if keys.order.len() > Self::LIMIT
            && let Some(oldest) = keys.order.pop_front()
        {
            keys.known.remove(&oldest);
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        self.any.load(Ordering::Acquire) && self.keys.lock().known.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forewarm_domain::ChainId;

    #[test]
    fn keys_of_other_types_are_remembered_up_to_a_limit() {
        let key = |n: usize| Key::new(format!("{n}"), 0, ChainId::DEFAULT);
        let others = OtherTypes::default();
        assert!(!others.holds(&key(0)));
        for n in 0..=OtherTypes::LIMIT {
            others.note(&key(n));
        }
        assert!(!others.holds(&key(0)), "the oldest is forgotten");
        assert!(others.holds(&key(1)) && others.holds(&key(OtherTypes::LIMIT)));
    }
}
