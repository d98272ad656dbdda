//! The circuit breaker before L2, for warming only: demand always tries, warming stops first.

use std::time::Duration;

use forewarm_domain::Timestamp;

use crate::metrics::BreakerState;

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How long it stays open before one call may try.
const PAUSE: Duration = Duration::from_millis(500);

/// Closed → (three failures in a row) → open → (half a second) → half-open → one call decides.
///
/// It cannot stay open by itself: after every pause a call goes through, and an answer to anybody,
/// demand included, closes it, if it came in the time that a warm has. Answers that are later are no
/// failures of demand, and no reason to warm: of an L2 that is slow, demand has the rest.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    /// While open: when the next call may try.
    retry_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether a warm may be sent at `now`. When half-open the caller is the one that tries.
    pub fn allows(&mut self, now: Timestamp) -> bool {
        match self.retry_at {
            None => true,
            Some(retry_at) if now >= retry_at => {
                // Until its answer is known nobody else tries.
                self.retry_at = Some(now + PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// L2 answered, in time for a warm.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// L2 failed or did not answer; `now` is when that was known, not when it was asked.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.retry_at = Some(now + PAUSE);
        }
    }

    /// The state at `now`, as the gauge shows it.
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match self.retry_at {
            None => BreakerState::Closed,
            Some(retry_at) if now >= retry_at => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row_and_lets_one_call_try_after_the_pause() {
        let mut breaker = Breaker::default();
        for n in 0..3 {
            assert!(breaker.allows(at(n)));
            breaker.failed(at(n));
        }
        assert_eq!(breaker.state(at(10)), BreakerState::Open);
        assert!(!breaker.allows(at(501)));
        assert_eq!(breaker.state(at(502)), BreakerState::HalfOpen);
        assert!(breaker.allows(at(502)));
        assert!(!breaker.allows(at(503)), "one call tries");
        breaker.succeeded();
        assert!(breaker.allows(at(504)));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for n in 0..10 {
            breaker.failed(at(n));
            breaker.failed(at(n));
            breaker.succeeded();
        }
        assert!(breaker.allows(at(11)));
    }
}
