//! L2 without a server: one file, durable at every acknowledged write.
//!
//! Reads run where they are called: a read is about 2 µs and a batch of eight 14 µs from redb's
//! cache, less than the hand-over to a blocking thread costs. Only batches past
//! [`DIRECT_READS`] go to one. Writes all pass through one thread, which commits whatever has
//! gathered while the last commit was under way as one durable transaction (350 µs alone, 5 ms
//! for a hundred).

mod envelope;
mod file;
mod quiet;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::{Key, Timestamp, compact};
use tokio::time::timeout;

use crate::clock;
use envelope::Envelope;
use file::File;
pub use file::OpenError;
use writer::{Write, Writer};

/// Largest batch that is read on the caller's own thread.
pub const DIRECT_READS: usize = 64;

/// Where the store lives and how much it may use.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The folder that holds the store's file; made when missing.
    pub folder: PathBuf,
    /// Memory for cached pages. Default 64 MiB.
    pub cache_bytes: usize,
    /// How long a write may wait for its commit. Default 5 s: a slow disk, not a lost one.
    pub write_timeout: Duration,
    /// Where the time of expiry is read. Default the system's clock.
    pub clock: fn() -> Timestamp,
}

impl EmbeddedConfig {
    /// The defaults, in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            cache_bytes: 64 << 20,
            write_timeout: Duration::from_secs(5),
            clock: clock::now,
        }
    }
}

/// What one key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Bytes,
    /// When it ends, to the millisecond; `None` = never.
    pub expires: Option<Timestamp>,
}

impl Record {
    /// What stands in the file, unless it has expired.
    fn read(key: &[u8], raw: Option<&[u8]>, now: Timestamp) -> Result<Option<Self>, String> {
        let Some(raw) = raw else { return Ok(None) };
        let envelope = Envelope::read(key, raw)
            .map_err(|reason| format!("key {}: {reason}", key.escape_ascii()))?;
        Ok((!envelope.is_expired(now)).then(|| Self {
            value: compact(envelope.value),
            expires: envelope.expires,
        }))
    }
}

/// The embedded L2.
///
/// A value is kept with its version, its time of expiry and a checksum over key and value, so
/// that a damaged file yields an error and never a wrong price. Dropping the store waits for the writes under
/// way.
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<File>,
    writer: Writer,
    write_timeout: Duration,
    clock: fn() -> Timestamp,
}

impl EmbeddedStore {
    /// Opens, or makes, the store in a folder.
    ///
    /// Blocks on the disk: call it before the runtime is busy, or on a blocking thread. One process at a time. Opening after a crash takes less than a second per million keys.
    pub fn open(config: &EmbeddedConfig) -> Result<Self, OpenError> {
        let file = Arc::new(File::open(&config.folder, config.cache_bytes)?);
        let writer = Writer::start(Arc::clone(&file), config.clock)
            .map_err(|error| OpenError::io(file.path(), "start the writer of", error))?;
        Ok(Self {
            file,
            writer,
            write_timeout: config.write_timeout,
            clock: config.clock,
        })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Keeps a blob (the learned model) under a name, durably, in place of the one before.
    pub async fn save_blob(&self, name: &str, blob: &[u8]) -> Result<(), SharedCacheError> {
        let (name, blob) = (name.to_owned(), Bytes::copy_from_slice(blob));
        self.write(|reply| Write::Blob { name, blob, reply }).await
    }

    /// The blob last saved under the name.
    pub async fn load_blob(&self, name: &str) -> Result<Option<Vec<u8>>, SharedCacheError> {
        let (file, name) = (Arc::clone(&self.file), name.to_owned());
        let read = move || {
            file.read(|transaction| {
                let table = transaction.open_table(file::BLOBS)?;
                let Some(raw) = table.get(name.as_str())? else {
                    return Ok(None);
                };
                match Envelope::read(name.as_bytes(), raw.value()) {
                    Ok(envelope) => Ok(Some(envelope.value.to_vec())),
                    Err(reason) => Err(file.damaged(&format!("blob {name:?}"), reason)),
                }
            })
        };
        off_the_runtime(read).await
    }

    /// Reads the keys' records, lets `decide` change them in place, and writes what has changed:
    /// one atomic, durable step, whoever else writes. The answer comes after the commit.
    ///
    /// `decide` gets the store's time. A record taken away removes the key; a key must not stand
    /// twice. Values written this way have no version.
    pub async fn update<T: Send + 'static>(
        &self,
        keys: &[Key],
        decide: impl FnOnce(Timestamp, &mut [Option<Record>]) -> T + Send + 'static,
    ) -> Result<T, SharedCacheError> {
        let keys = keys.iter().map(file::table_key).collect();
        let (told, decided) = std::sync::mpsc::sync_channel(1);
        let decide = Box::new(move |now, records: &mut [Option<Record>]| {
            let _ = told.send(decide(now, records));
        });
        self.write(|reply| Write::Update {
            keys,
            decide,
            reply,
        })
        .await?;
        decided
            .try_recv()
            .map_err(|_| SharedCacheError::Unavailable {
                reason: "the embedded store's writer has stopped".to_owned(),
            })
    }

