//! Listeners: whoever wants to hear every event as it happens, to write it down.
//!
//! Each has a bounded queue of its own; what does not fit is counted, and nobody waits. With no
//! listener an event costs one relaxed load more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sync::RwLock;
use crossbeam_queue::ArrayQueue;
use forewarm_domain::{Key, Op, Timestamp, Version};

use super::Engine;
use super::observation::{Observation, What};

/// How an event came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A demand read through us.
    Demand,
    /// A feed told of it.
    Feed,
    /// A write through us.
    Write,
    /// L2 told that somebody else changed the key.
    Invalidation,
}

impl Origin {
    /// The name in the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Feed => "feed",
            Self::Write => "write",
            Self::Invalidation => "invalidation",
        }
    }
}

/// One event as listeners hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whose.
    pub key: Key,
    /// A read or an update.
    pub op: Op,
    /// How it came to be known.
    pub origin: Origin,
    /// When; zero where nobody said (`invalidate`, a reorganisation): about now.
    pub at: Timestamp,
    /// The value's version, where known.
    pub version: Option<Version>,
    /// Whether an update brought its value, which refreshes L1's copy instead of making it stale.
    pub valued: bool,
}

impl Told {
    /// `None`: nothing that a recording has a line for.
    fn of(seen: &Observation) -> Option<Self> {
        let (op, origin, valued) = match seen.what {
            What::Demand { .. } | What::Unlearned => (Op::Read, Origin::Demand, false),
            What::Read => (Op::Read, Origin::Feed, false),
            What::Update { valued } => (Op::Update, Origin::Feed, valued),
            What::Written => (Op::Update, Origin::Write, true),
            What::Unkept => (Op::Update, Origin::Write, false),
            What::Invalidated => (Op::Update, Origin::Invalidation, false),
            What::Fetched { .. } | What::Flushed => return None,
        };
        Some(Self {
            key: seen.key.clone(),
            op,
            origin,
            at: seen.at,
            version: seen.version,
            valued,
        })
    }
}

#[derive(Debug)]
struct Listener {
    queue: ArrayQueue<Told>,
    dropped: AtomicU64,
}

/// Everybody who listens.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    any: AtomicBool,
    all: RwLock<Vec<Arc<Listener>>>,
}

impl Listeners {
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// What there is to tell of this, if anybody listens.
    pub(super) fn heard(&self, seen: &Observation) -> Option<Told> {
        self.any().then(|| Told::of(seen)).flatten()
    }

    pub(super) fn tell(&self, told: &Told) {
        for listener in self.all.read().iter() {
            if listener.queue.push(told.clone()).is_err() {
                listener.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The event was lost before anybody could hear of it.
    pub(super) fn missed(&self) {
        for listener in self.all.read().iter() {
            listener.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A place to listen from; dropping it ends the listening.
#[derive(Debug)]
pub struct Listening {
    listener: Arc<Listener>,
    listeners: Arc<Listeners>,
}

impl Listening {
    /// The oldest event that waits.
    pub fn next_event(&self) -> Option<Told> {
        self.listener.queue.pop()
    }

    /// Events lost so far: they came faster than they were taken, or than they could be learned.
    pub fn dropped(&self) -> u64 {
        self.listener.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut all = self.listeners.all.write();
        all.retain(|other| !Arc::ptr_eq(other, &self.listener));
        self.listeners.any.store(!all.is_empty(), Ordering::Relaxed);
    }
}

impl Engine {
    /// Begins to listen, with room for `capacity` events that wait; `None` when `most` listen
    /// already. While anybody listens the learner hears of every hit too, however busy it is.
    pub fn listen(&self, capacity: usize, most: usize) -> Option<Listening> {
        let mut all = self.listeners.all.write();
        if all.len() >= most {
            return None;
        }
        let listener = Arc::new(Listener {
            queue: ArrayQueue::new(capacity.max(1)),
            dropped: AtomicU64::new(0),
        });
        all.push(Arc::clone(&listener));
        self.listeners.any.store(true, Ordering::Relaxed);
        drop(all);
        Some(Listening {
            listener,
            listeners: Arc::clone(&self.listeners),
        })
    }
}
