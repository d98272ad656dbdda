//! L1 on quick_cache: weighted, with expiry per entry and a mark for what was warmed and not
//! yet read.
//!
//! quick_cache (a CLOCK-Pro relative with ghosts) decides who stays; this adapter adds what it has
//! not: time to live, versions, the stale mark that keeps a key's standing while its value is
//! outdated, and the unread flag of the ledger. Readers take a shard's read lock only; a writer
//! holds the shard's lock, so that "compare the version, then replace" is one step.

mod lru;
mod shards;

pub use lru::LruCache;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use foldhash::fast::FixedState;
use forewarm_application::ports::{
    Cached, Ending, Evicted, Glimpse, LocalCache, LocalLookup, Placed, Placement, Usage,
};
use forewarm_domain::{ChainId, Key, KeyRef, Standing, Timestamp, Version, supersedes};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use shards::{Held, Shards};

/// The share of the capacity for keys that have been read again since they came; the rest is
/// the waiting room of newcomers, warmed ones among them. Measured in docs/adr/0002.
pub const HOT_ALLOCATION: f64 = 0.8;

/// What an entry costs beyond its key and value: quick_cache's slot, the index and the `Slot`.
const ENTRY_OVERHEAD_BYTES: u64 = 160;

/// Shards for each processor: two threads then rarely want the same one.
const SHARDS_A_PROCESSOR: usize = 4;

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

    /// Whether a value of `version` that was read at `now` may take this slot's place. What has
    /// expired by then is no value any more, only the least acceptable version.
    fn yields_to(&self, version: Option<Version>, placement: Placement, now: Timestamp) -> bool {
        if self.value.is_none() || self.expires_at <= now {
            return match (version, self.version) {
                (Some(new), Some(least)) => new >= least,
                _ => true,
            };
        }
        let known = version.is_some() && self.version.is_some();
        (known || placement != Placement::Warm) && supersedes(version, self.version)
    }
}

#[derive(Debug, Clone, Copy)]
struct Weights {
    by_bytes: bool,
}

impl Weights {
    fn of(self, key: &Key, value: Option<&Bytes>) -> u64 {
        if !self.by_bytes {
            return 1;
        }
        (key.bytes().len() + value.map_or(0, Bytes::len)) as u64 + ENTRY_OVERHEAD_BYTES
    }
}

impl Weighter<Held, Slot> for Weights {
    fn weight(&self, held: &Held, slot: &Slot) -> u64 {
        self.of(&held.key, slot.value.as_ref())
    }
}

/// Collects who leaves during one call.
#[derive(Debug, Clone, Copy)]
struct Leavers;

impl Lifecycle<Held, Slot> for Leavers {
    type RequestState = SmallVec<[Evicted; 4]>;

    fn is_pinned(&self, _held: &Held, slot: &Slot) -> bool {
        slot.is_kept()
    }

    fn on_evict(&self, leavers: &mut Self::RequestState, held: Held, slot: Slot) {
        let fresh = slot.value.is_some();
        leavers.push(Evicted {
            key: held.key,
            unread: slot.unread,
            fresh,
        });
    }
}

/// L1 on quick_cache.
#[derive(Debug)]
pub struct QuickCache {
    shards: Shards<FixedState>,
    weights: Weights,
    /// Of all shards, and the most that one entry may weigh.
    capacity: u64,
    heaviest: u64,
    /// Slots that are kept now.
    kept: AtomicUsize,
}