    /// What the keys hold, in their order.
    pub async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, SharedCacheError> {
        let (file, now) = (Arc::clone(&self.file), (self.clock)());
        let keys: Vec<_> = keys.iter().map(file::table_key).collect();
        let few = keys.len() <= DIRECT_READS;
        let read = move || {
            file.read(|transaction| {
                let table = transaction.open_table(file::VALUES)?;
                let mut records = Vec::with_capacity(keys.len());
                for key in &keys {
                    let raw = table.get(key.as_slice())?;
                    let raw = raw.as_ref().map(|raw| raw.value());
                    let record = Record::read(key, raw, now)
                        .map_err(|reason| file.damaged("a value", reason))?;
                    records.push(record);
                }
                Ok(records)
            })
        };
        if few {
            read()
        } else {
            off_the_runtime(read).await
        }
    }

    /// Drops every value of a database, or with `None` of all of them.
    pub async fn clear(&self, database: Option<u16>) -> Result<(), SharedCacheError> {
        self.write(|reply| Write::Clear { database, reply }).await
    }

    /// How many keys a database holds, expired ones that nobody has swept yet left out. Walks
    /// over all of them.
    pub async fn count(&self, database: u16) -> Result<u64, SharedCacheError> {
        let (file, now) = (Arc::clone(&self.file), (self.clock)());
        let count = move || {
            file.read(|transaction| {
                let table = transaction.open_table(file::VALUES)?;
                let mut live = 0;
                for entry in table.range(&database.to_be_bytes()[..]..)? {
                    let (key, raw) = entry?;
                    if !key.value().starts_with(&database.to_be_bytes()) {
                        break;
                    }
                    live += u64::from(!Envelope::seems_expired(raw.value(), now));
                }
                Ok(live)
            })
        };
        off_the_runtime(count).await
    }

    async fn write<T>(
        &self,
        make: impl FnOnce(writer::Reply<T>) -> Write,
    ) -> Result<T, SharedCacheError> {
        let after = self.write_timeout;
        let acknowledged = self.writer.send(make);
        timeout(after, acknowledged)
            .await
            .unwrap_or(Err(SharedCacheError::Timeout { after }))
    }
}

#[async_trait]
impl SharedCache for EmbeddedStore {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let now = (self.clock)();
        let (found, expired) = if keys.len() <= DIRECT_READS {
            read_all(&self.file, keys, now)?
        } else {
            let (file, keys) = (Arc::clone(&self.file), keys.to_vec());
            off_the_runtime(move || read_all(&file, &keys, now)).await?
        };
        for key in expired {
            self.writer.forget_expired(key);
        }
        Ok(found)
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let (key, stored) = (file::table_key(key), stored.clone());
        self.write(|reply| Write::Put { key, stored, reply }).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        let key = file::table_key(key);
        self.write(|reply| Write::Remove { key, reply }).await
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        self.file.read(|transaction| {
            transaction.open_table(file::VALUES)?;
            Ok(())
        })
    }

    fn backend(&self) -> &'static str {
        "embedded"
    }
}

type Found = (Vec<Option<Stored>>, Vec<Vec<u8>>);

/// Every key's value in the order asked, and the keys found expired.
fn read_all(file: &File, keys: &[Key], now: Timestamp) -> Result<Found, SharedCacheError> {
    file.read(|transaction| {
        let table = transaction.open_table(file::VALUES)?;
        let mut found = Vec::with_capacity(keys.len());
        let mut expired = Vec::new();
        for key in keys {
            let at = file::table_key(key);
            let Some(raw) = table.get(at.as_slice())? else {
                found.push(None);
                continue;
            };
            let envelope = Envelope::read(&at, raw.value())
                .map_err(|reason| file.damaged(&format!("key {key:?}"), reason))?;
            if envelope.is_expired(now) {
                expired.push(at);
                found.push(None);
            } else {
                found.push(Some(envelope.stored(now)));
            }
        }
        Ok((found, expired))
    })
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SharedCacheError> + Send + 'static,
) -> Result<T, SharedCacheError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(SharedCacheError::Unavailable {
                reason: format!("the embedded store's reader was stopped: {error}"),
            })
        })
}
