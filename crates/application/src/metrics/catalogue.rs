//! The metric catalogue: every name, label, label value and bucket that Forewarm exports.
//!
//! The exporter, the dashboards, the rules, the docs and their tests are made from it. A metric
//! is added here, gets a cell in [`super::Metrics`] and a line in its `visit_one`, and nothing
//! can name what isn't here.

use super::label::{CacheOp, DropReason, EvictionReason, Level, StrategyLabel};
use forewarm_domain::{Operation, Outcome};

/// The names of an enum's values, in the order of its `ALL`.
macro_rules! names {
    ($label:ty, $n:literal) => {{
        let mut names = [""; $n];
        let mut i = 0;
        while i < $n {
            names[i] = <$label>::ALL[i].name();
            i += 1;
        }
        names
    }};
}

/// The prefix of our own names in the catalogue; the exporter may put another in its place.
pub const PREFIX: &str = "arbitrage_";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows (until a restart).
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket, with a sum and a count.
    Histogram,
}

impl MetricKind {
    /// The name in Prometheus' `# TYPE` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share, 1 is all.
    Ratio,
    /// A number of things, or a code.
    Count,
}

/// A label and what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelSpec {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: LabelValues,
}

/// The values of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelValues {
    /// One of these.
    Fixed(&'static [&'static str]),
    /// The name of a chain: at most 64, `other` for those past the limit.
    Chain,
    /// The name of a strategy: one of [`STRATEGIES`].
    Strategy,
    /// Anything, but only ever one value in a process.
    Free,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricSpec {
    /// Which of [`super::Metrics`]' own it is.
    pub metric: Metric,
    /// Its full name, with [`PREFIX`] where it is ours.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it is measured in.
    pub unit: Unit,
    /// Its labels, on every sample, in this order.
    pub labels: &'static [LabelSpec],
    /// A histogram's upper bounds, in its unit, `+Inf` left out; else empty.
    pub buckets: &'static [f64],
    /// What it says, in a sentence.
    pub help: &'static str,
}

impl MetricSpec {
    /// Its name with another prefix. Names that are not ours (`process_…`) stay.
    pub fn name_with_prefix(&self, prefix: &str) -> String {
        match self.name.strip_prefix(PREFIX) {
            Some(rest) => format!("{prefix}{rest}"),
            None => self.name.to_owned(),
        }
    }
}

/// The values of the label `strategy`.
pub const STRATEGIES: [&str; 6] = names!(StrategyLabel, 6);

const LEVELS: [&str; 2] = names!(Level, 2);
const STATUSES: [&str; 4] = names!(Operation, 4);
const OUTCOMES: [&str; 4] = names!(Outcome, 4);
const DROP_REASONS: [&str; 4] = names!(DropReason, 4);
const EVICTION_REASONS: [&str; 3] = names!(EvictionReason, 3);
const OPERATIONS: [&str; 3] = names!(CacheOp, 3);

const CHAIN: LabelSpec = LabelSpec {
    name: "chain",
    values: LabelValues::Chain,
};
const STRATEGY: LabelSpec = LabelSpec {
    name: "strategy",
    values: LabelValues::Strategy,
};
const LEVEL: LabelSpec = fixed("cache_level", &LEVELS);
const STATUS: LabelSpec = fixed("status", &STATUSES);
const OUTCOME: LabelSpec = fixed("outcome", &OUTCOMES);
const DROPPED: LabelSpec = fixed("reason", &DROP_REASONS);
const EVICTED: LabelSpec = fixed("reason", &EVICTION_REASONS);
const OPERATION: LabelSpec = fixed("operation", &OPERATIONS);
const VERSION: LabelSpec = LabelSpec {
    name: "version",
    values: LabelValues::Free,
};
const COMMIT: LabelSpec = LabelSpec {
    name: "commit",
    values: LabelValues::Free,
};

/// Nanoseconds in a microsecond and in a millisecond.
const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// The buckets of the tracking duration, in nanoseconds: 0.1 µs to 5 ms.
pub(super) const TRACKING: [u64; 16] = [
    100,
    250,
    500,
    MICRO,
    2_500,
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    75 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
];

/// The buckets of a look-up, in nanoseconds: an L1 hit of 0.1 µs to the demand timeout.
pub(super) const LOOKUP: [u64; 20] = [
    100,
    250,
    500,
    MICRO,
    2_500,
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    75 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    50 * MILLI,
    100 * MILLI,
    500 * MILLI,
];

/// The buckets of a warm, in nanoseconds: 0.1 ms to 1 s.
pub(super) const WARMING: [u64; 14] = [
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    15 * MILLI,
    20 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
];

