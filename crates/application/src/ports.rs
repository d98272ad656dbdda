//! What the use cases need from the outside.

use std::hash::BuildHasher;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use foldhash::fast::FixedState;
use forewarm_domain::{ChainId, Key, KeyRef, Standing, Timestamp, Version};
use smallvec::SmallVec;

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

/// What a store holds after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The value written.
    This,
    /// What it held before, whose version is not older.
    Newer,
}

/// L2. The backend is chosen at run time, and a warm is one call.
///
/// Implementations answer within their configured timeout, whatever the network does.
#[async_trait]
pub trait SharedCache: Send + Sync {
    /// Reads every key in ONE round trip, in the order asked. `None` = not there (or expired).
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError>;

    /// Writes one value. A store that knows versions keeps the newer of two, and says so: what was
    /// written must then not be cached as its value.
    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError>;

    /// Removes one key; whether it was there.
    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError>;

    /// The cheapest proof of life.
    async fn ping(&self) -> Result<(), SharedCacheError>;

    /// `embedded` or `redis`, for people.
    fn backend(&self) -> &'static str;
}

/// A value as L1 holds it. Cloning costs one reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The value's bytes.
    pub value: Bytes,
    /// The source's version, where known.
    pub version: Option<Version>,
    /// When it was read from its source.
    pub loaded_at: Timestamp,
    /// When it stops being served; [`Timestamp::MAX`] = never.
    pub expires_at: Timestamp,
    /// Who has set that end.
    pub ending: Ending,
}

/// A copy as [`LocalCache::glance`] shows it where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Glimpse<'a> {
    /// The value.
    pub value: &'a Bytes,
    /// The source's version, where known.
    pub version: Option<Version>,
    /// When it was read from its source.
    pub loaded_at: Timestamp,
    /// When it stops being served; [`Timestamp::MAX`] = never.
    pub expires_at: Timestamp,
    /// Who has set that end.
    pub ending: Ending,
    /// A number drawn for the key by its hash, evenly and for as long as the cache lives: for samples of
    /// the keys. The look-up has worked the hash out anyway.
    pub draw: u16,
}

/// Who has set the end of a copy in L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// The source: its key ends then.
    Source,
    /// The configured default: the source itself keeps the key until it is told otherwise.
    Default,
    /// The configured default; what the source does is not known.
    #[default]
    Unknown,
}

impl Cached {
    /// What `stored` becomes in L1 when it arrives at `now`: the source's version and remaining
    /// time to live are kept; `default_ttl` holds where the source has none.
    pub fn from_stored(stored: Stored, now: Timestamp, default_ttl: Option<Duration>) -> Self {
        let ttl = stored.ttl.or(default_ttl);
        Self {
            value: stored.value,
            version: stored.version,
            loaded_at: now,
            expires_at: ttl.map_or(Timestamp::MAX, |ttl| now + ttl),
            ending: match stored.ttl {
                Some(_) => Ending::Source,
                None => Ending::Default,
            },
        }
    }
}

/// What a demand read found in L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalLookup {
    /// A fresh value.
    Hit {
        /// The value.
        cached: Cached,
        /// It was warmed and this is the first read of it; said exactly once per warm.
        first_read_of_warm: bool,
    },
    /// Nothing, or a copy known to be stale.
    Miss,
    /// A copy that has just been found expired and was dropped.
    Expired {
        /// It was warmed and had never been read.
        unread: bool,
    },
}

/// Who places a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A demand fill or a write through: admitted, replaces what is not newer.
    Demand,
    /// An update of the stream that carries the value: admitted, replaces what is not newer.
    Update,
    /// The same, but only where the key is resident (fresh or stale).
    Refresh,
    /// A warm: admitted as unread, never replaces a fresh copy.
    Warm,
}

/// An entry that had to leave for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    /// Its key.
    pub key: Key,
    /// It was warmed and had never been read.
    pub unread: bool,
    /// Its copy was still fresh (not marked stale).
    pub fresh: bool,
}

/// What became of a placement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placed {
    /// Whether the value is now in L1.
    pub placed: bool,
    /// The key was there already, if only as an outdated copy: nothing was pushed out for it.
    pub in_place: bool,
    /// It took the place of a warmed value of the same key that had never been read.
    pub overwrote_unread: bool,
    /// Who had to leave. Up to four are held without allocating.
    pub evicted: SmallVec<[Evicted; 4]>,
}

/// What L1 holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Keys resident, stale ones included.
    pub entries: usize,
    /// Their weight, in bytes (in replay: in entries).
    pub weight: u64,
    /// The most it may hold, in the same unit.
    pub capacity: u64,
}

/// L1: the in-process cache. Synchronous; no call blocks on I/O, and none allocates but for
/// entries of new keys.
pub trait LocalCache: Send + Sync {
    /// A demand read.
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup;

    /// A demand read by borrowed bytes that wants to be answered only in the plain case: a fresh
    /// copy that has been read before, which is shown, once, where it lies. What is shown stays
    /// locked meanwhile: `show` is quick and asks nothing of this cache. If nothing was shown that says
    /// nothing; the caller then asks [`get`](Self::get).
    fn glance(&self, name: KeyRef<'_>, now: Timestamp, show: &mut dyn FnMut(Glimpse<'_>)) {
        let _ = (name, now, show);
    }

    /// The key's [`draw`](Glimpse::draw).
    fn draw(&self, name: KeyRef<'_>) -> u16 {
        FixedState::with_seed(0x5bd1_e995).hash_one(name) as u16
    }

    /// What a demand read would find, without any trace of having looked.
    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached>;

    /// What it has of the key, without any trace of having looked.
    fn standing(&self, key: &Key, now: Timestamp) -> Standing;

    /// Whether [`peek`](Self::peek) would find something.
    fn has(&self, key: &Key, now: Timestamp) -> bool {
        self.standing(key, now) == Standing::Fresh
    }

    /// Places a value unless L1 holds a newer one (see [`Placement`]). Atomic per key.
    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed;

    /// The key's value changed elsewhere: a held copy is no longer served, unless its version
    /// is at least `version`. Whether an unread warmed copy was lost that way.
    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool;

    /// Drops the key. Whether an unread warmed copy was lost that way.
    fn remove(&self, key: &Key) -> bool;

    /// Drops everything; the keys of the unread warmed copies lost.
    fn clear(&self) -> Vec<Key>;

    /// The resident keys of a chain, stale ones included. A walk over everything, with a part of the
    /// cache locked at a time: for rare events.
    fn keys_of(&self, chain: ChainId) -> Vec<Key>;

    /// What it holds now.
    fn usage(&self) -> Usage;
}
