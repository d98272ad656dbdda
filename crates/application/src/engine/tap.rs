//! The tap: what the learner hears, once more, for whoever plays the stream beside it.

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use foldhash::fast::FixedState;
use forewarm_domain::{Key, Op, Timestamp, Version};

use super::observation::{Observation, What};
use crate::metrics::StrategyLabel;
use crate::replay::Contest;
use crate::trace::TraceEvent;

/// Something that happened, on its way from the hot path to a [`Contest`].
#[derive(Debug)]
pub struct Heard {
    key: Key,
    what: Happened,
    at: Timestamp,
    version: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happened {
    /// A demand read, or one that a feed told of.
    Read,
    Updated {
        valued: bool,
    },
    Changed,
    Written,
    Emptied,
}

impl Happened {
    /// `None` = a contest finds that out for itself.
    fn of(what: What) -> Option<Self> {
        match what {
            What::Demand { .. } | What::Read => Some(Self::Read),
            What::Update { valued } => Some(Self::Updated { valued }),
            What::Written => Some(Self::Written),
            What::Unkept | What::Invalidated => Some(Self::Changed),
            What::Flushed => Some(Self::Emptied),
            What::Fetched { .. } | What::Unlearned => None,
        }
    }
}

impl Heard {
    /// Whose key it is about.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Plays it; whether it was a read. An event of the future counts as one of `latest`: no feed's
    /// clock may pull everybody else's time forward.
    pub fn tell(
        self,
        contest: &mut Contest,
        latest: Timestamp,
        stopwatch: &dyn Fn() -> std::time::Duration,
    ) -> bool {
        let at = self.at.min(latest);
        let op = match self.what {
            Happened::Read => Op::Read,
            Happened::Updated { .. } => Op::Update,
            Happened::Changed => {
                contest.changed(&self.key, self.version, at);
                return false;
            }
            Happened::Written => {
                contest.written(&self.key, self.version, at);
                return false;
            }
            Happened::Emptied => {
                contest.emptied();
                return false;
            }
        };
        let valued = self.what == Happened::Updated { valued: true };
        let event = TraceEvent {
            key: self.key,
            op,
            at,
            version: self.version,
            value: valued.then(bytes::Bytes::new),
            size: None,
        };
        contest.play(&event, stopwatch);
        op.reads()
    }
}

/// What went through a [`Tap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TapCounts {
    /// Events that happened while it was open.
    pub seen: u64,
    /// Those whose key is not in the sample.
    pub left_out: u64,
    /// Those lost because the queue was full.
    pub dropped: u64,
}

/// A bounded, lossy, lock-free queue that can be opened and closed. What the learner has lost it
/// does not hear of either. Closed it costs one relaxed
/// load an event; open, one push more, and nothing is allocated. Nobody is woken: who listens looks
/// by itself.
#[derive(Debug)]
pub struct Tap {
    open: AtomicBool,
    capacity: usize,
    /// Made when it is first opened: who never listens does not pay for it.
    queue: OnceLock<ArrayQueue<Heard>>,
    covered: Vec<StrategyLabel>,
    one_in: AtomicU64,
    hasher: FixedState,
    seen: AtomicU64,
    left_out: AtomicU64,
    dropped: AtomicU64,
}

impl Tap {
    /// A closed tap with room for `capacity` events, for a contest of the strategies `covered`.
    pub fn new(capacity: usize, covered: Vec<StrategyLabel>) -> Self {
        Self {
            open: AtomicBool::new(false),
            capacity: capacity.max(1),
            queue: OnceLock::new(),
            covered,
            one_in: AtomicU64::new(1),
            // A hash of its own: L1's would pick the keys of certain shards.
            hasher: FixedState::with_seed(0x7f4a_7c15),
            seen: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Lets events in.
    pub fn open(&self) {
        self.queue.get_or_init(|| ArrayQueue::new(self.capacity));
        self.open.store(true, Ordering::Release);
    }

    /// Lets no more in.
    pub fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Whether events are let in.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a contest is running that counts what this strategy would hit.
    pub(super) fn covers(&self, strategy: StrategyLabel) -> bool {
        self.is_open() && self.covered.contains(&strategy)
    }

    /// From now on only one key in `one_in` is let in, by its hash.
    pub fn sample(&self, one_in: u64) {
        self.one_in.store(one_in.max(1), Ordering::Relaxed);
    }

    /// One key in so many is let in.
    pub fn sampled_one_in(&self) -> u64 {
        self.one_in.load(Ordering::Relaxed)
    }

    /// What went through so far.
    pub fn counts(&self) -> TapCounts {
        TapCounts {
            seen: self.seen.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// The oldest event that waits.
    pub fn pop(&self) -> Option<Heard> {
        self.queue.get()?.pop()
    }

    /// What happened, if anybody listens who cares.
    pub(super) fn listen(&self, seen: &Observation) -> Option<Heard> {
        if !self.is_open() {
            return None;
        }
        Some(Heard {
            what: Happened::of(seen.what)?,
            key: seen.key.clone(),
            at: seen.at,
            version: seen.version,
        })
    }

    /// Queues it, if its key is in the sample and there is room.
    pub(super) fn hear(&self, heard: Heard) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        if !self.has(&heard.key) && heard.what != Happened::Emptied {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let queue = self.queue.get();
        if queue.is_none_or(|queue| queue.push(heard).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn has(&self, key: &Key) -> bool {
        match self.sampled_one_in() {
            1 => true,
            one_in => self.hasher.hash_one(key).is_multiple_of(one_in),
        }
    }
}
