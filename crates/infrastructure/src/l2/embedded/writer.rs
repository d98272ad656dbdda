//! The one thread that writes: what waits together is committed together.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use forewarm_application::ports::{Kept, SharedCacheError, Stored};
use forewarm_domain::{Timestamp, supersedes};
use redb::{ReadableTable, Table};
use tokio::sync::{mpsc, oneshot};

use super::Record;
use super::envelope::Envelope;
use super::file::{BLOBS, Fault, File, VALUES};

/// Writes that may wait; the next caller waits for room.
const QUEUE: usize = 1_024;
/// Writes in one transaction.
const BATCH: usize = 256;
/// Entries looked at per commit in search of expired ones that nobody reads any more.
const SWEEP: usize = 64;
/// And their bytes, so that large values don't hold up the commit.
const SWEEP_BYTES: usize = 256 << 10;

/// Changes the records of an update in place; gets the time and what each key holds now.
pub(super) type Decide = Box<dyn FnOnce(Timestamp, &mut [Option<Record>]) + Send>;

pub(super) type Reply<T> = oneshot::Sender<Result<T, SharedCacheError>>;

pub(super) enum Write {
    Put {
        key: Vec<u8>,
        stored: Stored,
        reply: Reply<Kept>,
    },
    Remove {
        key: Vec<u8>,
        reply: Reply<bool>,
    },
    Blob {
        name: String,
        blob: Bytes,
        reply: Reply<()>,
    },
    /// Reads the keys, lets somebody decide, and writes what has changed: one step of the
    /// transaction.
    Update {
        keys: Vec<Vec<u8>>,
        decide: Decide,
        reply: Reply<()>,
    },
    /// Drops a database, or with `None` every one.
    Clear {
        database: Option<u16>,
        reply: Reply<()>,
    },
    /// Found expired by a read; checked again, since it may have been written since.
    ForgetExpired {
        key: Vec<u8>,
    },
}

#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(file: Arc<File>, clock: fn() -> Timestamp) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("forewarm-l2-write".to_owned())
            .spawn(move || run(&file, waiting, clock))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Queues a write and waits for its commit.
    pub(super) async fn send<T>(
        &self,
        make: impl FnOnce(Reply<T>) -> Write,
    ) -> Result<T, SharedCacheError> {
        let stopped = || SharedCacheError::Unavailable {
            reason: "the embedded store's writer has stopped".to_owned(),
        };
        let (reply, committed) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(make(reply)).await.map_err(|_| stopped())?;
        committed.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// A hint, dropped when the queue is full.
    pub(super) fn forget_expired(&self, key: Vec<u8>) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Write::ForgetExpired { key });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(file: &File, mut waiting: mpsc::Receiver<Write>, clock: fn() -> Timestamp) {
    let mut sweep = Sweep::default();
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match waiting.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        commit(file, batch, clock(), &mut sweep);
    }
}

/// What a write answers once it is durable.
enum Ready {
    Done(Reply<()>),
    Removed(Reply<bool>, bool),
    Kept(Reply<Kept>, Kept),
}

/// One transaction; every caller is answered after the commit, and alike when it fails.
fn commit(file: &File, batch: Vec<Write>, now: Timestamp, sweep: &mut Sweep) {
    let mut replies = Vec::with_capacity(batch.len());
    // Replies are taken out before anything can fail, so that each gets the reason.
    let work: Vec<_> = batch
        .into_iter()
        .map(|write| take(write, &mut replies))
        .collect();
    let outcome = file.write(|transaction| {
        let mut values = transaction.open_table(VALUES)?;
        let mut blobs = transaction.open_table(BLOBS)?;
        for step in work {
            match step {
                Step::Put(key, stored, at) => {
                    let kept = put(&mut values, &key, &stored, now)?;
                    if let Ready::Kept(_, answer) = &mut replies[at] {
                        *answer = kept;
                    }
                }
                Step::Remove(key, at) => {
                    let was = values.remove(key.as_slice())?;
                    let there = was.is_some_and(|raw| is_live(&key, raw.value(), now));
                    if let Ready::Removed(_, answer) = &mut replies[at] {
                        *answer = there;
                    }
                }
                Step::Blob(name, blob) => {
                    let envelope = Envelope {
                        version: None,
                        expires: None,
                        value: &blob,
                    };
                    let raw = envelope.write(name.as_bytes());
                    blobs.insert(name.as_str(), raw.as_slice())?;
                }
                Step::Update(keys, decide) => update(&mut values, &keys, decide, now)?,
                Step::Clear(database) => clear(&mut values, database)?,
                Step::Forget(key) => forget(&mut values, &key, now)?,
            }
        }
        sweep.step(&mut values, now)
    });
    for reply in replies {
        // A caller that has gone away (timed out) is no fault.
        let _ = match (reply, &outcome) {
            (Ready::Done(reply), outcome) => reply.send(outcome.clone()).is_ok(),
            (Ready::Removed(reply, was), Ok(())) => reply.send(Ok(was)).is_ok(),
            (Ready::Kept(reply, kept), Ok(())) => reply.send(Ok(kept)).is_ok(),
            (Ready::Kept(reply, _), Err(error)) => reply.send(Err(error.clone())).is_ok(),
            (Ready::Removed(reply, _), Err(error)) => reply.send(Err(error.clone())).is_ok(),
        };
    }
}