impl QuickCache {
    /// An empty cache. `seed` salts the hash; a constant makes runs repeatable, a random one
    /// keeps keys chosen by a stranger from colliding.
    pub fn new(capacity: Capacity, seed: u64) -> Self {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let (weight, entries, shards, by_bytes) = match capacity {
            Capacity::Bytes(bytes) => {
                let shards = SHARDS_A_PROCESSOR * processors();
                (bytes, (bytes / 512).max(16), shards, true)
            }
            Capacity::Entries(entries) => (entries.max(1), entries.max(1), 1, false),
        };
        let mut options = OptionsBuilder::new();
        options.hot_allocation(HOT_ALLOCATION).ghost_allocation(1.0);
        let weights = Weights { by_bytes };
        let hasher = FixedState::with_seed(seed);
        let shards = Shards::new(&mut options, (weight, entries), shards, weights, hasher);
        let of_a_shard = shards
            .each()
            .next()
            .map_or(0, |shard| shard.read().capacity());
        Self {
            capacity: shards.each().map(|shard| shard.read().capacity()).sum(),
            heaviest: ((of_a_shard as f64 * HOT_ALLOCATION) as u64).max(1),
            shards,
            weights,
            kept: AtomicUsize::new(0),
        }
    }

    /// Drops the key if its copy has expired by `now`.
    fn expire(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let probe = self.shards.probe_key(key);
        let gone = self
            .shards
            .write(&probe)
            .remove_if(&probe, |slot| slot.expires_at <= now);
        match gone {
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

    /// Whether one more unread warm may be kept from eviction. Looks into every shard: nobody who
    /// asks may hold one.
    fn may_keep(&self) -> bool {
        let entries: usize = self.shards.each().map(|shard| shard.read().len()).sum();
        entries <= SMALL && 2 * (self.kept.load(Ordering::Relaxed) + 1) <= entries
    }

    /// Clears the unread flag; whether this call did.
    ///
    /// The read that a newcomer was fetched for is its demand fill and no sign that it is read
    /// again and again: it enters anew, without the mark that this read left on it.
    fn mark_read(&self, key: &Key) -> bool {
        let probe = self.shards.probe_key(key);
        let mut shard = self.shards.write(&probe);
        let Some(mut slot) = shard.peek_mut(&probe) else {
            return false;
        };
        if !slot.unread {
            return false;
        }
        self.release(&slot);
        slot.unread = false;
        let newcomer = std::mem::take(&mut slot.newcomer);
        drop(slot);
        if !newcomer {
            // An outdated copy would have been looked for and then filled: two uses.
            let _ = shard.get(&probe);
        } else if let Some((held, slot)) = shard.remove(&probe) {
            shard.insert(held, slot);
        }
        true
    }
}

impl LocalCache for QuickCache {
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        let probe = self.shards.probe_key(key);
        let shard = self.shards.read(&probe);
        let Some(slot) = shard.get(&probe) else {
            return LocalLookup::Miss;
        };
        let Some(cached) = slot.to_cached() else {
            return LocalLookup::Miss;
        };
        let unread = slot.unread;
        drop(shard);
        if cached.expires_at <= now {
            return self.expire(key, now);
        }
        LocalLookup::Hit {
            cached,
            first_read_of_warm: unread && self.mark_read(key),
        }
    }

    fn glance(&self, name: KeyRef<'_>, now: Timestamp, show: &mut dyn FnMut(Glimpse<'_>)) {
        let probe = self.shards.probe(name);
        let shard = self.shards.read(&probe);
        let Some(slot) = shard.get(&probe) else {
            return;
        };
        if let Some(value) = &slot.value
            && !slot.unread
            && slot.expires_at > now
        {
            show(Glimpse {
                value,
                version: slot.version,
                loaded_at: slot.loaded_at,
                expires_at: slot.expires_at,
                ending: slot.ending,
                draw: probe.draw(),
            });
        }
    }

