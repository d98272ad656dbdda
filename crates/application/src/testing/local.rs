//! L1 by the letter of the port: LRU, entries of weight one, a list.

use std::collections::VecDeque;

use bytes::Bytes;
use forewarm_domain::{ChainId, Key, KeyRef, Standing, Timestamp, Version, supersedes};

use crate::ports::{Cached, Ending, Evicted, LocalCache, LocalLookup, Placed, Placement, Usage};
use crate::sync::Mutex;

#[derive(Debug, Clone)]
struct Slot {
    key: Key,
    /// `None` = stale; the version is then the least acceptable one.
    value: Option<Bytes>,
    version: Option<Version>,
    loaded_at: Timestamp,
    expires_at: Timestamp,
    ending: Ending,
    unread: bool,
}

impl Slot {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.value.is_some() && self.expires_at > now
    }

    fn yields_to(&self, version: Option<Version>) -> bool {
        match (&self.value, version, self.version) {
            (None, Some(new), Some(least)) => new >= least,
            (None, ..) => true,
            (Some(_), new, held) => supersedes(new, held),
        }
    }

    fn cached(&self) -> Option<Cached> {
        Some(Cached {
            value: self.value.clone()?,
            version: self.version,
            loaded_at: self.loaded_at,
            expires_at: self.expires_at,
            ending: self.ending,
        })
    }
}

/// Least recently used first.
#[derive(Debug)]
pub(crate) struct MemoryCache {
    slots: Mutex<VecDeque<Slot>>,
    capacity: usize,
}

impl MemoryCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: Mutex::default(),
            capacity,
        }
    }

    pub(crate) fn boxed(capacity: usize) -> Box<dyn LocalCache> {
        Box::new(Self::new(capacity))
    }
}

fn find(slots: &VecDeque<Slot>, key: &Key) -> Option<usize> {
    slots.iter().position(|slot| slot.key == *key)
}

impl LocalCache for MemoryCache {
    /// The key's length: not what it is where nothing is said.
    fn draw(&self, name: KeyRef<'_>) -> u16 {
        name.bytes.len() as u16
    }

    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let mut slots = self.slots.lock();
        let Some(at) = find(&slots, key) else {
            return LocalLookup::Miss;
        };
        if slots[at].value.is_some() && !slots[at].is_fresh(now) {
            let unread = slots[at].unread;
            slots.remove(at);
            return LocalLookup::Expired { unread };
        }
        let Some(mut slot) = slots.remove(at) else {
            return LocalLookup::Miss;
        };
        let first_read_of_warm = std::mem::take(&mut slot.unread);
        let cached = slot.cached();
        slots.push_back(slot);
        match cached {
            Some(cached) => LocalLookup::Hit {
                cached,
                first_read_of_warm,
            },
            None => LocalLookup::Miss,
        }
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        let slots = self.slots.lock();
        let slot = &slots[find(&slots, key)?];
        slot.cached().filter(|_| slot.is_fresh(now))
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        let slots = self.slots.lock();
        match find(&slots, key) {
            None => Standing::Absent,
            Some(at) if slots[at].is_fresh(now) => Standing::Fresh,
            Some(_) => Standing::Stale,
        }
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        let mut slots = self.slots.lock();
        let held = find(&slots, key);
        let allowed = match (held, placement) {
            (None, Placement::Refresh) => false,
            (None, _) => true,
            (Some(at), Placement::Warm) if slots[at].is_fresh(cached.loaded_at) => false,
            (Some(at), _) => {
                !slots[at].is_fresh(cached.loaded_at) && slots[at].value.is_some()
                    || slots[at].yields_to(cached.version)
            }
        };
        let mut placed = Placed::default();
        if !allowed {
            return placed;
        }
        let slot = Slot {
            key: key.clone(),
            value: Some(cached.value),
            version: cached.version,
            loaded_at: cached.loaded_at,
            expires_at: cached.expires_at,
            ending: cached.ending,
            unread: placement == Placement::Warm,
        };
        placed.placed = true;
        placed.in_place = held.is_some();
        match held {
            Some(at) => {
                placed.overwrote_unread = slots[at].unread;
                slots[at] = slot;
            }
            None => slots.push_back(slot),
        }
        while slots.len() > self.capacity {
            let left = slots.pop_front().expect("it is over its capacity");
            placed.evicted.push(Evicted {
                fresh: left.value.is_some(),
                unread: left.unread,
                key: left.key,
            });
        }
        placed
    }

    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool {
        let mut slots = self.slots.lock();
        let Some(at) = find(&slots, key) else {
            return false;
        };
        let slot = &mut slots[at];
        if let (Some(new), Some(held)) = (version, slot.version)
            && new <= held
        {
            return false;
        }
        slot.value = None;
        slot.version = version.or(slot.version);
        std::mem::take(&mut slot.unread)
    }

    fn remove(&self, key: &Key) -> bool {
        let mut slots = self.slots.lock();
        find(&slots, key)
            .and_then(|at| slots.remove(at))
            .is_some_and(|slot| slot.unread)
    }

    fn clear(&self) -> Vec<Key> {
        let slots = std::mem::take(&mut *self.slots.lock());
        let unread = slots.into_iter().filter(|slot| slot.unread);
        unread.map(|slot| slot.key).collect()
    }

    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        let slots = self.slots.lock();
        let keys = slots.iter().map(|slot| &slot.key);
        keys.filter(|key| key.chain() == chain).cloned().collect()
    }

    fn usage(&self) -> Usage {
        let entries = self.slots.lock().len();
        Usage {
            entries,
            weight: entries as u64,
            capacity: self.capacity as u64,
        }
    }
}