enum Step {
    /// With the index of its reply.
    Put(Vec<u8>, Stored, usize),
    Remove(Vec<u8>, usize),
    Blob(String, Bytes),
    Update(Vec<Vec<u8>>, Decide),
    Clear(Option<u16>),
    Forget(Vec<u8>),
}

fn take(write: Write, replies: &mut Vec<Ready>) -> Step {
    match write {
        Write::Put { key, stored, reply } => {
            replies.push(Ready::Kept(reply, Kept::This));
            Step::Put(key, stored, replies.len() - 1)
        }
        Write::Remove { key, reply } => {
            replies.push(Ready::Removed(reply, false));
            Step::Remove(key, replies.len() - 1)
        }
        Write::Blob { name, blob, reply } => {
            replies.push(Ready::Done(reply));
            Step::Blob(name, blob)
        }
        Write::Update {
            keys,
            decide,
            reply,
        } => {
            replies.push(Ready::Done(reply));
            Step::Update(keys, decide)
        }
        Write::Clear { database, reply } => {
            replies.push(Ready::Done(reply));
            Step::Clear(database)
        }
        Write::ForgetExpired { key } => Step::Forget(key),
    }
}

type Values<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// Writes unless a newer (or equal) version is held and still lives.
fn put(
    values: &mut Values<'_>,
    key: &[u8],
    stored: &Stored,
    now: Timestamp,
) -> Result<Kept, Fault> {
    if stored.version.is_some()
        && let Some(raw) = values.get(key)?
        && let Ok(held) = Envelope::read(key, raw.value())
        && !held.is_expired(now)
        && !supersedes(stored.version, held.version)
    {
        return Ok(Kept::Newer);
    }
    let envelope = Envelope {
        version: stored.version,
        expires: stored.ttl.map(|ttl| now + ttl),
        value: &stored.value,
    };
    values.insert(key, envelope.write(key).as_slice())?;
    Ok(Kept::This)
}

/// A key that stands twice has one record, its first place's.
fn update(
    values: &mut Values<'_>,
    keys: &[Vec<u8>],
    decide: Decide,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut held = Vec::with_capacity(keys.len());
    for key in keys {
        let raw = values.get(key.as_slice())?;
        let raw = raw.as_ref().map(|raw| raw.value());
        held.push(
            Record::read(key, raw, now)
                .map_err(|reason| Fault::Ours(SharedCacheError::Corrupt { reason }))?,
        );
    }
    let mut wanted = held.clone();
    decide(now, &mut wanted);
    for ((key, held), wanted) in keys.iter().zip(held).zip(wanted) {
        match wanted {
            Some(record) if held.as_ref() == Some(&record) => {}
            Some(record) if record.expires.is_none_or(|expires| expires > now) => {
                let envelope = Envelope {
                    version: None,
                    expires: record.expires,
                    value: &record.value,
                };
                values.insert(key.as_slice(), envelope.write(key).as_slice())?;
            }
            _ => {
                values.remove(key.as_slice())?;
            }
        }
    }
    Ok(())
}

fn clear(values: &mut Values<'_>, database: Option<u16>) -> Result<(), Fault> {
    let Some(database) = database else {
        values.retain(|_, _| false)?;
        return Ok(());
    };
    let first = database.to_be_bytes();
    match database.checked_add(1).map(u16::to_be_bytes) {
        Some(next) => values.retain_in(&first[..]..&next[..], |_, _| false)?,
        None => values.retain_in(&first[..].., |_, _| false)?,
    }
    Ok(())
}

fn is_live(key: &[u8], raw: &[u8], now: Timestamp) -> bool {
    Envelope::read(key, raw).map_or(true, |envelope| !envelope.is_expired(now))
}

fn forget(values: &mut Values<'_>, key: &[u8], now: Timestamp) -> Result<(), Fault> {
    let dead = match values.get(key)? {
        Some(raw) => !is_live(key, raw.value(), now),
        None => false,
    };
    if dead {
        values.remove(key)?;
    }
    Ok(())
}

/// Walks the values a little with every commit, so that expired ones which nobody reads don't
/// stay for ever.
#[derive(Default)]
struct Sweep {
    after: Vec<u8>,
}

impl Sweep {
    fn step(&mut self, values: &mut Values<'_>, now: Timestamp) -> Result<(), Fault> {
        let mut dead = Vec::new();
        let (mut seen, mut bytes) = (0, 0);
        let mut last = Vec::new();
        for entry in values.range(self.after.as_slice()..)? {
            let (key, raw) = entry?;
            let (key, raw) = (key.value(), raw.value());
            last = key.to_vec();
            if Envelope::seems_expired(raw, now) && !is_live(key, raw, now) {
                dead.push(last.clone());
            }
            seen += 1;
            bytes += raw.len();
            if seen >= SWEEP || bytes >= SWEEP_BYTES {
                break;
            }
        }
        for key in dead {
            values.remove(key.as_slice())?;
        }
        // Past the end it starts over; else the next walk begins behind the last one seen.
        if seen < SWEEP && bytes < SWEEP_BYTES {
            last.clear();
        } else {
            last.push(0);
        }
        self.after = last;
        Ok(())
    }
}
