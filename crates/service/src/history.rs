//! The last half hour in small steps: what a page needs that is opened in the middle of things.

use std::collections::VecDeque;
use std::time::Duration;

use forewarm_application::engine::Status;
use parking_lot::Mutex;

/// The time between two samples.
pub(crate) const STEP: Duration = Duration::from_secs(2);
/// Half an hour; 72 KB.
pub(crate) const MOST: usize = 900;

/// Totals since the start, as of a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Milliseconds since the start.
    pub(crate) at_ms: u64,
    pub(crate) lookups: u64,
    pub(crate) misses: u64,
    /// What the same L1 without warming would have missed.
    pub(crate) misses_without: u64,
    /// Keys read from L2, by demand and by warming.
    pub(crate) l2_reads: u64,
    pub(crate) warmed: u64,
    pub(crate) useful: u64,
    /// Wasted and harmful.
    pub(crate) in_vain: u64,
    pub(crate) queue_depth: u64,
}

impl Sample {
    pub(crate) fn new(at_ms: u64, status: &Status) -> Self {
        let (hits, misses) = status.demand;
        Self {
            at_ms,
            lookups: hits + misses,
            misses,
            misses_without: misses_without(status),
            l2_reads: misses + status.pairs_warmed,
            warmed: status.pairs_warmed,
            useful: status.outcomes.useful,
            in_vain: status.outcomes.wasted + status.outcomes.harmful,
            queue_depth: status.queue_depth as u64,
        }
    }
}

/// The misses that the same L1 without warming would have had.
pub(crate) fn misses_without(status: &Status) -> u64 {
    (status.demand.1 as f64 + status.spared_misses).max(0.0) as u64
}

/// The latest samples.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Sample>>);

impl History {
    /// Takes a sample if a [`STEP`] has passed since the last one; `at_ms` counts from the start.
    pub(crate) fn note(&self, at_ms: u64, sample: impl FnOnce() -> Sample) {
        let step = STEP.as_millis() as u64;
        let mut samples = self.0.lock();
        let last = samples.back().map(|last| last.at_ms);
        // A little early is on time: the ticks are not exact.
        if last.is_some_and(|last| at_ms < last + step - step / 4) {
            return;
        }
        if samples.len() >= MOST {
            samples.pop_front();
        }
        samples.push_back(sample());
    }

    /// The samples from `at_ms` (milliseconds since the start) on, oldest first.
    pub(crate) fn from(&self, at_ms: u64) -> Vec<Sample> {
        let samples = self.0.lock();
        let young = samples.iter().filter(|sample| sample.at_ms >= at_ms);
        young.copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64) -> Sample {
        Sample {
            at_ms,
            lookups: 0,
            misses: 0,
            misses_without: 0,
            l2_reads: 0,
            warmed: 0,
            useful: 0,
            in_vain: 0,
            queue_depth: 0,
        }
    }

    fn times(history: &History, from: u64) -> Vec<u64> {
        let samples = history.from(from);
        samples.iter().map(|sample| sample.at_ms).collect()
    }

    #[test]
    fn samples_are_a_step_apart_and_the_oldest_make_room() {
        let history = History::default();
        for at_ms in [1_000, 1_900, 2_990, 3_500, 5_000] {
            history.note(at_ms, || sample(at_ms));
        }
        assert_eq!(times(&history, 0), [1_000, 2_990, 5_000]);
        assert_eq!(times(&history, 2_991), [5_000]);
        for n in 1..=MOST as u64 {
            let at_ms = 5_000 + n * 2_000;
            history.note(at_ms, || sample(at_ms));
        }
        let all = times(&history, 0);
        assert_eq!((all.len(), all[0]), (MOST, 7_000));
    }
}
