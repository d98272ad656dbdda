//! The figures of one contender, in the shape that replay and `/v1/shadow` share.

use forewarm_application::replay::RunReport;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Figures {
    strategy: &'static str,
    reads: u64,
    l1_hits: u64,
    l1_hit_ratio: f64,
    misses_removed_ratio: f64,
    warmed: u64,
    useful: u64,
    late: u64,
    wasted: u64,
    harmful: u64,
    precision: f64,
    l2_reads: u64,
    extra_l2_reads_ratio: f64,
    ns_per_event: f64,
}

impl From<&RunReport> for Figures {
    fn from(run: &RunReport) -> Self {
        Self {
            strategy: run.strategy,
            reads: run.reads,
            l1_hits: run.l1_hits,
            l1_hit_ratio: run.l1_hit_ratio,
            misses_removed_ratio: run.misses_removed_ratio,
            warmed: run.outcomes.warmed,
            useful: run.outcomes.useful,
            late: run.outcomes.late,
            wasted: run.outcomes.wasted,
            harmful: run.outcomes.harmful,
            precision: run.outcomes.precision(),
            l2_reads: run.l2_reads,
            extra_l2_reads_ratio: run.extra_l2_reads_ratio,
            ns_per_event: run.ns_per_event,
        }
    }
}
