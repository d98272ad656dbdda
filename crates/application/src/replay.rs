//! Replay: what would have been gained on a recording, in virtual time.
//!
//! Every contender plays the same lines against its own L1: one shard, a fixed hash, exact
//! capacity, so the same input gives the same figures. The run without warming comes first;
//! its reads are the ghost that the budget of all others is measured against.

mod contest;
mod exposure;
mod future;
mod keys;
mod markov;
mod off;
mod popularity;
mod report;
mod run;
mod timeline;

use std::fmt;
use std::time::Duration;

use forewarm_domain::{ModelConfig, SelectionStrategy, Timestamp};

use crate::ports::LocalCache;
use crate::trace::TraceEvent;

pub use contest::Contest;
pub use keys::KeyTable;
use off::{OffLine, OffSeries};
pub use report::{Report, RunReport, TraceSummary};
use run::{Run, Scene};
pub use timeline::Timeline;

/// How large L1 is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum L1Size {
    /// This many entries.
    Entries(usize),
    /// This share of the distinct keys (floor, at least one).
    Percent(f64),
}

impl L1Size {
    /// The number of entries for a trace with `distinct_keys`.
    pub fn entries(self, distinct_keys: usize) -> usize {
        let entries = match self {
            Self::Entries(entries) => entries,
            Self::Percent(percent) => (distinct_keys as f64 * percent / 100.0).floor() as usize,
        };
        entries.max(1)
    }
}

/// What holds for every contender of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayConfig {
    /// The model's bounds.
    pub model: ModelConfig,
    /// L1's size.
    pub l1: L1Size,
    /// Keys that one warm may fetch.
    pub max_pairs_per_warm: usize,
    /// Extra L2 reads allowed, as a share of those of `off`; `None` = unlimited.
    pub extra_l2_reads: Option<f64>,
    /// The share of L1 that unread warmed entries may fill.
    pub l1_share: f64,
    /// Time to live of what the trace gives none.
    pub default_ttl: Option<Duration>,
    /// How long L2 takes to answer.
    pub l2_latency: Duration,
}

/// Which eviction policy a contender's L1 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The product's own.
    Product,
    /// Plain LRU.
    Lru,
}

/// Makes an empty L1 of so many entries, each of weight one.
pub type MakeCache<'a> = &'a dyn Fn(Policy, usize) -> Box<dyn LocalCache>;

/// Who plays.
#[derive(Debug)]
pub enum Contender {
    /// The product's L1, no warming.
    Off,
    /// Plain LRU, no warming.
    Lru,
    /// Fetches again what L1 holds when it changes; unbudgeted.
    Refresh,
    /// First-order successor prefetch (Joseph & Grunwald, ISCA 1997).
    Markov,
    /// Picks perfectly among the model's own partners.
    Oracle,
    /// Reads the future.
    OracleUnlimited,
    /// Fetches the most popular keys that L1 lacks, without any association.
    Popularity,
    /// The product with this rule of selection.
    Strategy(Box<dyn SelectionStrategy>),
}

impl Contender {
    /// The baselines that every report has.
    pub fn baselines() -> Vec<Self> {
        vec![
            Self::Off,
            Self::Lru,
            Self::Refresh,
            Self::Markov,
            Self::Oracle,
            Self::OracleUnlimited,
            Self::Popularity,
        ]
    }

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Lru => "lru",
            Self::Refresh => "refresh",
            Self::Markov => "markov",
            Self::Oracle => "oracle",
            Self::OracleUnlimited => "oracle-unlimited",
            Self::Popularity => "popularity",
            Self::Strategy(strategy) => strategy.name(),
        }
    }

    fn policy(&self) -> Policy {
        if matches!(self, Self::Lru) {
            Policy::Lru
        } else {
            Policy::Product
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the caller lends: caches, a stop-watch and an ear.
pub struct Stage<'a> {
    /// Makes each contender's L1.
    pub caches: MakeCache<'a>,
    /// Time since any fixed moment, for `ns_per_event` alone.
    pub stopwatch: &'a dyn Fn() -> Duration,
    /// Told about every 4,096 lines and at the end: contender, lines played.
    pub progress: &'a mut dyn FnMut(&'static str, usize),
}

impl fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

/// What a contender had done by a line of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Lines played.
    pub lines: usize,
    /// The latest time of them.
    pub at: Timestamp,
    /// Demand reads.
    pub reads: u64,
    /// Those that L1 answered.
    pub l1_hits: u64,
    /// Keys read from L2.
    pub l2_reads: u64,
    /// Bytes of the model; 0 without one.
    pub model_bytes: usize,
}

/// Marks that are told of each contender, the last one at the end.
pub const MARKS: usize = 120;

/// Hears a contender's name and what it had done by then.
pub type Watch<'a> = &'a mut dyn FnMut(&'static str, Mark);

/// [`replay_watched`] with nobody watching.
pub fn replay(
    events: &[TraceEvent],
    contenders: Vec<Contender>,
    config: &ReplayConfig,
    stage: &mut Stage<'_>,
) -> Report {
    replay_watched(events, contenders, config, stage, &mut |_, _| {})
}

/// Plays `events` for `off` and every contender (a second `off` is ignored), in their order.
///
/// Memory: one index entry of 50 bytes a line, plus each contender's own L1 and model, one
/// contender at a time. `watch` is told of [`MARKS`] evenly spaced lines at most.
pub fn replay_watched(
    events: &[TraceEvent],
    contenders: Vec<Contender>,
    config: &ReplayConfig,
    stage: &mut Stage<'_>,
    watch: Watch<'_>,
) -> Report {
    let every = events.len().div_ceil(MARKS).max(1);
    let timeline = Timeline::new(events);
    let entries = config.l1.entries(timeline.keys.len());
    let mut runs = Vec::with_capacity(contenders.len() + 1);
    let mut off = OffSeries::default();
    let others = contenders
        .into_iter()
        .filter(|c| !matches!(c, Contender::Off));
    for contender in std::iter::once(Contender::Off).chain(others) {
        let name = contender.name();
        let l1 = (stage.caches)(contender.policy(), entries);
        let start = (stage.stopwatch)();
        let mut run = Run::new(&timeline, contender, config, l1, entries);
        for (at, (line, event)) in timeline.lines.iter().zip(events).enumerate() {
            let scene = Scene {
                keys: &timeline.keys,
                at,
                key: line.key,
                now: line.now,
                off: off.line(at),
            };
            run.play(scene, event);
            if name == "off" {
                off.push(run.line());
            }
            if at % 4_096 == 0 {
                (stage.progress)(name, at);
            }
            if (at + 1).is_multiple_of(every) || at + 1 == events.len() {
                watch(name, run.mark(at + 1, line.now));
            }
        }
        (stage.progress)(name, events.len());
        let spent = (stage.stopwatch)().saturating_sub(start);
        let tally = run.tally();
        runs.push(tally.report(name, spent, events.len()));
    }
    Report::new(TraceSummary::of(&timeline), entries, runs)
}

#[cfg(test)]
mod tests;
