//! How many hits the learner hears of.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use forewarm_domain::Timestamp;

/// Learning from a hit costs ten times what the hit does, and what the learner cannot keep up with is
/// lost at random when its queue is full. So of each [`SPAN`](Self::SPAN) at most
/// so many are learned from, those that come first: a stretch without holes, in which what
/// is read together is seen together. Misses, first reads of a warm, updates and everything that changes
/// a value are always told.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Hits of a span that are learned from.
    hits: u32,
    span: AtomicU64,
    taken: AtomicU32,
}

impl Pace {
    const SPAN: Duration = Duration::from_millis(50);

    /// At most `hits` of each span.
    pub(crate) fn new(hits: u32) -> Self {
        Self {
            hits,
            span: AtomicU64::new(0),
            taken: AtomicU32::new(0),
        }
    }

    /// Whether one more hit at `now` is to be learned from.
    #[inline]
    pub(crate) fn learns(&self, now: Timestamp) -> bool {
        let span = now.as_micros() / Self::SPAN.as_micros() as u64;
        if self.span.load(Ordering::Relaxed) != span {
            self.span.store(span, Ordering::Relaxed);
            self.taken.store(0, Ordering::Relaxed);
        }
        // Looked at first: past the limit nobody writes the shared line any more.
        self.taken.load(Ordering::Relaxed) < self.hits
            && self.taken.fetch_add(1, Ordering::Relaxed) < self.hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hits_of_each_span_are_learned_from_and_all_of_them_when_they_are_few() {
        for hits in [100, 10_000_u32] {
            let pace = Pace::new(hits);
            let span = Pace::SPAN.as_micros() as u64;
            let at = |n: u64| Timestamp::from_micros(1_000_000 * span + n);
            let learned = |from| (0..12_000).filter(|n| pace.learns(at(from + n))).count();
            assert_eq!(learned(0), hits as usize);
            assert!(!pace.learns(at(span / 2)), "a hole would tear pairs apart");
            assert_eq!(learned(span), hits as usize);
            let few = (0..u64::from(hits)).all(|n| pace.learns(at(2 * span + n)));
            assert!(few, "few are all learned from");
        }
    }
}
