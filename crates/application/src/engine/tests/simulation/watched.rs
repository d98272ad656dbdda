//! L1 with a list of the keys that have left it: one that leaves and comes back within a step has no
//! memory of its version.

use std::sync::Arc;

use forewarm_domain::{ChainId, Key, Standing, Timestamp, Version};
use parking_lot::Mutex;

use crate::ports::{Cached, LocalCache, LocalLookup, Placed, Placement, Usage};
use crate::testing::MemoryCache;

pub(super) type Departed = Arc<Mutex<Vec<Key>>>;

pub(super) struct Watched {
    inner: MemoryCache,
    departed: Departed,
}

impl Watched {
    pub(super) fn with_room_for(entries: usize) -> (Box<dyn LocalCache>, Departed) {
        let departed = Departed::default();
        let watched = Self {
            inner: MemoryCache::new(entries),
            departed: Arc::clone(&departed),
        };
        (Box::new(watched), departed)
    }
}

impl LocalCache for Watched {
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let found = self.inner.get(key, now);
        if matches!(found, LocalLookup::Expired { .. }) {
            self.departed.lock().push(key.clone());
        }
        found
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.inner.peek(key, now)
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        self.inner.standing(key, now)
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        let placed = self.inner.place(key, cached, placement);
        let evicted = placed.evicted.iter().map(|left| left.key.clone());
        self.departed.lock().extend(evicted);
        placed
    }

    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool {
        self.inner.mark_stale(key, version)
    }

    fn remove(&self, key: &Key) -> bool {
        self.departed.lock().push(key.clone());
        self.inner.remove(key)
    }

    fn clear(&self) -> Vec<Key> {
        // Every key is seen to be absent after the step.
        self.inner.clear()
    }

    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        self.inner.keys_of(chain)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
