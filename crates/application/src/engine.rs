//! The engine: the use cases over one L1, one L2 and one learner.
//!
//! The straight line of data:
//!
//! ```text
//! observe_update / get ─► L1 ─► event queue (bounded, lossy, counted)
//! learn                ─► model ─► warm queue (bounded, one request a pair)
//! choose               ─► select ─► L1 filter ─► chosen (bounded)
//! serve                ─► peek ─► budget ─► ONE L2 read ─► L1 if newer ─► ledger
//! ```
//!
//! Every method takes `now`; nothing here reads a clock. `observe_*` and hits of `get` are
//! synchronous and allocate nothing. Locks, in the order in which they may be held: learner →
//! backlog → ghost → rollout; drift → learner; blocks → flights → ledger → L1's own; governor, shadow and chosen
//! hold nothing else.

mod absences;
mod associations;
mod choosing;
mod config;
mod control;
mod drift;
mod explain;
mod ghost;
mod hits;
mod invalidation;
mod learning;
mod listeners;
mod lookup;
mod observation;
mod reorg;
mod shadow;
mod status;
mod tap;
mod warming;
mod write;

use crate::sync::atomic::{AtomicU64, AtomicUsize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Mutex, RwLock};
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use forewarm_domain::model::check_time;
use forewarm_domain::{Key, Refused, Rollout, SelectionStrategy, Timestamp, Version};

use crate::attempts::Attempts;
use crate::blocks::Blocks;
use crate::breaker::Breaker;
use crate::flights::Flights;
use crate::freshness::Freshness;
use crate::governor::Governor;
use crate::learner::Learner;
use crate::ledger::Ledger;
use crate::metrics::{EvictionReason, Metrics, StrategyLabel};
use crate::ports::{Cached, Ending, LocalCache, Placed, Placement, SharedCache, SharedCacheError};

use absences::Absences;
use observation::{Observation, What};

pub use crate::metrics::Level;
pub use associations::{Strongest, TopAssociation};
pub use config::EngineConfig;
pub use explain::{Explained, Explanation, Fate, Obstacle};
pub use ghost::Ghost;
pub use listeners::{Listening, Origin, Told};
pub use reorg::Reorg;
pub use status::{Correlation, Status};
pub use tap::{Heard, Tap, TapCounts};
pub use warming::{Sent, WarmReport};
pub use write::{Announced, Written};

/// An update as a feed tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// When, by the feed's clock.
    pub at: Timestamp,
    /// The source's version.
    pub version: Option<Version>,
    /// The new value; without it L1's copy becomes stale.
    pub value: Option<Bytes>,
    /// The new value's time to live.
    pub ttl: Option<Duration>,
}

/// What became of an observed event. Its effect on L1 has happened either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It will be learned from.
    Queued,
    /// The learner is behind: the event is lost for learning, and counted.
    Dropped,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The value's bytes.
    pub value: Bytes,
    /// The source's version, where known.
    pub version: Option<Version>,
    /// Since when L1 holds it; `None` from L2.
    pub age: Option<Duration>,
    /// What remains of its time to live; `None` = does not expire.
    pub ttl: Option<Duration>,
    /// Who has set that time.
    pub ending: Ending,
    /// Who answered.
    pub level: Level,
}

/// Why a demand read or write failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// L2 gave no answer.
    #[error(transparent)]
    SharedCache(#[from] SharedCacheError),
}

/// Called when there is work for a loop; must not block.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// Makes a key of its bytes and database (the one key codec).
pub type KeyOf = Box<dyn Fn(Bytes, u16) -> Key + Send + Sync>;

