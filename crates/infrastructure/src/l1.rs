//! L1 on quick_cache: weighted, with expiry per entry and a mark for what was warmed and not
//! yet read.
//!
//! quick_cache (a CLOCK-Pro relative with ghosts) decides who stays; this adapter adds what it has
//! not: time to live, versions, the stale mark that keeps a key's standing while its value is
//! outdated, and the unread flag of the ledger. Readers take quick_cache's shard read lock only;
//! writers of one key are ordered by a striped lock, so that "compare the version, then
//! replace" is one step.

mod lru;

pub use lru::LruCache;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use foldhash::fast::FixedState;
use forewarm_application::ports::{
    Cached, Ending, Evicted, LocalCache, LocalLookup, Placed, Placement, Usage,
};
use forewarm_domain::{Key, KeyRef, Standing, Timestamp, Version, supersedes};
use parking_lot::{Mutex, MutexGuard};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

/// The share of the capacity for keys that have been read again since they came; the rest is
/// the waiting room of newcomers, warmed ones among them. Measured in docs/adr/0002.
pub const HOT_ALLOCATION: f64 = 0.8;

/// What an entry costs beyond its key and value: quick_cache's slot, the index and the `Slot`.
const ENTRY_OVERHEAD_BYTES: u64 = 160;

const STRIPES: usize = 64;

/// Up to this many entries up to half of them, unread warms, are kept from eviction: a waiting room of a fifth is too
/// small then for the reads of one event. Above it there is no need, and to walk past those kept would
/// cost more than the dozens of nanoseconds it does here. Measured in docs/adr/0024.
const SMALL: usize = 1_024;

/// The unit in which L1 is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// Bytes of keys, values and overhead.
    Bytes(u64),
    /// Entries, each of weight one, in one shard: exact and repeatable, for replay.
    Entries(u64),
}

/// One resident key.
#[derive(Debug, Clone)]
struct Slot {
    /// `None` = the value is known to be stale; the version is then the least acceptable one.
    value: Option<Bytes>,
    version: Option<Version>,
    loaded_at: Timestamp,
    expires_at: Timestamp,
    ending: Ending,
    unread: bool,
    /// Came by a warm, not by a read, and has not been read since.
    newcomer: bool,
    /// Not to be evicted while unread.
    kept: bool,
}

impl Slot {
    fn from_cached(cached: Cached) -> Self {
        Self {
            value: Some(cached.value),
            version: cached.version,
            loaded_at: cached.loaded_at,
            expires_at: cached.expires_at,
            ending: cached.ending,
            unread: false,
            newcomer: false,
            kept: false,
        }
    }

    fn to_cached(&self) -> Option<Cached> {
        Some(Cached {
            value: self.value.clone()?,
            version: self.version,
            loaded_at: self.loaded_at,
            expires_at: self.expires_at,
            ending: self.ending,
        })
    }

    /// Whether it may not be evicted now.
    fn is_kept(&self) -> bool {
        self.kept && self.unread && self.value.is_some()
    }

    /// Whether a value of `version` may take this slot's place.
    fn yields_to(&self, version: Option<Version>) -> bool {
        match self.value {
            Some(_) => supersedes(version, self.version),
            None => match (version, self.version) {
                (Some(new), Some(least)) => new >= least,
                _ => true,
            },
        }
    }
}

/// A key by its bytes in somebody else's buffer.
#[derive(Hash)]
struct Borrowed<'a>(KeyRef<'a>);

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0.names(key)
    }
}

#[derive(Debug, Clone, Copy)]
struct Weights {
    by_bytes: bool,
}

impl Weighter<Key, Slot> for Weights {
    fn weight(&self, key: &Key, slot: &Slot) -> u64 {
        if !self.by_bytes {
            return 1;
        }
        let value = slot.value.as_ref().map_or(0, Bytes::len);
        (key.bytes().len() + value) as u64 + ENTRY_OVERHEAD_BYTES
    }
}

/// Collects who leaves during one call.
#[derive(Debug, Clone, Copy)]
struct Leavers;

impl Lifecycle<Key, Slot> for Leavers {
    type RequestState = SmallVec<[Evicted; 4]>;

