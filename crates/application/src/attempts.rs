//! How warm attempts ended, counted: each key that a strategy chose, and each request that was
//! dropped before it chose any, in exactly one place.

use std::sync::atomic::{AtomicU64, Ordering};

use forewarm_domain::Attempt;

/// Counters by end. One atomic addition each; any thread may count.
#[derive(Debug, Default)]
pub struct Attempts {
    counts: [AtomicU64; Attempt::ALL.len()],
}

impl Attempts {
    /// `keys` attempts ended so.
    pub fn count(&self, attempt: Attempt, keys: usize) {
        self.counts[attempt as usize].fetch_add(keys as u64, Ordering::Relaxed);
    }

    /// All ends with their counts, in the order of [`Attempt::ALL`].
    pub fn totals(&self) -> [(Attempt, u64); Attempt::ALL.len()] {
        Attempt::ALL.map(|attempt| {
            let count = self.counts[attempt as usize].load(Ordering::Relaxed);
            (attempt, count)
        })
    }
}
