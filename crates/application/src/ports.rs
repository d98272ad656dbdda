//! What the use cases need from the outside.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forewarm_domain::{Key, Version};

/// A value as the shared cache holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The value's bytes.
    pub value: Bytes,
    /// The source's version, where the store knows it.
    pub version: Option<Version>,
    /// What remained of the time to live when it was read (or what it is to be written
    /// with); `None` = does not expire.
    pub ttl: Option<Duration>,
}

/// Why the shared cache gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedCacheError {
    /// No answer in time; whether a write happened is unknown.
    #[error("no answer from the shared cache within {after:?}")]
    Timeout {
        /// The limit that passed.
        after: Duration,
    },
    /// There is no connection (refused, closed, not yet made).
    #[error("the shared cache is unreachable: {reason}")]
    Unavailable {
        /// What the client said; never contains a secret.
        reason: String,
    },
    /// The store answered and refused (out of memory, read-only, wrong type, no permission).
    #[error("the shared cache refused: {reason}")]
    Refused {
        /// The store's own words.
        reason: String,
    },
    /// The store answered with something that is not a value of ours.
    #[error("the shared cache holds unreadable data: {reason}")]
    Corrupt {
        /// What was found, and where.
        reason: String,
    },
}

impl SharedCacheError {
    /// Whether the same call may succeed a moment later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unavailable { .. })
    }
}

/// L2. The backend is chosen at run time, and a warm is one call.
///
/// Implementations answer within their configured timeout, whatever the network does.
#[async_trait]
pub trait SharedCache: Send + Sync {
    /// Reads every key in ONE round trip, in the order asked. `None` = not there (or expired).
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError>;

    /// Writes one value. A store that knows versions keeps the newer and still answers `Ok`.
    async fn put(&self, key: &Key, stored: &Stored) -> Result<(), SharedCacheError>;

    /// Removes one key; whether it was there.
    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError>;

    /// The cheapest proof of life.
    async fn ping(&self) -> Result<(), SharedCacheError>;

    /// `embedded` or `redis`, for people.
    fn backend(&self) -> &'static str;
}