    fn is_pinned(&self, _key: &Key, slot: &Slot) -> bool {
        slot.is_kept()
    }

    fn on_evict(&self, leavers: &mut Self::RequestState, key: Key, slot: Slot) {
        let fresh = slot.value.is_some();
        leavers.push(Evicted {
            key,
            unread: slot.unread,
            fresh,
        });
    }
}

/// L1 on quick_cache.
#[derive(Debug)]
pub struct QuickCache {
    cache: Cache<Key, Slot, Weights, FixedState, Leavers>,
    weights: Weights,
    hasher: FixedState,
    stripes: Box<[Mutex<()>]>,
    /// Slots that are kept now.
    kept: AtomicUsize,
}

impl QuickCache {
    /// An empty cache. `seed` salts the hash; a constant makes runs repeatable, a random one
    /// keeps keys chosen by a stranger from colliding.
    pub fn new(capacity: Capacity, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let (weight, entries, by_bytes) = match capacity {
            Capacity::Bytes(bytes) => (bytes, (bytes / 512).max(16) as usize, true),
            Capacity::Entries(entries) => (entries.max(1), entries.max(1) as usize, false),
        };
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(entries)
            .weight_capacity(weight)
            .hot_allocation(HOT_ALLOCATION)
            .ghost_allocation(1.0);
        if !by_bytes {
            options.shards(1);
        }
        let options = options.build().expect("all required options are set above");
        let weights = Weights { by_bytes };
        Self {
            cache: Cache::with_options(options, weights, hasher.clone(), Leavers),
            weights,
            hasher,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            kept: AtomicUsize::new(0),
        }
    }

