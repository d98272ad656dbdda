//! The live metrics: plain atomics, typed so that only what is catalogued can be counted.
//!
//! Counting is a relaxed addition to a cell found by index: no lock, no allocation, no label
//! look-up, 1–5 ns. What every call of the hot path counts is counted by each thread for itself. Each chain has a row whose three groups (tracking, look-ups, warming) lie
//! on cache lines of their own, because different threads write them. The exporter reads the
//! cells when it is scraped ([`Metrics::visit`]).

mod catalogue;
mod cells;
mod label;
mod times;
mod visit;

use std::time::Duration;

use forewarm_domain::{ChainId, Chains, Mode, Operation, Outcome};

pub use catalogue::{
    CATALOGUE, LabelSpec, LabelValues, Metric, MetricKind, MetricSpec, PREFIX, STRATEGIES, Unit,
};
use catalogue::{LATENCY, LOOKUP, TRACKING, WARMING};
use cells::{Counter, Gauge, Histogram, Striped};
pub use label::{
    BreakerState, CacheOp, DropReason, EvictionReason, Invalidation, Level, StrategyLabel,
};
pub use times::Times;
pub use visit::{Sample, SampleValue};

/// Durations of the hot path are timed once in so many calls, which brings the cost of timing from
/// some 40 ns a call to less than 1.
pub const SAMPLED_ONE_IN: u32 = 64;

/// Every metric of one process, about 100 KB.
#[derive(Debug)]
pub struct Metrics {
    chains: Box<[ChainRow]>,
    hot: Box<Striped<2>>,
    /// Of all chains: every miss wants to know the sum.
    l1_misses: Counter,
    caches: [CacheRow; Level::ALL.len()],
    model_age_seconds: Gauge,
    model_memory_bytes: Gauge,
    drift: Gauge,
    queue_depth: Gauge,
    budget_used: Gauge,
    turned_down: Gauge,
    l2_up: Gauge,
    breaker_state: Gauge,
    invalidations: Counter,
    invalidation_mode: Gauge,
    invalidation_link_up: Gauge,
    feed_lag_seconds: Gauge,
}

#[derive(Debug, Default)]
struct ChainRow {
    tracking: TrackingRow,
    lookups: LookupRow,
    warming: WarmingRow,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct TrackingRow {
    tracked: Counter,
    requests: Counter,
    pairs: Gauge,
    duration: Histogram<{ TRACKING.len() }>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct LookupRow {
    l2_hits: Counter,
    misses: [Counter; Level::ALL.len()],
    shadow_hits: [Counter; StrategyLabel::ALL.len()],
    duration: [Histogram<{ LOOKUP.len() }>; Level::ALL.len()],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct WarmingRow {
    operations: [Counter; Operation::ALL.len()],
    outcomes: [Counter; Outcome::ALL.len()],
    dropped: [Counter; DropReason::ALL.len()],
    selected: [Counter; StrategyLabel::ALL.len()],
    warmed: Counter,
    mode: Gauge,
    duration: Histogram<{ WARMING.len() }>,
}

#[derive(Debug, Default)]
struct CacheRow {
    size_bytes: Gauge,
    capacity_bytes: Gauge,
    entries: Gauge,
    evictions: [Counter; EvictionReason::ALL.len()],
    errors: [Counter; CacheOp::ALL.len()],
    latency: [Histogram<{ LATENCY.len() }>; CacheOp::ALL.len()],
}

/// Demand reads of L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DemandTotals {
    /// Answered by L1.
    pub hits: u64,
    /// Not.
    pub misses: u64,
}

/// Warming operations by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationTotals {
    /// L2 answered.
    pub success: u64,
    /// L2 answered with an error.
    pub error: u64,
    /// L2 did not answer in time.
    pub timeout: u64,
    /// Nothing was sent.
    pub skipped: u64,
}

impl OperationTotals {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.success + self.error + self.timeout + self.skipped
    }

    /// Successes among the operations that were sent; `None` before the first.
    pub fn success_rate(&self) -> Option<f64> {
        let sent = self.success + self.error + self.timeout;
        (sent > 0).then(|| self.success as f64 / sent as f64)
    }
}

/// Hot counters. A chain id that was never handed out counts as [`ChainId::OTHER`].
impl Metrics {
    /// All zero, all gauges unknown.
    pub fn new() -> Self {
        Self {
            chains: (0..Chains::LIMIT).map(|_| ChainRow::default()).collect(),
            hot: Box::default(),
            l1_misses: Counter::default(),
            caches: Default::default(),
            model_age_seconds: Gauge::default(),
            model_memory_bytes: Gauge::default(),
            queue_depth: Gauge::default(),
            budget_used: Gauge::default(),
            turned_down: Gauge::default(),
            drift: Gauge::default(),
            l2_up: Gauge::default(),
            breaker_state: Gauge::default(),
            invalidations: Counter::default(),
            invalidation_mode: Gauge::default(),
            invalidation_link_up: Gauge::default(),
            feed_lag_seconds: Gauge::default(),
        }
    }

