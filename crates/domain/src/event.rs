//! What the stream tells: a key was updated or read.

use crate::key::Key;
use crate::time::Timestamp;

/// What happened to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// The key's value changed in L2.
    Update,
    /// A demand read.
    Read,
    /// Both roles in one line (a recording without an `op` column): a demand read that also
    /// trains the model as its pair's update.
    Access,
}

impl Op {
    /// Whether the event is a demand read (and so something to be predicted).
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Access)
    }

    /// Whether the event makes other copies stale.
    pub const fn updates(self) -> bool {
        matches!(self, Self::Update)
    }
}

/// One event of the stream, as the learner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which key.
    pub key: Key,
    /// What happened.
    pub op: Op,
    /// When, by the stream's own clock.
    pub at: Timestamp,
}
