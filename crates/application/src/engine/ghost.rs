//! The ghost: L1 as it would be without warming, keys and sizes only.

use std::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use forewarm_domain::{Key, Timestamp};

use crate::ports::{Cached, LocalCache, LocalLookup, Placement};

/// Sizes are told by slices of this; larger values count as this large.
static SIZES: [u8; 1 << 16] = [0; 1 << 16];

/// A sample of the unwarmed L1, by the keys' hash: one key in `one_in`, and a capacity of as
/// much less. With `one_in` 1 it is exact.
pub struct Ghost {
    cache: Box<dyn LocalCache>,
    one_in: u64,
    hasher: FixedState,
}

impl std::fmt::Debug for Ghost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ghost")
            .field("one_in", &self.one_in)
            .finish_non_exhaustive()
    }
}

impl Ghost {
    /// `cache` is of L1's kind with 1/`one_in` of its capacity.
    pub fn new(cache: Box<dyn LocalCache>, one_in: u64) -> Self {
        // A hash of its own: L1's would pick the keys of certain shards.
        Self {
            cache,
            one_in: one_in.max(1),
            hasher: FixedState::with_seed(0x5bd1_e995),
        }
    }

    /// How many keys each sampled one stands for.
    pub(super) fn weight(&self) -> f64 {
        self.one_in as f64
    }

    /// A demand read; whether it would have hit. `None` = not in the sample.
    pub(super) fn read(&mut self, key: &Key, size: u32, now: Timestamp) -> Option<bool> {
        if !self.samples(key) {
            return None;
        }
        let hit = matches!(self.cache.get(key, now), LocalLookup::Hit { .. });
        if !hit {
            self.cache.place(key, of_size(size, now), Placement::Demand);
        }
        Some(hit)
    }

    /// An update, with or without its value.
    pub(super) fn update(&mut self, key: &Key, size: u32, now: Timestamp) {
        if !self.samples(key) {
            return;
        }
        if size == 0 {
            self.cache.mark_stale(key, None);
        } else {
            self.cache.place(key, of_size(size, now), Placement::Update);
        }
    }

    fn samples(&self, key: &Key) -> bool {
        self.one_in == 1 || self.hasher.hash_one(key) % self.one_in == 0
    }
}

fn of_size(size: u32, now: Timestamp) -> Cached {
    let size = (size as usize).min(SIZES.len());
    Cached {
        value: Bytes::from_static(&SIZES[..size]),
        version: None,
        loaded_at: now,
        expires_at: Timestamp::MAX,
    }
}
