//! What a run counts.

use std::time::Duration;

use crate::ledger::Outcomes;
use crate::replay::report::{RunReport, ratio};

/// A contender's raw counts.
#[derive(Debug, Default, Clone, Copy)]
pub(in super::super) struct Tally {
    pub(super) reads: u64,
    pub(super) hits: u64,
    pub(super) l2_reads: u64,
    pub(super) outcomes: Outcomes,
}

impl Tally {
    pub(in super::super) fn report(
        &self,
        strategy: &'static str,
        spent: Duration,
        lines: usize,
    ) -> RunReport {
        RunReport {
            strategy,
            reads: self.reads,
            l1_hits: self.hits,
            l1_hit_ratio: ratio(self.hits as f64, self.reads),
            misses_removed_ratio: 0.0,
            outcomes: self.outcomes,
            l2_reads: self.l2_reads,
            extra_l2_reads_ratio: 0.0,
            ns_per_event: ratio(spent.as_nanos() as f64, lines as u64),
        }
    }
}
