//! One line of a recording, whatever file it came from.

use bytes::Bytes;
use forewarm_domain::{Key, Op, Timestamp, Version};

/// What a recording says happened to one key at one time.
///
/// The order of events in a recording is their order in time; `at` may repeat (block or second
/// resolution) and may step back by less than the learner's window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// Which key.
    pub key: Key,
    /// What happened; [`Op::Access`] when the recording has no `op` for it.
    pub op: Op,
    /// When, by the recording's own clock.
    pub at: Timestamp,
    /// The source's version of the value, where recorded.
    pub version: Option<Version>,
    /// The new value of an update, where recorded.
    pub value: Option<Bytes>,
    /// Bytes of the value, where recorded.
    pub size: Option<u32>,
}
