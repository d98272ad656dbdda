//! What the hot path tells the learner, and what the ghost must hear to stay L1's twin.

use forewarm_domain::{Key, Op, Timestamp, Trigger, Version};

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An update, with its value or without.
    Update { valued: bool },
    /// A read elsewhere: trains alone.
    Read,
    /// A demand read of L1, and how it went.
    Demand { trigger: Trigger },
    /// A demand read that L1 answered and that only the ghost hears of.
    Unlearned,
    /// L2 answered a demand read; whether its value could be placed in L1 (it was there and
    /// nothing changed meanwhile).
    Fetched { placed: bool },
    /// A write of ours was placed in L1.
    Written,
    /// A write of ours left no value in L1: something else was heard of the key meanwhile, such as
    /// L2's news of this very write, or nobody knows whether L2 took it.
    Unkept,
    /// L1's copy is no longer served.
    Invalidated,
    /// L1 was emptied.
    Flushed,
}

impl What {
    /// The learner's view; `None` = only the ghost cares.
    pub(super) fn op(self) -> Option<Op> {
        match self {
            Self::Update { .. } => Some(Op::Update),
            Self::Read | Self::Demand { .. } => Some(Op::Read),
            Self::Unlearned
            | Self::Fetched { .. }
            | Self::Written
            | Self::Unkept
            | Self::Invalidated
            | Self::Flushed => None,
        }
    }
}

impl What {
    /// What made the learner ask for more.
    pub(super) fn trigger(self) -> Trigger {
        match self {
            Self::Update { .. } => Trigger::Update,
            Self::Demand { trigger } => trigger,
            _ => Trigger::Elsewhere,
        }
    }
}

/// An event on its way to the learner.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) key: Key,
    pub(super) what: What,
    pub(super) at: Timestamp,
    /// Of the value, where there is one: its bytes, version and end.
    pub(super) size: u32,
    pub(super) version: Option<Version>,
    pub(super) expires_at: Timestamp,
}

impl Observation {
    /// About a key without a value.
    pub(super) fn new(key: &Key, what: What, at: Timestamp) -> Self {
        Self {
            key: key.clone(),
            what,
            at,
            size: 0,
            version: None,
            expires_at: Timestamp::MAX,
        }
    }

    /// About a key with a value of `size` bytes.
    pub(super) fn of_value(
        self,
        size: usize,
        version: Option<Version>,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            size: u32::try_from(size).unwrap_or(u32::MAX),
            version,
            expires_at,
            ..self
        }
    }
}
