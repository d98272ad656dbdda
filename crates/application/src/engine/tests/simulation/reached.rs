//! What happened in all schedules together: a promise is not kept where it is never put to the test.

use forewarm_domain::{Attempt, Timestamp};

use super::super::super::Engine;
use crate::ledger::Outcomes;
use crate::metrics::OperationTotals;

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Reached {
    attempts: [u64; Attempt::ALL.len()],
    outcomes: Outcomes,
    operations: OperationTotals,
    hits: u64,
    misses: u64,
}

impl Reached {
    pub(super) fn add(&mut self, engine: &Engine, now: Timestamp) {
        let status = engine.status(now);
        for (sum, (_, count)) in self.attempts.iter_mut().zip(status.attempts) {
            *sum += count;
        }
        self.outcomes.warmed += status.outcomes.warmed;
        self.outcomes.useful += status.outcomes.useful;
        self.outcomes.late += status.outcomes.late;
        self.outcomes.wasted += status.outcomes.wasted;
        self.outcomes.harmful += status.outcomes.harmful;
        self.operations.success += status.operations.success;
        self.operations.error += status.operations.error;
        self.operations.timeout += status.operations.timeout;
        self.operations.skipped += status.operations.skipped;
        self.hits += status.demand.0;
        self.misses += status.demand.1;
    }

    /// Each kind of end comes about often enough to mean something: in every hundredth schedule at least,
    /// the rare one in every thousandth.
    pub(super) fn check(&self, schedules: u64) {
        let often = [
            self.outcomes.useful,
            self.outcomes.late,
            self.outcomes.wasted,
            self.operations.success,
            self.operations.error,
            self.operations.timeout,
            self.operations.skipped,
            self.hits,
            self.misses,
        ];
        let seen = often.iter().chain(&self.attempts);
        let least = seen.min().copied().unwrap_or(0);
        assert!(
            least >= schedules / 100 && self.outcomes.harmful >= schedules / 1_000,
            "of {schedules} schedules: {self:#?}"
        );
    }
}
