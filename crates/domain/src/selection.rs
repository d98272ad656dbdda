//! Selection: from what is known to what should be fetched.

use std::fmt;

use crate::co_occurrence::SourceKind;
use crate::correlation::Association;
use crate::pair::PairId;
use crate::time::Timestamp;

/// Why a candidate was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A partner of the source itself.
    Partner,
    /// A partner's partner.
    SecondHop,
    /// A partner, preferred because it was active lately.
    Recent,
}

/// A pair to fetch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which pair.
    pub pair: PairId,
    /// By what it was ranked, in [0, 1].
    pub score: f32,
    /// Why.
    pub reason: Reason,
}

/// Where a strategy looks up the partners of other pairs (for second hops).
pub trait Network {
    /// Appends the partners of `pair` for reads that follow a read of it, in no order.
    fn partners(&self, pair: PairId, out: &mut Vec<Association>);
}

/// What a strategy chooses from.
pub struct SelectionContext<'a> {
    /// The pair whose event asks.
    pub source: PairId,
    /// In which role.
    pub kind: SourceKind,
    /// The stream's time.
    pub now: Timestamp,
    /// The source's partners, in no order.
    pub partners: &'a [Association],
    /// The partners of others.
    pub network: &'a dyn Network,
    /// What the governor allows; a strategy never chooses more.
    pub cap: usize,
}

impl fmt::Debug for SelectionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectionContext")
            .field("source", &self.source)
            .field("partners", &self.partners)
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

/// What happened since the last report: the only input that changes a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowStatistics {
    /// Demand look-ups, and those that L1 answered.
    pub lookups: u64,
    /// Demand look-ups that L1 answered.
    pub hits: u64,
    /// Entries warmed.
    pub warmed: u64,
    /// Warmed entries that were read in time.
    pub useful: u64,
    /// Warmed entries that a demand read was already waiting for.
    pub late: u64,
    /// Warmed entries never read (harmful ones included).
    pub wasted: u64,
    /// Candidates not fetched because the budget was spent.
    pub over_budget: u64,
}

impl WindowStatistics {
    /// What happened between `earlier` and these totals.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            lookups: self.lookups - earlier.lookups,
            hits: self.hits - earlier.hits,
            warmed: self.warmed - earlier.warmed,
            useful: self.useful - earlier.useful,
            late: self.late - earlier.late,
            wasted: self.wasted - earlier.wasted,
            over_budget: self.over_budget - earlier.over_budget,
        }
    }
}

/// One rule of selection.
///
/// `select` is repeatable: the same context gives the same answer, and it changes nothing;
/// learned state changes in `observe` alone. Thresholds are inclusive. Candidates come out by
/// descending score, ties by ascending pair id, each pair once and at most
/// `min(context.cap, self.max_pairs())` of them.
pub trait SelectionStrategy: fmt::Debug + Send + Sync {
    /// The id used in configuration, metrics and reports.
    fn name(&self) -> &'static str;

    /// The most pairs it ever chooses.
    fn max_pairs(&self) -> usize;

    /// Appends the chosen candidates, best first.
    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>);

    /// Whether it looks at [`Association::score`]; one that does not is spared their cost and finds
    /// zeros.
    fn reads_scores(&self) -> bool {
        true
    }

    /// Whether, after it chose `chosen` pairs that were all worth their fetch, it wishes to be
    /// asked again for the same event. Most rules do not: what they choose is all they want.
    fn continues(&self, _chosen: usize) -> bool {
        false
    }

    /// Learns from what happened. Most rules do not.
    fn observe(&mut self, _window: &WindowStatistics) {}

    /// The parameters in force, as `(name, value)`, for people.
    fn parameters(&self) -> Vec<(&'static str, f64)>;

    /// A copy with its learned state, to evaluate side by side.
    fn boxed_clone(&self) -> Box<dyn SelectionStrategy>;
}

/// Orders candidates as every strategy must and keeps the best `limit`.
///
/// Cost: O(n log n) over at most a few dozen candidates, in place.
pub fn rank(candidates: &mut Vec<Candidate>, limit: usize) {
    candidates.sort_unstable_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.pair.cmp(&b.pair))
    });
    candidates.truncate(limit);
}
