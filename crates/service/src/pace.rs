//! How many hits the learner hears of.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use forewarm_domain::Timestamp;

/// Learning from a hit costs ten times what the hit does, and what the learner cannot keep up with is
/// lost at random when its queue is full. So of each [`SPAN`](Self::SPAN) at most
/// [`HITS`](Self::HITS) are learned from, those that come first: a stretch without holes, in which what
/// is read together is seen together. Misses, first reads of a warm, updates and everything that changes
/// a value are always told; below 200,000 hits a second everything is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    span: AtomicU64,
    taken: AtomicU32,
}

impl Pace {
    const SPAN: Duration = Duration::from_millis(50);
    const HITS: u32 = 10_000;

    /// Whether one more hit at `now` is to be learned from.
    pub(crate) fn learns(&self, now: Timestamp) -> bool {
        let span = now.as_micros() / Self::SPAN.as_micros() as u64;
        if self.span.load(Ordering::Relaxed) != span {
            self.span.store(span, Ordering::Relaxed);
            self.taken.store(0, Ordering::Relaxed);
        }
        // Looked at first: past the limit nobody writes the shared line any more.
        self.taken.load(Ordering::Relaxed) < Self::HITS
            && self.taken.fetch_add(1, Ordering::Relaxed) < Self::HITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hits_of_each_span_are_learned_from_and_all_of_them_when_they_are_few() {
        let pace = Pace::default();
        let span = Pace::SPAN.as_micros() as u64;
        let at = |n: u64| Timestamp::from_micros(1_000_000 * span + n);
        let learned = |from| (0..12_000).filter(|n| pace.learns(at(from + n))).count();
        assert_eq!(learned(0), Pace::HITS as usize);
        assert!(!pace.learns(at(span / 2)), "a hole would tear pairs apart");
        assert_eq!(learned(span), Pace::HITS as usize);
        assert!((0..9_000).all(|n| pace.learns(at(2 * span + n))));
    }
}
