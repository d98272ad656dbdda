//! quick_cache's table, cut into shards with a lock each, and a key's hash worked out once.
//!
//! quick_cache's own sharded cache gives copies out and takes whole entries in: to replace a value
//! unless it is older took three hashes of the key, a second lock and nine reference counts
//! (190 ns; 70 now). With the lock in our hands an entry is looked at and changed where it lies.

use std::hash::{BuildHasher, Hash, Hasher};

use forewarm_domain::{Key, KeyRef};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Options, OptionsBuilder};

use super::{Leavers, Slot, Weights};

/// Fewer entries than this in a shard, and what leaves would be chosen from too few.
const LEAST_ENTRIES: u64 = 32;

/// A resident key and its hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) key: Key,
    hash: u64,
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A key that is looked for, by its bytes in somebody's hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<'a> {
    name: KeyRef<'a>,
    hash: u64,
}

impl Probe<'_> {
    /// The key, to be held.
    pub(super) fn held(&self, key: &Key) -> Held {
        Held {
            key: key.clone(),
            hash: self.hash,
        }
    }

    /// Sixteen bits of the hash that neither choose the shard nor begin the search in its table.
    pub(super) fn draw(&self) -> u16 {
        (self.hash >> 41) as u16
    }
}

impl Hash for Probe<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Held> for Probe<'_> {
    fn equivalent(&self, held: &Held) -> bool {
        self.hash == held.hash && self.name.names(&held.key)
    }
}

/// Hands on the hash that a [`Held`] or [`Probe`] brings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ready(u64);

impl BuildHasher for Ready {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only a whole hash is written");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// One shard's table.
pub(super) type Table = Cache<Held, Slot, Weights, Ready, Leavers>;

/// On cache lines of its own: another shard's lock must not take this one's away.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(RwLock<Table>);

/// All shards.
#[derive(Debug)]
pub(super) struct Shards<B> {
    shards: Box<[Shard]>,
    hasher: B,
}

impl<B: BuildHasher> Shards<B> {
    /// `weight` and `entries` are of all shards together; at most `most` shards.
    pub(super) fn new(
        options: &mut OptionsBuilder,
        (weight, entries): (u64, u64),
        most: usize,
        weights: Weights,
        hasher: B,
    ) -> Self {
        let mut shards = most.next_power_of_two() as u64;
        while entries.div_ceil(shards) < LEAST_ENTRIES && shards > 1 {
            shards /= 2;
        }
        let options: Options = options
            .weight_capacity(weight.div_ceil(shards))
            .estimated_items_capacity(entries.div_ceil(shards) as usize)
            .build()
            .expect("all required options are set above");
        let shard = |_| {
            let table = Table::with_options(options.clone(), weights, Ready::default(), Leavers);
            Shard(RwLock::new(table))
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            hasher,
        }
    }

    /// What to look for.
    pub(super) fn probe<'a>(&self, name: KeyRef<'a>) -> Probe<'a> {
        let hash = self.hasher.hash_one(name);
        Probe { name, hash }
    }

    pub(super) fn probe_key<'a>(&self, key: &'a Key) -> Probe<'a> {
        self.probe(KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        })
    }

    pub(super) fn read(&self, probe: &Probe<'_>) -> RwLockReadGuard<'_, Table> {
        self.shard(probe).0.read()
    }

    pub(super) fn write(&self, probe: &Probe<'_>) -> RwLockWriteGuard<'_, Table> {
        self.shard(probe).0.write()
    }

    /// Every shard in turn.
    pub(super) fn each(&self) -> impl Iterator<Item = &RwLock<Table>> {
        self.shards.iter().map(|shard| &shard.0)
    }

    fn shard(&self, probe: &Probe<'_>) -> &Shard {
        // From the middle: the table itself looks at both ends of the hash.
        &self.shards[probe.hash.rotate_right(32) as usize & (self.shards.len() - 1)]
    }
}
