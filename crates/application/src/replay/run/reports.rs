//! What the strategy of a run is told of how it did.

use std::time::Duration;

use forewarm_domain::{Timestamp, WindowStatistics};

use super::{Mind, Run};
use crate::replay::Mark;

/// How often a strategy is told what happened, in stream time.
const WINDOW: Duration = Duration::from_secs(1);
/// … or in reads: a recording may hold a hundred thousand within a few milliseconds.
const WINDOW_READS: u64 = 2_048;

impl Run<'_> {
    /// What it has done after so many lines.
    pub(in crate::replay) fn mark(&self, lines: usize, at: Timestamp) -> Mark {
        let model_bytes = match &self.mind {
            Mind::Strategy(learner) => learner.model().memory_bytes(),
            _ => 0,
        };
        Mark {
            lines,
            at,
            reads: self.tally.reads,
            l1_hits: self.tally.hits,
            l2_reads: self.governor.reads(),
            model_bytes,
        }
    }

    /// Once a second of stream time, or sooner when there is much to tell, the strategy learns what
    /// happened.
    pub(super) fn report_window(&mut self, now: Timestamp) {
        let Mind::Strategy(learner) = &mut self.mind else {
            return;
        };
        let reads = self.tally.reads - self.reported.lookups;
        if now < self.next_report && reads < WINDOW_READS {
            return;
        }
        self.next_report = now + WINDOW;
        let totals = self.ledger.totals();
        let all = WindowStatistics {
            lookups: self.tally.reads,
            hits: self.tally.hits,
            warmed: totals.warmed,
            useful: totals.useful,
            late: totals.late,
            wasted: totals.wasted + totals.harmful,
            over_budget: self.over_budget,
        };
        learner.strategy_mut().observe(&all.since(&self.reported));
        self.reported = all;
    }
}