/// The buckets of a call to a cache, in nanoseconds: 5 µs (embedded) to 1 s.
pub(super) const LATENCY: [u64; 18] = [
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    15 * MILLI,
    20 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
];

const TRACKING_US: [f64; TRACKING.len()] = in_units(&TRACKING, MICRO);
const LOOKUP_US: [f64; LOOKUP.len()] = in_units(&LOOKUP, MICRO);
const WARMING_MS: [f64; WARMING.len()] = in_units(&WARMING, MILLI);
const LATENCY_MS: [f64; LATENCY.len()] = in_units(&LATENCY, MILLI);

/// Declares [`Metric`] and [`CATALOGUE`] together, so that one can't lack what the other has.
macro_rules! catalogue {
    ($($metric:ident = $name:literal, $kind:ident, $unit:ident, $labels:expr, $buckets:expr, $help:expr;)+) => {
        /// The metrics, by their place in the [`CATALOGUE`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = $help] $metric,)+
        }

        impl Metric {
            /// Its entry in the catalogue.
            pub const fn spec(self) -> &'static MetricSpec {
                &CATALOGUE[self as usize]
            }
        }

        /// Every metric that Forewarm exports.
        pub const CATALOGUE: &[MetricSpec] = &[
            $(MetricSpec {
                metric: Metric::$metric,
                name: $name,
                kind: MetricKind::$kind,
                unit: Unit::$unit,
                labels: &$labels,
                buckets: &$buckets,
                help: $help,
            },)+
        ];
    };
}