/// The engine. Shared in an `Arc` by everybody.
pub struct Engine {
    config: EngineConfig,
    l1: Box<dyn LocalCache>,
    /// Which keys L2 lacks; `None` = nobody remembers.
    absences: Option<Arc<Absences>>,
    l2: Arc<dyn SharedCache>,
    metrics: Arc<Metrics>,
    flights: Flights,
    /// Calls of [`Engine::choose`] under way.
    choosing: AtomicUsize,
    /// What they chose and nobody has fetched yet.
    chosen: Mutex<choosing::Chosen>,
    /// In which blocks values have changed.
    blocks: Mutex<Blocks>,
    freshness: Freshness,
    ledger: Mutex<Ledger>,
    attempts: Attempts,
    governor: Mutex<Governor>,
    breaker: Mutex<Breaker>,
    learner: Mutex<Learner>,
    strategy_label: RwLock<Option<StrategyLabel>>,
    rollout: RwLock<Rollout>,
    shadow: shadow::Shadow,
    drift: Mutex<drift::Drift>,
    ghost: Mutex<Ghost>,
    ghost_sample: ghost::Sample,
    tap: Option<Arc<Tap>>,
    listeners: Arc<listeners::Listeners>,
    events: ArrayQueue<Observation>,
    /// Events that were asked about and wait to be learned from; as many as `events` holds, at most.
    backlog: Mutex<VecDeque<learning::Waiting>>,
    /// Warms that left L1 unread, on their way to the learner; lossy.
    crowded_out: ArrayQueue<Key>,
    /// How long a warm takes, in microseconds: a moving average.
    warm_us: AtomicU64,
    windows: Mutex<learning::Windows>,
    key_of: KeyOf,
    wake_learner: Waker,
    wake_warmer: Waker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Losses that may wait for the learner.
const LOSSES: usize = 8_192;

/// What an engine is made of.
pub struct Parts {
    /// L1.
    pub l1: Box<dyn LocalCache>,
    /// L2.
    pub l2: Arc<dyn SharedCache>,
    /// L1 as it would be without warming.
    pub ghost: Ghost,
    /// The rule of selection.
    pub strategy: Box<dyn SelectionStrategy>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// For the keys of a restored model.
    pub key_of: KeyOf,
    /// Called after an event or a request was queued, and when there is room for choices again.
    pub wake_learner: Waker,
    /// Called after something was chosen.
    pub wake_warmer: Waker,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Engine {
    /// Puts the parts together.
    pub fn new(config: EngineConfig, parts: Parts) -> Self {
        let label = StrategyLabel::of(parts.strategy.name());
        let (l1, absences) = absences::beside(parts.l1, config.negative_ttl);
        Self {
            learner: Mutex::new(Learner::new(
                config.model,
                parts.strategy,
                config.queue_size,
            )),
            governor: Mutex::new(Governor::new(config.extra_l2_reads)),
            rollout: RwLock::new(config.rollout.clone()),
            crowded_out: ArrayQueue::new(LOSSES),
            warm_us: AtomicU64::new(0),
            events: ArrayQueue::new(config.event_queue_size.max(1)),
            backlog: Mutex::default(),
            l1,
            absences,
            l2: parts.l2,
            metrics: parts.metrics,
            ghost_sample: parts.ghost.sample(),
            ghost: Mutex::new(parts.ghost),
            tap: None,
            listeners: Arc::default(),
            key_of: parts.key_of,
            wake_learner: parts.wake_learner,
            wake_warmer: parts.wake_warmer,
            strategy_label: RwLock::new(label),
            flights: Flights::default(),
            choosing: AtomicUsize::new(0),
            chosen: Mutex::default(),
            blocks: Mutex::new(Blocks::new(config.most_tagged)),
            freshness: Freshness::default(),
            ledger: Mutex::default(),
            attempts: Attempts::default(),
            breaker: Mutex::default(),
            shadow: shadow::Shadow::default(),
            drift: Mutex::default(),
            windows: Mutex::default(),
            config,
        }
    }

    /// Lets `tap` hear everything that the learner hears.
    pub fn with_tap(mut self, tap: Arc<Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Where everything is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// L2, for proofs of life.
    pub fn shared_cache(&self) -> &dyn SharedCache {
        &*self.l2
    }

    /// The key was updated: L1's copy becomes stale, or the update's value takes its place
    /// unless it is older; then the event goes to the learner. Refused only for its time: then
    /// nothing is learned and its value is not taken, but L1's copy is stale all the same.
    ///
    /// Synchronous; allocates nothing unless L1 must take in a new key or evicts more than four.
    pub fn observe_update(
        &self,
        key: &Key,
        update: Update,
        now: Timestamp,
    ) -> Result<Observed, Refused> {
        self.metrics.update_received(key.chain());
        let timely = check_time(update.at, now);
        self.flights.discard(key);
        let value = update.value.filter(|_| timely.is_ok());
        let what = match (&timely, &value) {
            (Err(_), _) => What::Invalidated,
            (Ok(()), value) => What::Update {
                valued: value.is_some(),
            },
        };
        let mut seen = Observation::new(key, what, update.at);
        seen.version = update.version;
        match value {
            Some(value) => {
                self.flights.databases().note(key.database());
                let ttl = update.ttl.or(self.config.default_ttl);
                let cached = Cached {
                    value,
                    version: update.version,
                    loaded_at: now,
                    expires_at: ttl.map_or(Timestamp::MAX, |ttl| now + ttl),
                    ending: match update.ttl {
                        Some(_) => Ending::Source,
                        None => Ending::Unknown,
                    },
                };
                seen = seen.of_value(cached.value.len(), cached.version, cached.expires_at);
                let placed = self.l1.place(key, cached, Placement::Update);
                self.settle(key, &placed);
            }
            None => {
                if self.l1.mark_stale(key, update.version) {
                    self.lost(key);
                }
                self.shadow.forget(key);
            }
        }
        let observed = self.queue(seen);
        timely.map(|()| observed)
    }

    /// The key was read elsewhere: trains the learner, touches nothing else.
    pub fn observe_read(
        &self,
        key: &Key,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Observed, Refused> {
        self.metrics.update_received(key.chain());
        check_time(at, now)?;
        Ok(self.queue(Observation::new(key, What::Read, at)))
    }

    fn queue(&self, observation: Observation) -> Observed {
        let tap = self.tap.as_ref();
        let heard = tap.and_then(|tap| tap.listen(&observation));
        let told = self.listeners.heard(&observation);
        if self.events.push(observation).is_err() {
            if told.is_some() {
                self.listeners.missed();
            }
            return Observed::Dropped;
        }
        if let Some(told) = &told {
            self.listeners.tell(told);
        }
        // Only now: whoever is told that an event was dropped may bring it again.
        if let (Some(tap), Some(heard)) = (tap, heard) {
            tap.hear(heard);
        }
        (self.wake_learner)();
        Observed::Queued
    }

    /// Accounts for what a placement by anybody but a warm ended.
    fn settle(&self, key: &Key, placed: &Placed) {
        if placed.overwrote_unread {
            self.lost(key);
        }
        self.evicted(placed);
    }

    fn evicted(&self, placed: &Placed) {
        if placed.evicted.is_empty() {
            return;
        }
        let evicted = placed.evicted.len() as u64;
        self.metrics
            .evictions(Level::L1, EvictionReason::Size, evicted);
        for left in placed.evicted.iter().filter(|left| left.unread) {
            self.lost(&left.key);
        }
    }

    /// A warmed entry left L1 unread.
    fn lost(&self, key: &Key) {
        let mut ledger = self.ledger.lock();
        let was_unread = ledger.is_unread(key);
        let ended = ledger.lost(key);
        drop(ledger);
        if was_unread {
            // When the learner is behind the news is lost: it only sharpens the choice.
            let _ = self.crowded_out.push(key.clone());
        }
        if let Some((chain, outcome)) = ended {
            self.metrics.outcome(chain, outcome);
        }
    }

    /// Demand reads of L1 that have got their answer; the sum of some 600 counters.
    fn lookup_number(&self) -> u64 {
        let demand = self.metrics.demand_totals();
        demand.hits + demand.misses
    }
}

#[cfg(test)]
mod tests;
