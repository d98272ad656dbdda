//! Plain LRU: the baseline that published prefetchers are measured on.

use forewarm_application::ports::{
    Cached, Evicted, LocalCache, LocalLookup, Placed, Placement, Usage,
};
use forewarm_domain::{ChainId, Key, Standing, Timestamp, Version};
use parking_lot::Mutex;

/// Least recently used, every entry of weight one. A stale copy keeps its place and is
/// refreshed there. Versions are ignored: it is a yardstick for replay, not a cache to serve from.
#[derive(Debug)]
pub struct LruCache {
    /// `None` = stale.
    entries: Mutex<lru::LruCache<Key, Option<Cached>, foldhash::fast::FixedState>>,
}

impl LruCache {
    /// At most `entries` keys (at least one).
    pub fn new(entries: usize) -> Self {
        let capacity = std::num::NonZeroUsize::new(entries).unwrap_or(std::num::NonZeroUsize::MIN);
        let hasher = foldhash::fast::FixedState::with_seed(0);
        // Bounded afterwards: `with_hasher` would make room for all of `entries` at once.
        let mut entries = lru::LruCache::unbounded_with_hasher(hasher);
        entries.resize(capacity);
        Self {
            entries: Mutex::new(entries),
        }
    }
}

impl LocalCache for LruCache {
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        match self.entries.lock().get(key) {
            Some(Some(cached)) if cached.expires_at > now => LocalLookup::Hit {
                cached: cached.clone(),
                first_read_of_warm: false,
            },
            _ => LocalLookup::Miss,
        }
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.entries
            .lock()
            .peek(key)?
            .clone()
            .filter(|cached| cached.expires_at > now)
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        match self.entries.lock().peek(key) {
            None => Standing::Absent,
            Some(Some(cached)) if cached.expires_at > now => Standing::Fresh,
            Some(_) => Standing::Stale,
        }
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        let mut entries = self.entries.lock();
        if placement == Placement::Refresh {
            if let Some(held) = entries.peek_mut(key) {
                *held = Some(cached);
                return Placed {
                    placed: true,
                    in_place: true,
                    ..Placed::default()
                };
            }
            return Placed::default();
        }
        let mut placed = Placed {
            placed: true,
            in_place: entries.contains(key),
            ..Placed::default()
        };
        if let Some((left, held)) = entries.push(key.clone(), Some(cached))
            && left != *key
        {
            placed.evicted.push(Evicted {
                key: left,
                unread: false,
                fresh: held.is_some(),
            });
        }
        placed
    }

    fn mark_stale(&self, key: &Key, _version: Option<Version>) -> bool {
        if let Some(held) = self.entries.lock().peek_mut(key) {
            *held = None;
        }
        false
    }

    fn remove(&self, key: &Key) -> bool {
        self.entries.lock().pop(key);
        false
    }

    fn clear(&self) -> Vec<Key> {
        self.entries.lock().clear();
        Vec::new()
    }

    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        let entries = self.entries.lock();
        let keys = entries.iter().map(|(key, _)| key);
        keys.filter(|key| key.chain() == chain).cloned().collect()
    }

    fn usage(&self) -> Usage {
        let entries = self.entries.lock();
        Usage {
            entries: entries.len(),
            weight: entries.len() as u64,
            capacity: entries.cap().get() as u64,
        }
    }
}
