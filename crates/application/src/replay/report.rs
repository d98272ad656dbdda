//! What a replay says.

use std::time::Duration;

use super::timeline::Timeline;
use crate::ledger::Outcomes;

/// The recording in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceSummary {
    /// Lines.
    pub events: usize,
    /// Demand reads (lines without `op` included).
    pub reads: usize,
    /// Update lines.
    pub updates: usize,
    /// Distinct keys.
    pub distinct_keys: usize,
    /// Last time minus first, in milliseconds.
    pub span_ms: u64,
}

impl TraceSummary {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let reads = timeline.lines.iter().filter(|line| line.op.reads()).count();
        let span = timeline
            .span
            .map_or(Duration::ZERO, |(first, last)| last.since(first));
        Self {
            events: timeline.lines.len(),
            reads,
            updates: timeline.lines.len() - reads,
            distinct_keys: timeline.keys.len(),
            span_ms: u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// One contender's figures. Ratios of 0/0 are 0.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The contender's name.
    pub strategy: &'static str,
    /// Demand reads.
    pub reads: u64,
    /// Those that L1 answered.
    pub l1_hits: u64,
    /// Hits over reads.
    pub l1_hit_ratio: f64,
    /// 1 − misses / misses of `off`.
    pub misses_removed_ratio: f64,
    /// What became of the warms; entries still live at the end are in `warmed` alone.
    pub outcomes: Outcomes,
    /// Keys read from L2, by demand and by warming.
    pub l2_reads: u64,
    /// (l2_reads − those of `off`) / those of `off`.
    pub extra_l2_reads_ratio: f64,
    /// Time spent a line, parsing excluded.
    pub ns_per_event: f64,
}

/// Everything that a replay says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The recording.
    pub trace: TraceSummary,
    /// L1's size.
    pub l1_entries: usize,
    /// The contenders, `off` first.
    pub runs: Vec<RunReport>,
    /// The strategy to use here; `off` when none of those asked for gains anything.
    pub recommended: &'static str,
}

/// The strategies that may be recommended: baselines are yardsticks.
const BASELINES: [&str; 7] = [
    "off",
    "lru",
    "refresh",
    "markov",
    "oracle",
    "oracle-unlimited",
    "popularity",
];

impl Report {
    pub(super) fn new(trace: TraceSummary, l1_entries: usize, mut runs: Vec<RunReport>) -> Self {
        let (off_misses, off_l2_reads) = runs
            .first()
            .map_or((0, 0), |off| (off.reads - off.l1_hits, off.l2_reads));
        for run in &mut runs {
            let misses = run.reads - run.l1_hits;
            run.misses_removed_ratio = ratio(off_misses as f64 - misses as f64, off_misses);
            run.extra_l2_reads_ratio =
                ratio(run.l2_reads as f64 - off_l2_reads as f64, off_l2_reads);
        }
        let recommended = recommend(&runs);
        Self {
            trace,
            l1_entries,
            runs,
            recommended,
        }
    }

    /// Why that one is recommended, in a sentence.
    pub fn why(&self) -> String {
        let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
        if self.trace.reads == 0 {
            return "no read has been seen yet".to_owned();
        }
        let strategies = || {
            let chosen = |run: &&RunReport| !BASELINES.contains(&run.strategy);
            self.runs.iter().filter(chosen)
        };
        if let Some(best) = strategies().find(|run| run.strategy == self.recommended) {
            let others = strategies().filter(|run| run.strategy != best.strategy);
            let next = others.max_by_key(|run| run.l1_hits).map(|run| {
                let removed = percent(run.misses_removed_ratio);
                format!("; next is {} with {removed} of the misses", run.strategy)
            });
            return format!(
                "{} removes the most misses: {} of those without warming; {} of its warms were \
                 useful, {} of those that were read came in time, and it reads {} more from L2{}",
                best.strategy,
                percent(best.misses_removed_ratio),
                percent(best.outcomes.precision()),
                percent(best.outcomes.timeliness()),
                percent(best.extra_l2_reads_ratio),
                next.unwrap_or_default(),
            );
        }
        let best = strategies().max_by_key(|run| run.l1_hits).map(|run| {
            let removed = percent(run.misses_removed_ratio);
            format!("; the best, {}, removes {removed}", run.strategy)
        });
        format!(
            "no strategy removes {:.0} % of the misses, which would be more than noise{}",
            WORTH_RECOMMENDING * 100.0,
            best.unwrap_or_default()
        )
    }
}

/// Less than this share of the misses removed is noise: on streams without any association the
/// strategies end up to half a percent on either side of `off`.
const WORTH_RECOMMENDING: f64 = 0.01;

/// The most hits; among equals the fewest L2 reads, then the first. `off` when nothing gains.
fn recommend(runs: &[RunReport]) -> &'static str {
    let gaining = runs.iter().filter(|run| {
        !BASELINES.contains(&run.strategy) && run.misses_removed_ratio >= WORTH_RECOMMENDING
    });
    let mut best: Option<&RunReport> = None;
    for run in gaining {
        let better = best.is_none_or(|best| {
            (run.l1_hits, std::cmp::Reverse(run.l2_reads))
                > (best.l1_hits, std::cmp::Reverse(best.l2_reads))
        });
        if better {
            best = Some(run);
        }
    }
    best.map_or("off", |run| run.strategy)
}

pub(super) fn ratio(part: f64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}