    /// An update, or a read that L1 was not asked for, arrived to be tracked.
    #[inline]
    pub fn update_received(&self, chain: ChainId) {
        self.hot.count(RECEIVED, index(chain));
    }

    /// `n` updates or reads were tracked.
    pub fn updates_tracked(&self, chain: ChainId, n: u64) {
        self.row(chain).tracking.tracked.add(n);
    }

    /// How long tracking one update took; to be called for one update in [`SAMPLED_ONE_IN`].
    pub fn tracking_duration(&self, chain: ChainId, took: Duration) {
        self.row(chain).tracking.duration.record(&TRACKING, took);
    }

    /// A request was offered to the warm queue.
    pub fn warm_requested(&self, chain: ChainId) {
        self.row(chain).tracking.requests.add(1);
    }

    /// A level answered a demand read. One of L1's counts as an arrival to be tracked, too.
    #[inline]
    pub fn cache_hit(&self, chain: ChainId, level: Level) {
        match level {
            Level::L1 => self.hot.count(HITS, index(chain)),
            Level::L2 => self.row(chain).lookups.l2_hits.add(1),
        }
    }

    /// A level was asked for a demand read and didn't have it. One of L1's counts as an arrival to
    /// be tracked, too.
    pub fn cache_miss(&self, chain: ChainId, level: Level) {
        self.row(chain).lookups.misses[level as usize].add(1);
        if level == Level::L1 {
            self.l1_misses.add(1);
        }
    }

    /// How long a demand look-up took; to be called for one look-up in [`SAMPLED_ONE_IN`].
    pub fn lookup_duration(&self, chain: ChainId, level: Level, took: Duration) {
        self.row(chain).lookups.duration[level as usize].record(&LOOKUP, took);
    }

    /// A demand miss that `strategy` in shadow would have made a hit.
    pub fn shadow_hit(&self, chain: ChainId, strategy: StrategyLabel) {
        self.shadow_hits(chain, strategy, 1);
    }

    /// `n` of them: one of a sample stands for several.
    pub fn shadow_hits(&self, chain: ChainId, strategy: StrategyLabel, n: u64) {
        self.row(chain).lookups.shadow_hits[strategy as usize].add(n);
    }
}

/// The warm loop's counters.
impl Metrics {
    /// A strategy chose `n` pairs.
    pub fn pairs_selected(&self, chain: ChainId, strategy: StrategyLabel, n: u64) {
        self.row(chain).warming.selected[strategy as usize].add(n);
    }

    /// An operation ended.
    pub fn operation(&self, chain: ChainId, operation: Operation) {
        let index = position(&Operation::ALL, operation);
        self.row(chain).warming.operations[index].add(1);
    }

    /// How long an operation took, from its request on.
    pub fn warming_duration(&self, chain: ChainId, took: Duration) {
        self.row(chain).warming.duration.record(&WARMING, took);
    }

    /// `n` pairs were placed in L1.
    pub fn pairs_warmed(&self, chain: ChainId, n: u64) {
        self.row(chain).warming.warmed.add(n);
    }

    /// A warmed entry ended.
    pub fn outcome(&self, chain: ChainId, outcome: Outcome) {
        let index = position(&Outcome::ALL, outcome);
        self.row(chain).warming.outcomes[index].add(1);
    }

    /// A warm was not carried out.
    pub fn dropped(&self, chain: ChainId, reason: DropReason) {
        self.row(chain).warming.dropped[reason as usize].add(1);
    }

    /// An entry left a cache.
    pub fn eviction(&self, level: Level, reason: EvictionReason) {
        self.evictions(level, reason, 1);
    }

    /// L2 told that a key has changed.
    pub fn invalidated(&self) {
        self.invalidations.add(1);
    }

    /// `n` entries left a cache.
    pub fn evictions(&self, level: Level, reason: EvictionReason, n: u64) {
        self.caches[level as usize].evictions[reason as usize].add(n);
    }

    /// A call to a cache failed or timed out.
    pub fn cache_error(&self, op: CacheOp, level: Level) {
        self.caches[level as usize].errors[op as usize].add(1);
    }

    /// How long a call to a cache took.
    pub fn cache_latency(&self, op: CacheOp, level: Level, took: Duration) {
        self.caches[level as usize].latency[op as usize].record(&LATENCY, took);
    }
}

/// Gauges, set about once a second. One that was never set is not exported.
impl Metrics {
    /// Pairs in the model.
    pub fn set_pairs_tracked(&self, chain: ChainId, pairs: usize) {
        self.row(chain).tracking.pairs.set(pairs as f64);
    }

    /// The mode of a chain.
    pub fn set_mode(&self, chain: ChainId, mode: Mode) {
        self.row(chain).warming.mode.set(mode.as_gauge());
    }

