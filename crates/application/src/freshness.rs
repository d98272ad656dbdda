//! Freshness: until when L1 may answer without asking L2.
//!
//! L1 learns of changes in L2 over a link. A link that is silent because nothing changes looks
//! like one that is dead, so every so often it is asked for a proof of life, and L1 answers until
//! a bound after the last one. Without a link there is no such end, only each value's own.

use crate::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;
use forewarm_domain::Timestamp;

/// Until when L1 may answer.
#[derive(Debug)]
pub struct Freshness {
    /// In microseconds since the epoch; [`Timestamp::MAX`] = for ever.
    until: AtomicU64,
    /// Held by whoever sets it. Reading the clock and storing what follows from it must not straddle a
    /// step of that clock.
    setting: Mutex<()>,
}

impl Default for Freshness {
    /// For ever.
    fn default() -> Self {
        Self {
            until: AtomicU64::new(Timestamp::MAX.as_micros()),
            setting: Mutex::default(),
        }
    }
}

impl Freshness {
    /// Whether a read that begins at `now` may be answered by L1. One atomic load.
    pub fn allows(&self, now: Timestamp) -> bool {
        // Acquire: whoever sees the new end also sees what was taken out of L1 before it was set.
        now.as_micros() < self.until.load(Ordering::Acquire)
    }

    /// L1 may answer until `until()`, which is asked under the lock that keeps
    /// [`step`](Self::step) away.
    pub fn extend(&self, until: impl FnOnce() -> Timestamp) {
        let _setting = self.setting.lock();
        self.set(until());
    }

    /// L1 may not answer until this is extended.
    pub fn end(&self) {
        self.extend(|| Timestamp::ZERO);
    }

    /// Lets the clock be set by `step`: a bounded end, told by the clock before, means nothing
    /// afterwards. Whether L1 may answer is open until the next proof.
    pub fn step(&self, step: impl FnOnce()) {
        let _setting = self.setting.lock();
        if self.until.load(Ordering::Acquire) != Timestamp::MAX.as_micros() {
            self.set(Timestamp::ZERO);
        }
        step();
    }

    fn set(&self, until: Timestamp) {
        self.until.store(until.as_micros(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn it_lasts_for_ever_unless_bounded_and_ends_at_the_bound_exactly() {
        let freshness = Freshness::default();
        assert!(freshness.allows(at(u64::MAX / 2_000)));
        freshness.extend(|| at(100));
        assert!(freshness.allows(at(99)) && !freshness.allows(at(100)));
        freshness.end();
        assert!(!freshness.allows(Timestamp::ZERO));
    }

    #[test]
    fn an_end_told_by_the_clock_before_a_step_counts_no_more() {
        let freshness = Freshness::default();
        freshness.extend(|| at(5_000));
        freshness.step(|| {});
        // The clock was set back by an hour: the old end would now be an hour away.
        assert!(!freshness.allows(at(10)));
        freshness.extend(|| at(20));
        assert!(freshness.allows(at(10)));
    }

    #[test]
    fn without_a_bound_a_step_of_the_clock_changes_nothing() {
        let freshness = Freshness::default();
        let mut stepped = false;
        freshness.step(|| stepped = true);
        assert!(stepped && freshness.allows(at(1)));
    }
}
