//! Redis or Valkey as L2: single, sentinel, cluster.
//!
//! A batch is ONE round trip: an MGET and the PTTLs of its keys leave together on one
//! connection. Values are raw (other clients share them), so their version is unknown.

mod config;
mod connection;
mod fault;
mod near;
mod other_types;
mod raw;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::{Key, compact};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::{Expiration, Value};
use parking_lot::Mutex;
use tokio::runtime::Handle;

pub use config::{Encryption, RedisConfig, RedisConfigError, encryption_of};
use connection::Connections;
pub(crate) use connection::keep_connected;
pub(crate) use fault::text;
use other_types::OtherTypes;
pub use raw::Greeting;

/// Database numbers in use at the same time; each has connections of its own, because a
/// connection's database can't be switched under the feet of its other users.
pub const MAX_DATABASES: usize = 16;

/// The Redis L2.
///
/// Every call answers within the command timeout. With the server away it answers at once with
/// [`SharedCacheError::Unavailable`], and connections come back by themselves, for ever.
#[derive(Debug)]
pub struct RedisStore {
    config: RedisConfig,
    default: Arc<Connections>,
    others: Mutex<BTreeMap<u16, Arc<Connections>>>,
    other_types: OtherTypes,
    round_trips: AtomicU64,
    /// How often the store was led to its servers: a thread's own connection from before is not used again.
    led: AtomicU64,
    /// Where connections live, whichever thread asks for their database first.
    runtime: Handle,
}

impl RedisStore {
    /// Begins to connect and returns at once, whether the server is there or not; must be called inside
    /// a tokio runtime. Fails only on a configuration that can never work.
    pub fn connect(config: RedisConfig) -> Result<Self, RedisConfigError> {
        let default = Arc::new(Connections::open(&config, config.database()?)?);
        Ok(Self {
            config,
            default,
            others: Mutex::default(),
            other_types: OtherTypes::default(),
            round_trips: AtomicU64::new(0),
            led: AtomicU64::new(0),
            runtime: Handle::current(),
        })
    }

    /// Whether the key was lately found to hold something that is no string. MGET, and so
    /// [`SharedCache::get_many`], answers such a key as if it were not there.
    pub fn holds_other_type(&self, key: &Key) -> bool {
        self.other_types.holds(key)
    }

    /// Whether at least one connection stands.
    pub fn is_up(&self) -> bool {
        self.default.is_up()
    }

    /// Why it isn't up, as last heard.
    pub fn last_error(&self) -> Option<String> {
        self.default.last_error()
    }

    /// Requests sent, whatever number of commands each carried.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// The connections of a database, made at its first use.
    fn database(&self, number: u16) -> Result<Arc<Connections>, SharedCacheError> {
        if number == self.default.database() {
            return Ok(Arc::clone(&self.default));
        }
        let refused = |reason: String| SharedCacheError::Refused { reason };
        if self.config.is_clustered() {
            return Err(refused(format!(
                "database {number} in cluster mode, which has database 0 only"
            )));
        }
        let mut others = self.others.lock();
        if let Some(open) = others.get(&number) {
            return Ok(Arc::clone(open));
        }
        if others.len() + 1 >= MAX_DATABASES {
            return Err(refused(format!(
                "database {number}: {MAX_DATABASES} databases are in use already"
            )));
        }
        let _here = self.runtime.enter();
        let open = Connections::open(&self.config, number)
            .map(Arc::new)
            .map_err(|error| refused(error.to_string()))?;
        others.insert(number, Arc::clone(&open));
        Ok(open)
    }

    /// Sees to it that values are read from these servers: connections to any other are made anew, and
    /// find the master as the sentinels name it then, or the cluster as it is then.
    pub(crate) async fn lead_to(&self, primaries: &[(&str, u16)]) -> Result<(), SharedCacheError> {
        let others: Vec<_> = self.others.lock().values().cloned().collect();
        for connections in others.iter().chain([&self.default]) {
            connections.lead_to(primaries).await?;
        }
        // Only now: whoever connects from here on is told of the right server.
        self.led.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Whether [`keep_near`](Self::keep_near) is of use: a cluster is read over the pool.
    pub fn reads_near(&self) -> bool {
        !self.config.is_clustered()
    }

    /// Keeps a connection for the reads that are made on this thread, whose runtime has to be one of
    /// this thread alone. Whoever waits for its answer wakes no other thread. Ends never; dropped, it
    /// closes the connection, and reads go over those of all threads again. A cluster is read over
    /// those anyway.
    pub async fn keep_near(self: Arc<Self>) -> Infallible {
        match self.config.is_clustered() {
            true => std::future::pending().await,
            false => near::keep(self).await,
        }
    }

    /// A batch over this thread's own connection; `None` where there is none that can be asked.
    async fn get_near(
        &self,
        keys: &[Key],
    ) -> Option<Result<Vec<Option<Stored>>, SharedCacheError>> {
        let answer = near::here(self)?.ask(keys)?;
        self.count_round_trip();
        // When it ends with a question under way, the others are asked: reading twice does no harm.
        let answer = answer.await.ok()?;
        Some(answer.map(|read| self.taken(read, keys.iter())))
    }

    /// The server's words as an error of ours.
    fn said(&self, words: String) -> SharedCacheError {
        fault::fault(
            &Error::new(ErrorKind::Unknown, words),
            self.config.command_timeout,
        )
    }

    fn count_round_trip(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }

    /// One database's part of a batch, in one round trip; answers in the order of `at`.
    async fn get_from(
        &self,
        connections: &Connections,
        keys: &[Key],
        at: &[usize],
    ) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let groups = group(keys, at, self.config.is_clustered());
        let asked = connections.ask(async |client| {
            let pipeline = client.pipeline();
            for positions in &groups {
                let names: Vec<_> = positions
                    .iter()
                    .map(|&i| keys[at[i]].bytes().clone())
                    .collect();
                let _: Value = pipeline.mget(names).await?;
                for &i in positions {
                    let _: Value = pipeline.pttl(keys[at[i]].bytes().clone()).await?;
                }
            }
            self.count_round_trip();
            pipeline.all::<Value>().await
        });
        let answer = asked.await?;
        let read = read_answer(answer, &groups, at.len())?;
        Ok(self.taken(read, at.iter().map(|&at| &keys[at])))
    }

