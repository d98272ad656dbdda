//! What became of a warm: the vocabulary of the ledger.

/// How one warm attempt (one key) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// Fetched and placed in L1.
    Warmed,
    /// L1 had it already, or it was on its way (found before the read was sent, so no read was
    /// spent).
    AlreadyCached,
    /// L2 does not have it.
    NotFound,
    /// Discarded on landing: L1 held newer data, or the key was invalidated meanwhile.
    Stale,
    /// L2 did not answer in time.
    TimedOut,
    /// L2 answered with an error.
    Failed,
    /// Not sent: the queue was full, the request too old, or L2 is being left alone after errors.
    Dropped,
    /// Not sent: the budget of extra L2 reads is spent.
    OverBudget,
}

impl Attempt {
    /// Every end.
    pub const ALL: [Self; 8] = [
        Self::Warmed,
        Self::AlreadyCached,
        Self::NotFound,
        Self::Stale,
        Self::TimedOut,
        Self::Failed,
        Self::Dropped,
        Self::OverBudget,
    ];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warmed => "warmed",
            Self::AlreadyCached => "already_cached",
            Self::NotFound => "not_found",
            Self::Stale => "stale",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::OverBudget => "over_budget",
        }
    }
}

/// How one warmed entry ended. Each ends in exactly one: the first that applies of late,
/// useful, harmful, wasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A demand read was already waiting when the warm landed.
    Late,
    /// Read before it was evicted, expired or overwritten.
    Useful,
    /// Never read, and what its insertion evicted was demanded soon after.
    Harmful,
    /// Never read.
    Wasted,
}

impl Outcome {
    /// Every outcome, in the order of the metric's label values.
    pub const ALL: [Self; 4] = [Self::Useful, Self::Late, Self::Wasted, Self::Harmful];

    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Useful => "useful",
            Self::Late => "late",
            Self::Wasted => "wasted",
            Self::Harmful => "harmful",
        }
    }
}

/// How one operation (one dequeued request, whatever its number of keys) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// L2 answered its read.
    Success,
    /// L2 answered with an error.
    Error,
    /// L2 did not answer in time.
    Timeout,
    /// Nothing was sent: shadow, over budget, or nothing to fetch.
    Skipped,
}

impl Operation {
    /// Every status, in the order of the metric's label values.
    pub const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Timeout, Self::Skipped];

    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Skipped => "skipped",
        }
    }
}