    fn draw(&self, name: KeyRef<'_>) -> u16 {
        self.shards.probe(name).draw()
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        let probe = self.shards.probe_key(key);
        let shard = self.shards.read(&probe);
        let slot = shard.peek(&probe)?;
        if slot.expires_at <= now {
            return None;
        }
        slot.to_cached()
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        let probe = self.shards.probe_key(key);
        let shard = self.shards.read(&probe);
        match shard.peek(&probe) {
            None => Standing::Absent,
            Some(slot) if slot.value.is_some() && slot.expires_at > now => Standing::Fresh,
            Some(_) => Standing::Stale,
        }
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        let probe = self.shards.probe_key(key);
        let weight = self.weights.of(key, Some(&cached.value));
        let unread = placement == Placement::Warm;
        let may_keep = unread && self.may_keep();
        let mut shard = self.shards.write(&probe);
        let (mut resident, mut overwrote_unread) = (false, false);
        if let Some(mut held) = shard.peek_mut(&probe) {
            if !held.yields_to(cached.version, placement, cached.loaded_at) {
                return Placed::default();
            }
            (resident, overwrote_unread) = (true, held.unread);
            self.release(&held);
            // A read that fills its own miss keeps the key's standing and counts as use, so that it
            // takes the way of a newcomer; a write does not.
            let same_weight = self.weights.of(key, held.value.as_ref()) == weight;
            if same_weight && placement != Placement::Demand {
                let slot = Slot {
                    unread,
                    ..Slot::from_cached(cached)
                };
                let before = std::mem::replace(&mut *held, slot);
                drop(held);
                drop(shard);
                // Outside the lock: the last to hold a value frees it.
                drop(before);
                return Placed {
                    placed: true,
                    in_place: true,
                    overwrote_unread,
                    evicted: SmallVec::new(),
                };
            }
        } else if placement == Placement::Refresh {
            return Placed::default();
        }
        let mut evicted = SmallVec::new();
        if weight > self.heaviest {
            // A value that no shard can hold must not leave its predecessor behind.
            shard.remove(&probe);
            return Placed {
                placed: false,
                in_place: false,
                overwrote_unread,
                evicted,
            };
        }
        let newcomer = unread && !resident;
        let slot = Slot {
            unread,
            newcomer,
            kept: newcomer && may_keep,
            ..Slot::from_cached(cached)
        };
        let keeps = slot.is_kept();
        if resident && placement != Placement::Demand {
            // The entry is there: the shard is ours since it was seen.
            let _ = shard.replace_with_lifecycle(probe.held(key), slot, true, &mut evicted);
        } else {
            shard.insert_with_lifecycle(probe.held(key), slot, &mut evicted);
        }
        // The lifecycle also reports the value that was replaced, and a newcomer for which no room
        // could be made: only a look tells which.
        let own = evicted.len();
        evicted.retain(|left| left.key != *key);
        let placed = own == evicted.len() || shard.contains_key(&probe);
        if placed && keeps {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }
        Placed {
            placed,
            in_place: resident,
            overwrote_unread,
            evicted,
        }
    }

    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool {
        let probe = self.shards.probe_key(key);
        let mut shard = self.shards.write(&probe);
        let Some(mut held) = shard.peek_mut(&probe) else {
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
        held.version = version.or(held.version);
        let value = held.value.take();
        let unread = std::mem::take(&mut held.unread);
        drop(held);
        drop(shard);
        drop(value);
        unread
    }

    fn remove(&self, key: &Key) -> bool {
        let probe = self.shards.probe_key(key);
        let Some((_, slot)) = self.shards.write(&probe).remove(&probe) else {
            return false;
        };
        self.release(&slot);
        slot.unread
    }

    fn clear(&self) -> Vec<Key> {
        let mut unread = Vec::new();
        for shard in self.shards.each() {
            let mut shard = shard.write();
            for (held, slot) in shard.drain() {
                self.release(&slot);
                if slot.unread {
                    unread.push(held.key);
                }
            }
        }
        unread
    }

    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        let mut keys = Vec::new();
        for shard in self.shards.each() {
            let shard = shard.read();
            let held = shard.iter().map(|(held, _)| &held.key);
            keys.extend(held.filter(|key| key.chain() == chain).cloned());
        }
        keys
    }

    fn usage(&self) -> Usage {
        let (mut entries, mut weight) = (0, 0);
        for shard in self.shards.each() {
            let shard = shard.read();
            entries += shard.len();
            weight += shard.weight();
        }
        Usage {
            entries,
            weight,
            capacity: self.capacity,
        }
    }
}

#[cfg(test)]
mod tests;