    fn lock(&self, key: &Key) -> MutexGuard<'_, ()> {
        self.stripes[self.hasher.hash_one(key) as usize % STRIPES].lock()
    }

    /// Drops the key if its copy has expired by `now`.
    fn expire(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let _writing = self.lock(key);
        match self.cache.remove_if(key, |slot| slot.expires_at <= now) {
            Some((_, slot)) => {
                self.release(&slot);
                LocalLookup::Expired {
                    unread: slot.unread,
                }
            }
            None => LocalLookup::Miss,
        }
    }

    /// A slot that was kept is no more.
    fn release(&self, slot: &Slot) {
        if slot.is_kept() {
            self.kept.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether one more unread warm may be kept from eviction.
    fn may_keep(&self) -> bool {
        let entries = self.cache.len();
        entries <= SMALL && 2 * (self.kept.load(Ordering::Relaxed) + 1) <= entries
    }

    /// Clears the unread flag; whether this call did.
    ///
    /// The read that a newcomer was fetched for is its demand fill and no sign that it is read
    /// again and again: it enters anew, without the mark that this read left on it.
    fn mark_read(&self, key: &Key) -> bool {
        let _writing = self.lock(key);
        let Some(slot) = self.cache.peek(key).filter(|slot| slot.unread) else {
            return false;
        };
        self.release(&slot);
        let read = Slot {
            unread: false,
            newcomer: false,
            ..slot
        };
        if slot.newcomer && self.cache.remove(key).is_some() {
            self.cache.insert(key.clone(), read);
            return true;
        }
        self.cache.replace(key.clone(), read, true).is_ok()
    }

    fn too_heavy(&self, key: &Key, slot: &Slot) -> bool {
        let largest = self.cache.shard_capacity() as f64 * HOT_ALLOCATION;
        self.weights.weight(key, slot) as f64 > largest.max(1.0)
    }
}

impl LocalCache for QuickCache {
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let Some(slot) = self.cache.get(key) else {
            return LocalLookup::Miss;
        };
        if slot.value.is_some() && slot.expires_at <= now {
            return self.expire(key, now);
        }
        let first_read_of_warm = slot.unread && self.mark_read(key);
        match slot.to_cached() {
            Some(cached) => LocalLookup::Hit {
                cached,
                first_read_of_warm,
            },
            None => LocalLookup::Miss,
        }
    }

    fn get_plain(&self, name: KeyRef<'_>, now: Timestamp) -> Option<Cached> {
        let slot = self.cache.get(&Borrowed(name))?;
        if slot.unread || slot.expires_at <= now {
            return None;
        }
        Some(Cached {
            value: slot.value?,
            version: slot.version,
            loaded_at: slot.loaded_at,
            expires_at: slot.expires_at,
            ending: slot.ending,
        })
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.cache
            .peek(key)?
            .to_cached()
            .filter(|cached| cached.expires_at > now)
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        match self.cache.peek(key) {
            None => Standing::Absent,
            Some(slot) if slot.value.is_some() && slot.expires_at > now => Standing::Fresh,
            Some(_) => Standing::Stale,
        }
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        let _writing = self.lock(key);
        let mut held = self.cache.peek(key);
        let was_kept = held.as_ref().is_some_and(Slot::is_kept);
        if let Some(held) = held
            .as_mut()
            .filter(|held| held.expires_at <= cached.loaded_at)
        {
            // What has expired is no value any more, only the least acceptable version.
            held.value = None;
        }
        let allowed = match (&held, placement) {
            (None, Placement::Refresh) => false,
            (None, _) => true,
            (Some(held), Placement::Warm) if held.value.is_some() => {
                cached.version.is_some() && held.version.is_some() && held.yields_to(cached.version)
            }
            (Some(held), _) => held.yields_to(cached.version),
        };
        if !allowed {
            return Placed::default();
        }
        let overwrote_unread = held.as_ref().is_some_and(|held| held.unread);
        let unread = placement == Placement::Warm;
        let newcomer = unread && held.is_none();
        let slot = Slot {
            unread,
            newcomer,
            kept: newcomer && self.may_keep(),
            ..Slot::from_cached(cached)
        };
        if was_kept {
            self.kept.fetch_sub(1, Ordering::Relaxed);
        }
        let keeps = slot.is_kept();
        let mut evicted = SmallVec::new();
        if self.too_heavy(key, &slot) {
            // A value that no shard can hold must not leave its predecessor behind.
            self.cache.remove(key);
            return Placed {
                placed: false,
                in_place: false,
                overwrote_unread,
                evicted,
            };
        }
        // A read that fills its own miss keeps the key's standing and counts as use; a write does not.
        let soft = placement != Placement::Demand;
        if held.is_some() && soft {
            let replaced =
                self.cache
                    .replace_with_lifecycle(key.clone(), slot.clone(), true, &mut evicted);
            if replaced.is_err() {
                self.cache
                    .insert_with_lifecycle(key.clone(), slot, &mut evicted);
            }
        } else {
            self.cache
                .insert_with_lifecycle(key.clone(), slot, &mut evicted);
        }
        // The lifecycle also reports the value that was replaced, and a newcomer for which no room
        // could be made: only a look tells which.
        let own = evicted.len();
        evicted.retain(|left| left.key != *key);
        let placed = own == evicted.len() || self.cache.peek(key).is_some();
        if placed && keeps {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }
        Placed {
            placed,
            in_place: held.is_some(),
            overwrote_unread,
            evicted,
        }
    }

    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool {
        let _writing = self.lock(key);
        let Some(held) = self.cache.peek(key) else {
            return false;
        };
        let outdated = match (version, held.version) {
            (Some(new), Some(held)) => new > held,
            _ => true,
        };
        if !outdated {
            return false;
        }
        self.release(&held);
        let marked = Slot {
            value: None,
            version: version.or(held.version),
            unread: false,
            ..held
        };
        // An entry evicted since the peek has been reported by whoever evicted it.
        self.cache.replace(key.clone(), marked, true).is_ok() && held.unread
    }

    fn remove(&self, key: &Key) -> bool {
        let _writing = self.lock(key);
        let Some((_, slot)) = self.cache.remove(key) else {
            return false;
        };
        self.release(&slot);
        slot.unread
    }

    fn clear(&self) -> Vec<Key> {
        let mut unread = Vec::new();
        for (key, slot) in self.cache.drain() {
            self.release(&slot);
            if slot.unread {
                unread.push(key);
            }
        }
        unread
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.cache.len(),
            weight: self.cache.weight(),
            capacity: self.cache.capacity(),
        }
    }
}

#[cfg(test)]
mod tests;
