//! Shadow: what would have been warmed, so that what would have hit can be counted.

use crate::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;

use crate::sync::Mutex;
use foldhash::fast::RandomState;
use forewarm_domain::Key;
use hashbrown::HashSet;

/// Keys that shadow mode would have placed, the latest [`ShadowSet::LIMIT`] of them.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    /// Once a key has been put in: until then nobody takes the lock for nothing.
    in_use: AtomicBool,
    set: Mutex<ShadowSet>,
}

#[derive(Debug, Default)]
struct ShadowSet {
    keys: HashSet<Key, RandomState>,
    order: VecDeque<Key>,
}

impl ShadowSet {
    const LIMIT: usize = 8_192;

    fn would_warm(&mut self, key: &Key) {
        if self.keys.insert(key.clone()) {
            self.order.push_back(key.clone());
        }
        while self.order.len() > Self::LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }
}

impl Shadow {
    /// The keys would have been warmed.
    pub(super) fn would_warm(&self, keys: &[Key]) {
        let mut set = self.set.lock();
        // Before the first key goes in: who does not see it yet came before that key.
        self.in_use.store(true, Ordering::SeqCst);
        for key in keys {
            set.would_warm(key);
        }
    }

    /// A demand read missed; whether the warm would have made it a hit.
    pub(super) fn would_hit(&self, key: &Key) -> bool {
        self.in_use.load(Ordering::SeqCst) && self.set.lock().keys.remove(key)
    }

    /// The key changed: the copy would be stale.
    pub(super) fn forget(&self, key: &Key) {
        if self.in_use.load(Ordering::SeqCst) {
            self.set.lock().keys.remove(key);
        }
    }

    /// Nothing that was known counts any more.
    pub(super) fn clear(&self) {
        let mut set = self.set.lock();
        set.keys.clear();
        set.order.clear();
    }
}