    /// The values of what was read. Keys of other types are remembered.
    fn taken<'k>(
        &self,
        read: Vec<Read>,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Vec<Option<Stored>> {
        let take = |(one, key): (Read, &Key)| match one {
            Read::Value(stored) => Some(stored),
            Read::Absent => None,
            Read::OtherType => {
                self.other_types.note(key);
                None
            }
        };
        read.into_iter().zip(keys).map(take).collect()
    }
}

#[async_trait]
impl SharedCache for RedisStore {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        if let Some(answer) = self.get_near(keys).await {
            return answer;
        }
        let mut by_database: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            by_database.entry(key.database()).or_default().push(at);
        }
        let mut parts = Vec::with_capacity(by_database.len());
        for (number, at) in &by_database {
            let connections = self.database(*number)?;
            parts.push(async move { self.get_from(&connections, keys, at).await });
        }
        // Several databases are asked at the same time: still one round trip of waiting.
        let answers = futures::future::try_join_all(parts).await?;
        let mut found = vec![None; keys.len()];
        for (answer, at) in answers.into_iter().zip(by_database.values()) {
            for (stored, &at) in answer.into_iter().zip(at) {
                found[at] = stored;
            }
        }
        Ok(found)
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let connections = self.database(key.database())?;
        // Redis refuses an expiry of 0 ms; what lives less than one is as good as gone in one.
        let expires = stored.ttl.map(|ttl| {
            let ms = i64::try_from(ttl.as_millis())
                .unwrap_or(i64::MAX / 2)
                .max(1);
            Expiration::PX(ms)
        });
        let value = Value::Bytes(stored.value.clone());
        let written = connections.ask(async |client| {
            self.count_round_trip();
            let (name, value) = (key.bytes().clone(), value.clone());
            let expires = expires.clone();
            client.set(name, value, expires, None, false).await
        });
        written.await.map(|()| Kept::This)
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        let connections = self.database(key.database())?;
        let removed = connections.ask(async |client| {
            self.count_round_trip();
            client.del::<i64, _>(key.bytes().clone()).await
        });
        Ok(removed.await? > 0)
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        let pong = self.default.ask(async |client| {
            self.count_round_trip();
            client.ping::<Value>(None).await
        });
        pong.await.map(drop)
    }

    fn backend(&self) -> &'static str {
        "redis"
    }
}

/// Positions that one MGET may hold: all of them, or in a cluster those of one hash slot.
fn group(keys: &[Key], at: &[usize], clustered: bool) -> Vec<Vec<usize>> {
    if !clustered {
        return vec![(0..at.len()).collect()];
    }
    let mut slots: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (i, &at) in at.iter().enumerate() {
        let slot = fred::util::redis_keyslot(keys[at].bytes());
        slots.entry(slot).or_default().push(i);
    }
    slots.into_values().collect()
}

/// Takes apart `[[values of group 1], pttl, pttl, …, [values of group 2], pttl, …]`.
fn read_answer(
    answer: Value,
    groups: &[Vec<usize>],
    keys: usize,
) -> Result<Vec<Read>, SharedCacheError> {
    let odd = |what: &str| SharedCacheError::Corrupt {
        reason: format!("the answer to MGET and PTTL has {what}"),
    };
    let Value::Array(parts) = answer else {
        return Err(odd("no list of answers"));
    };
    let mut parts = parts.into_iter();
    let mut found = vec![Read::Absent; keys];
    for positions in groups {
        let Some(Value::Array(values)) = parts.next() else {
            return Err(odd("no values"));
        };
        if values.len() != positions.len() {
            return Err(odd("fewer values than keys"));
        }
        for (value, &i) in values.into_iter().zip(positions) {
            let Some(Value::Integer(left)) = parts.next() else {
                return Err(odd("no time to live"));
            };
            found[i] = read(value, left).map_err(odd)?;
        }
    }
    Ok(found)
}

/// What one key of a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    Value(Stored),
    Absent,
    /// There, but MGET answers nothing: it holds no string (or came to be since).
    OtherType,
}

/// A value and its PTTL: -1 = does not expire, -2 = gone between the two commands.
fn read(value: Value, left: i64) -> Result<Read, &'static str> {
    // Copied: a slice of the connection's read buffer would keep all of that alive in L1.
    let value = match value {
        Value::Null if left == -2 => return Ok(Read::Absent),
        Value::Null => return Ok(Read::OtherType),
        Value::Bytes(bytes) => compact(&bytes),
        Value::String(text) => compact(text.as_bytes()),
        _ => return Err("a value that is no string"),
    };
    let ttl = match u64::try_from(left) {
        Ok(0) => return Ok(Read::Absent),
        Ok(ms) => Some(Duration::from_millis(ms)),
        Err(_) if left == -1 => None,
        Err(_) => return Ok(Read::Absent),
    };
    Ok(Read::Value(Stored {
        value,
        version: None,
        ttl,
    }))
}
