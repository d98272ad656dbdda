//! The label values that are not chains: closed sets, so that nothing else can be counted.

/// Which cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// In process memory.
    L1,
    /// The shared cache.
    L2,
}

impl Level {
    /// Both, in the order of their indexes.
    pub const ALL: [Self; 2] = [Self::L1, Self::L2];

    /// The label value, upper-case as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
        }
    }
}

/// Why a warm was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The queue of requests was full.
    QueueFull,
    /// The budget of extra L2 reads, or of room in L1, was spent.
    OverBudget,
    /// Newer data, or an invalidation, came first.
    Stale,
    /// The request waited longer than a warm may take.
    Deadline,
}

impl DropReason {
    /// Every reason, in the order of the label values.
    pub const ALL: [Self; 4] = [
        Self::QueueFull,
        Self::OverBudget,
        Self::Stale,
        Self::Deadline,
    ];

    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::OverBudget => "over_budget",
            Self::Stale => "stale",
            Self::Deadline => "deadline",
        }
    }
}

/// Why an entry left a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvictionReason {
    /// Room was needed.
    Size,
    /// Its time to live had passed.
    Ttl,
    /// It was invalidated.
    Invalidation,
}

impl EvictionReason {
    /// Every reason, in the order of the label values.
    pub const ALL: [Self; 3] = [Self::Size, Self::Ttl, Self::Invalidation];

    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Ttl => "ttl",
            Self::Invalidation => "invalidation",
        }
    }
}

/// What a cache was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheOp {
    /// One key read.
    Get,
    /// Several keys read in one round trip; every warm.
    GetMany,
    /// A write or a removal.
    Set,
}

impl CacheOp {
    /// Every operation, in the order of the label values.
    pub const ALL: [Self; 3] = [Self::Get, Self::GetMany, Self::Set];

    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Set => "set",
        }
    }
}

/// A selection rule, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrategyLabel {
    /// The N best.
    TopN,
    /// All at or above a score.
    Threshold,
    /// Wide, with second-hop partners.
    Aggressive,
    /// Only well supported ones.
    Conservative,
    /// Controlled by hit rate and precision.
    Adaptive,
    /// Score and recency.
    TimeBased,
}

impl StrategyLabel {
    /// Every rule, in the order of the label values.
    pub const ALL: [Self; 6] = [
        Self::TopN,
        Self::Threshold,
        Self::Aggressive,
        Self::Conservative,
        Self::Adaptive,
        Self::TimeBased,
    ];

    /// The label value, which is the strategy's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopN => "topn",
            Self::Threshold => "threshold",
            Self::Aggressive => "aggressive",
            Self::Conservative => "conservative",
            Self::Adaptive => "adaptive",
            Self::TimeBased => "timebased",
        }
    }

    /// The label of the strategy with this name; resolve it once, when the strategy is set.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.name() == name)
    }
}

/// The states of the circuit breaker before L2, as the gauge shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls go through: 0.
    Closed,
    /// One call is let through to try: 1.
    HalfOpen,
    /// Calls fail at once: 2.
    Open,
}

/// How L1 learns that a value has changed in L2, as the gauge shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invalidation {
    /// Not at all: values are answered until their time to live ends. 0.
    Ttl,
    /// By keyspace notifications: 1.
    Keyspace,
    /// By client tracking: 2.
    Tracking,
}

impl Invalidation {
    /// The name in configuration, `/readyz` and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Keyspace => "keyspace",
            Self::Tracking => "tracking",
        }
    }
}