    /// Age and memory of the model.
    pub fn set_model(&self, age: Duration, memory_bytes: usize) {
        self.model_age_seconds.set(age.as_secs_f64());
        self.model_memory_bytes.set(memory_bytes as f64);
    }

    /// Requests waiting.
    pub fn set_queue_depth(&self, requests: usize) {
        self.queue_depth.set(requests as f64);
    }

    /// The used share of the budget.
    pub fn set_budget_used_ratio(&self, ratio: f64) {
        self.budget_used.set(ratio);
    }

    /// What share of the strongest associations was replaced within an hour.
    pub fn set_drift(&self, ratio: f64) {
        self.drift.set(ratio);
    }

    /// Whether the governor has turned warming down.
    pub fn set_turned_down(&self, turned_down: bool) {
        self.turned_down.set(f64::from(u8::from(turned_down)));
    }

    /// What a cache holds.
    pub fn set_cache_size(&self, level: Level, bytes: u64, entries: u64) {
        let row = &self.caches[level as usize];
        row.size_bytes.set(bytes as f64);
        row.entries.set(entries as f64);
    }

    /// What a cache may hold.
    pub fn set_cache_capacity(&self, level: Level, bytes: u64) {
        self.caches[level as usize].capacity_bytes.set(bytes as f64);
    }

    /// Whether L2 answers.
    pub fn set_l2_up(&self, up: bool) {
        self.l2_up.set(f64::from(u8::from(up)));
    }

    /// The breaker before L2.
    pub fn set_breaker(&self, state: BreakerState) {
        self.breaker_state.set(f64::from(state as u8));
    }

    /// How L1 learns of changes in L2.
    pub fn set_invalidation_mode(&self, mode: Invalidation) {
        self.invalidation_mode.set(f64::from(mode as u8));
    }

    /// Whether invalidations reach L1.
    pub fn set_invalidation_link_up(&self, up: bool) {
        self.invalidation_link_up.set(f64::from(u8::from(up)));
    }

    /// The lag of the slowest feed.
    pub fn set_feed_lag(&self, lag: Duration) {
        self.feed_lag_seconds.set(lag.as_secs_f64());
    }
}

/// Totals over all chains, for the controller and the health report.
impl Metrics {
    /// Demand reads of L1.
    pub fn demand_totals(&self) -> DemandTotals {
        DemandTotals {
            hits: self.hot.sum(HITS),
            misses: self.l1_misses.get(),
        }
    }

    /// Updates and reads: received, tracked.
    pub fn update_totals(&self) -> (u64, u64) {
        let demand = self.demand_totals();
        let received = self.hot.sum(RECEIVED) + demand.hits + demand.misses;
        (received, self.sum(|row| row.tracking.tracked.get()))
    }

    /// Operations by status.
    pub fn operation_totals(&self) -> OperationTotals {
        let [success, error, timeout, skipped] =
            std::array::from_fn(|i| self.sum(|row| row.warming.operations[i].get()));
        OperationTotals {
            success,
            error,
            timeout,
            skipped,
        }
    }

    /// Warmed entries that ended so.
    pub fn outcome_total(&self, outcome: Outcome) -> u64 {
        let index = position(&Outcome::ALL, outcome);
        self.sum(|row| row.warming.outcomes[index].get())
    }

    /// Warms that were not carried out for this reason.
    pub fn dropped_total(&self, reason: DropReason) -> u64 {
        self.sum(|row| row.warming.dropped[reason as usize].get())
    }

    /// The mean time of a read of a level since the start; `None` before the first.
    pub fn mean_read_latency(&self, level: Level) -> Option<Duration> {
        let row = &self.caches[level as usize];
        let reads = [CacheOp::Get, CacheOp::GetMany].map(|op| row.latency[op as usize].total());
        let (count, nanos) = reads
            .iter()
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        nanos.checked_div(count).map(Duration::from_nanos)
    }

    /// Requests offered to the warm queue.
    pub fn warm_request_total(&self) -> u64 {
        self.sum(|row| row.tracking.requests.get())
    }

    /// Pairs placed in L1.
    pub fn pairs_warmed_total(&self) -> u64 {
        self.sum(|row| row.warming.warmed.get())
    }

    fn sum(&self, cell: impl Fn(&ChainRow) -> u64) -> u64 {
        self.chains.iter().map(cell).sum()
    }

    fn row(&self, chain: ChainId) -> &ChainRow {
        &self.chains[index(chain)]
    }
}

/// The groups of the striped counters.
const RECEIVED: usize = 0;
const HITS: usize = 1;

/// Where a chain's figures are.
fn index(chain: ChainId) -> usize {
    let index = usize::from(chain.0);
    if index < Chains::LIMIT {
        index
    } else {
        usize::from(ChainId::OTHER.0)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The index of a domain enum's value; its `ALL` need not be in the order of declaration.
fn position<T: PartialEq + Copy, const N: usize>(all: &[T; N], value: T) -> usize {
    all.iter().position(|other| *other == value).unwrap_or(0)
}

#[cfg(test)]
mod tests;
