//! Feeds: where events come from. All deliver the same [`FeedEvent`].

mod draft;
pub mod json;
pub mod redis_stream;

use bytes::Bytes;
use forewarm_domain::{Key, Op, Timestamp, Version};

pub use json::parse_updates;
pub use redis_stream::{
    RedisStreamConfig, RedisStreamFeed, StreamFields, StreamStats, StreamTail, TailError,
};

/// One event of a live stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Which key.
    pub key: Key,
    /// What happened; [`Op::Update`] unless the source says otherwise.
    pub op: Op,
    /// When, by the source's clock.
    pub at: Timestamp,
    /// The source's version of the value.
    pub version: Option<Version>,
    /// The block of the key's chain that the change was made in.
    pub block: Option<u64>,
    /// The new value. An update without one makes L1's copy stale.
    pub value: Option<Bytes>,
}

/// Where a feed hands its events over. Called on the runtime's threads: it must not block.
pub trait EventSink: Send + Sync {
    /// Takes a batch, in the order of the source. The source counts it as done when this returns.
    fn deliver(&self, batch: Vec<FeedEvent>);

    /// Events were lost before they could be read, `lost` of them if that is known: what is held of
    /// anything may be outdated.
    fn gap(&self, lost: Option<u64>) {
        let _ = lost;
    }
}

impl<F: Fn(FeedEvent) + Send + Sync> EventSink for F {
    fn deliver(&self, batch: Vec<FeedEvent>) {
        batch.into_iter().for_each(self);
    }
}