catalogue! {
    TrackingDuration = "arbitrage_correlation_tracking_duration_us", Histogram, Microseconds, [CHAIN], TRACKING_US,
        "Time to track one update in microseconds, queue not included. Sampled: one update in 64 is timed, so _count is that part of the updates tracked.";
    UpdatesReceived = "arbitrage_correlation_updates_received_total", Counter, Count, [CHAIN], [],
        "Updates and reads that arrived to be tracked.";
    UpdatesTracked = "arbitrage_correlation_updates_tracked_total", Counter, Count, [CHAIN], [],
        "Updates and reads that were tracked; what was received and not tracked was refused or dropped.";
    PairsTracked = "arbitrage_correlation_pairs_tracked", Gauge, Count, [CHAIN], [],
        "Pairs that the model holds.";
    ModelAge = "arbitrage_correlation_model_age_seconds", Gauge, Seconds, [], [],
        "Time since the model last learned.";
    ModelMemory = "arbitrage_correlation_memory_bytes", Gauge, Bytes, [], [],
        "Memory of the model.";
    Drift = "arbitrage_correlation_drift_ratio", Gauge, Ratio, [], [],
        "Share of the strongest associations of a sample of pairs that were others an hour ago, 0 to 1; every ten minutes; 0 until the second hour.";
    WarmingDuration = "arbitrage_warming_duration_ms", Histogram, Milliseconds, [CHAIN], WARMING_MS,
        "Time of one warming operation in milliseconds, from its request to its keys in L1.";
    WarmingOperations = "arbitrage_warming_operations_total", Counter, Count, [CHAIN, STATUS], [],
        "Warming operations (dequeued requests, whatever batch their keys travelled in) by status; shadow, over budget and nothing to fetch are skipped.";
    WarmingRequests = "arbitrage_warming_requests_total", Counter, Count, [CHAIN], [],
        "Requests offered to the warm queue.";
    PairsWarmed = "arbitrage_warming_pairs_warmed_total", Counter, Count, [CHAIN], [],
        "Pairs fetched from L2 and placed in L1 by warming.";
    PairsSelected = "arbitrage_warming_pairs_selected_total", Counter, Count, [CHAIN, STRATEGY], [],
        "Pairs that a strategy chose to warm.";
    WarmingOutcomes = "arbitrage_warming_outcomes_total", Counter, Count, [CHAIN, OUTCOME], [],
        "How warmed entries ended: useful (read), late (a demand read was already waiting), wasted (never read), harmful (never read, and what it pushed out was).";
    WarmingDropped = "arbitrage_warming_dropped_total", Counter, Count, [CHAIN, DROPPED], [],
        "Warms that were not carried out, by reason.";
    QueueDepth = "arbitrage_warming_queue_depth", Gauge, Count, [], [],
        "Requests waiting in the warm queue.";
    WarmingMode = "arbitrage_warming_mode", Gauge, Count, [CHAIN], [],
        "Mode of the chain: 0 off, 1 shadow, 2 on.";
    BudgetUsed = "arbitrage_warming_budget_used_ratio", Gauge, Ratio, [], [],
        "Share of the budget of extra L2 reads that is used.";
    TurnedDown = "arbitrage_warming_turned_down", Gauge, Count, [], [],
        "Whether the governor has turned warming down because L1 missed more with it than without (1) or not (0); /health/warming gives the figures.";
    ShadowHits = "arbitrage_warming_shadow_hits_total", Counter, Count, [CHAIN, STRATEGY], [],
        "Reads that missed, or without warming would have, and that a strategy's warms would have made L1 hits: every strategy of the contest where one is running, else the one in force in shadow.";
    CacheHits = "arbitrage_cache_hits_total", Counter, Count, [CHAIN, LEVEL], [],
        "Demand reads that the level answered; probes of warming don't count.";
    CacheMisses = "arbitrage_cache_misses_total", Counter, Count, [CHAIN, LEVEL], [],
        "Demand reads that the level was asked for and did not have; probes of warming don't count.";
    CacheSize = "arbitrage_cache_size_bytes", Gauge, Bytes, [LEVEL], [],
        "Bytes that the level holds; of L2 only where it is known.";
    CacheCapacity = "arbitrage_cache_capacity_bytes", Gauge, Bytes, [LEVEL], [],
        "Bytes that the level may hold; of L2 only where it is known.";
    CacheEntries = "arbitrage_cache_entries", Gauge, Count, [LEVEL], [],
        "Entries that the level holds; of L2 only where it is known.";
    CacheEvictions = "arbitrage_cache_evictions_total", Counter, Count, [LEVEL, EVICTED], [],
        "Entries that left the level, by reason.";
    CacheErrors = "arbitrage_cache_errors_total", Counter, Count, [OPERATION, LEVEL], [],
        "Calls to the level that failed or timed out; removals count as set.";
    LookupDuration = "arbitrage_lookup_duration_us", Histogram, Microseconds, [CHAIN, LEVEL], LOOKUP_US,
        "Time of a demand look-up as its caller sees it in microseconds, by the level that answered (L2 also when none did). Sampled: one look-up in 64 is timed.";
    CacheLatency = "arbitrage_cache_latency_ms", Histogram, Milliseconds, [OPERATION, LEVEL], LATENCY_MS,
        "Time of a call to the level in milliseconds, demand and warming together; removals count as set.";
    L2Up = "arbitrage_l2_up", Gauge, Count, [], [],
        "Whether L2 answered the last probe (1) or not (0).";
    BreakerState = "arbitrage_l2_breaker_state", Gauge, Count, [], [],
        "Circuit breaker before L2: 0 closed, 1 half open, 2 open.";
    Invalidations = "arbitrage_invalidations_total", Counter, Count, [], [],
        "Changes of keys that L2 told of, held by L1 or not; those made through Forewarm included.";
    InvalidationMode = "arbitrage_invalidation_mode", Gauge, Count, [], [],
        "How L1 learns of changes in L2: 0 not at all (time to live), 1 keyspace notifications, 2 client tracking.";
    InvalidationLinkUp = "arbitrage_invalidation_link_up", Gauge, Count, [], [],
        "Whether invalidations of L2 reach L1 (1) or not (0).";
    FeedLag = "arbitrage_feed_lag_seconds", Gauge, Seconds, [], [],
        "How far the slowest feed is behind its source.";
    MemoryLimit = "arbitrage_process_memory_limit_bytes", Gauge, Bytes, [], [],
        "Memory that the process may use: the control group's limit or the machine's memory, whichever is less.";
    BuildInfo = "arbitrage_build_info", Gauge, Count, [VERSION, COMMIT], [],
        "Always 1; the labels say what is running.";
    ResidentMemory = "process_resident_memory_bytes", Gauge, Bytes, [], [],
        "Resident memory of the process.";
    CpuSeconds = "process_cpu_seconds_total", Counter, Seconds, [], [],
        "CPU time of the process, user and system.";
    OpenFiles = "process_open_fds", Gauge, Count, [], [],
        "Open file descriptors of the process.";
    MaxOpenFiles = "process_max_fds", Gauge, Count, [], [],
        "File descriptors that the process may open.";
    StartTime = "process_start_time_seconds", Gauge, Seconds, [], [],
        "When the process started, in seconds since the epoch.";
}

const fn fixed(name: &'static str, values: &'static [&'static str]) -> LabelSpec {
    LabelSpec {
        name,
        values: LabelValues::Fixed(values),
    }
}

const fn in_units<const N: usize>(nanos: &[u64; N], unit: u64) -> [f64; N] {
    let mut bounds = [0.0; N];
    let mut i = 0;
    while i < N {
        bounds[i] = nanos[i] as f64 / unit as f64;
        i += 1;
    }
    bounds
}
