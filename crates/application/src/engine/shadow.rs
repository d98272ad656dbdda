//! Shadow: what would have been warmed, so that what would have hit can be counted.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use forewarm_domain::Key;
use hashbrown::HashSet;

/// Keys that shadow mode would have placed, the latest [`ShadowSet::LIMIT`] of them.
#[derive(Debug, Default)]
pub(super) struct ShadowSet {
    keys: HashSet<Key, RandomState>,
    order: VecDeque<Key>,
}

impl ShadowSet {
    const LIMIT: usize = 8_192;

    /// Whether the key is there already.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// The key would have been warmed.
    pub(super) fn would_warm(&mut self, key: &Key) {
        if self.keys.insert(key.clone()) {
            self.order.push_back(key.clone());
        }
        while self.order.len() > Self::LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }

    /// A demand read missed; whether the warm would have made it a hit.
    pub(super) fn would_hit(&mut self, key: &Key) -> bool {
        !self.keys.is_empty() && self.keys.remove(key)
    }

    /// The key changed: the copy would be stale.
    pub(super) fn forget(&mut self, key: &Key) {
        if !self.keys.is_empty() {
            self.keys.remove(key);
        }
    }

    /// Nothing that was known counts any more.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.order.clear();
    }
}
