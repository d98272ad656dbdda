//! What every surface works on: the engine with its names, its clock and its wake-ups.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use forewarm_application::engine::{Engine, Found, Level, LookupError, Observed, Reorg, Update};
use forewarm_application::metrics::Metrics;
use forewarm_application::ports::{Ending, SharedCache, Stored};
use forewarm_domain::{ChainId, Key, Op, Refused, Timestamp};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::feeds::{EventSink, FeedEvent};
use forewarm_infrastructure::l2::RedisStore;
use forewarm_infrastructure::telemetry::Telemetry;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::config::{Config, Strategy, Warming};
use crate::history::History;
use crate::invalidation::Link;
use crate::pace::Pace;
use crate::resp::Store;
use crate::shadow::Shadow;
use crate::turns::is_tracking_timed;
use crate::wiring::Wakers;

/// Hits learned from in each span of the pace: below 200,000 a second all of them are.
const HITS_LEARNED: u32 = 10_000;

/// The engine with everything that it takes to run it. Shared by the loops, the HTTP interface,
/// the feeds and the handle of an embedding program.
pub struct Core {
    /// The settings.
    pub config: Config,
    /// The engine.
    pub engine: Arc<Engine>,
    /// Between pair names and keys.
    pub codec: KeyCodec,
    /// The time.
    pub clock: Clock,
    /// L2.
    pub shared: Arc<dyn SharedCache>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What `/metrics` answers.
    pub telemetry: Arc<Telemetry>,
    /// Signs of life.
    pub vitals: Vitals,
    /// How L1 learns of changes in L2.
    pub link: Link,
    /// All strategies side by side.
    pub(crate) shadow: Shadow,
    /// The last half hour.
    pub(crate) history: History,
    pub(crate) wakers: Arc<Wakers>,
    /// L2 beyond its port; `None` when it is a program's own.
    pub(crate) store: Option<Store>,
    warming: Mutex<Warming>,
    pub(crate) pace: Pace,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("config", &self.config)
            .field("l2", &self.shared.backend())
            .finish_non_exhaustive()
    }
}

/// What the wiring has made.
pub(crate) struct Made {
    pub(crate) engine: Arc<Engine>,
    pub(crate) shared: Arc<dyn SharedCache>,
    pub(crate) link: Link,
    pub(crate) shadow: Shadow,
    pub(crate) store: Option<Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) clock: Clock,
    pub(crate) wakers: Arc<Wakers>,
}

/// Signs of life, for the probes.
#[derive(Debug, Default)]
pub struct Vitals {
    /// The listeners and the loops are up.
    pub started: AtomicBool,
    /// The saved model is being read; nothing is learned yet, everything else is served.
    pub restoring: AtomicBool,
    /// The service was told to stop and answers what is under way.
    pub draining: AtomicBool,
    /// The loops are to end.
    pub stopping: AtomicBool,
    /// Events of feeds refused for their time.
    pub refused: AtomicU64,
    /// Events of feeds lost because the learner was behind.
    pub dropped: AtomicU64,
    /// Why L2 did not answer its last proof of life; `None` = it did.
    pub l2_down: Mutex<Option<String>>,
    learner_seen_ms: AtomicU64,
    ticker_seen_ms: AtomicU64,
}

/// A loop that has not shown itself for this long is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);

impl Vitals {
    pub(crate) fn learner_lives(&self, running: Duration) {
        self.learner_seen_ms
            .store(millis(running), Ordering::Relaxed);
    }

    pub(crate) fn ticker_lives(&self, running: Duration) {
        self.ticker_seen_ms
            .store(millis(running), Ordering::Relaxed);
    }

    /// The loops that are silent.
    pub(crate) fn silent(&self, running: Duration) -> Vec<&'static str> {
        let loops = [
            ("learner", &self.learner_seen_ms),
            ("ticker", &self.ticker_seen_ms),
        ];
        let silent = |seen: &AtomicU64| {
            millis(running).saturating_sub(seen.load(Ordering::Relaxed)) > millis(SILENCE)
        };
        let restoring = self.restoring.load(Ordering::Acquire);
        let dead = loops.into_iter().filter(|(_, seen)| silent(seen));
        let dead = dead.map(|(name, _)| name);
        dead.filter(|name| !(restoring && *name == "learner"))
            .collect()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What became of an event that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Learned, or about to be.
    Accepted,
    /// The learner's queue was full; counted.
    Dropped,
}

/// Why a strategy cannot be switched to.
#[derive(Debug, thiserror::Error)]
pub enum StrategyError {
    /// There is none of that name.
    #[error("unknown strategy {name:?}, expected one of {expected}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        expected: String,
    },
    /// A parameter is unknown, of the wrong kind or out of range.
    #[error("{0}")]
    Parameter(String),
}

impl Core {
    /// Puts the parts together. Nothing runs yet.
    pub(crate) fn new(config: Config, codec: KeyCodec, made: Made) -> Self {
        Self {
            warming: Mutex::new(config.warming.clone()),
            config,
            codec,
            engine: made.engine,
            clock: made.clock,
            shared: made.shared,
            link: made.link,
            shadow: made.shadow,
            history: History::default(),
            metrics: made.metrics,
            telemetry: made.telemetry,
            vitals: Vitals::default(),
            wakers: made.wakers,
            store: made.store,
            pace: Pace::new(HITS_LEARNED),
        }
    }

    /// L2, where it is a Redis of the configuration.
    pub(crate) fn redis(&self) -> Option<Arc<RedisStore>> {
        match &self.store {
            Some(Store::Redis(redis)) => Some(Arc::clone(redis)),
            _ => None,
        }
    }

    /// The key's value changed in L2 (see [`Engine::observe_update`]).
    pub fn observe_update(&self, key: &Key, update: Update) -> Result<Observed, Refused> {
        let now = self.clock.now();
        let observed = self.engine.observe_update(key, update, now);
        self.tracked(key, now);
        observed
    }

    /// The same of a change in a block (see [`Engine::observe_update_in`]).
    pub fn observe_update_in(
        &self,
        block: u64,
        key: &Key,
        update: Update,
    ) -> Result<Observed, Refused> {
        let now = self.clock.now();
        let observed = self.engine.observe_update_in(block, key, update, now);
        self.tracked(key, now);
        observed
    }

    /// Somebody read the key elsewhere (see [`Engine::observe_read`]).
    pub fn observe_read(&self, key: &Key, at: Timestamp) -> Result<Observed, Refused> {
        let now = self.clock.now();
        let observed = self.engine.observe_read(key, at, now);
        self.tracked(key, now);
        observed
    }

    /// Times it if it is its turn; it began at `since`.
    fn tracked(&self, key: &Key, since: Timestamp) {
        if is_tracking_timed() {
            let took = self.clock.now().since(since);
            self.metrics.tracking_duration(key.chain(), took);
        }
    }

    /// Before updates are tracked that do not come through [`observe_update`](Self::observe_update): when,
    /// and of which chain, if it is their turn to be timed.
    pub(crate) fn tracking_begins(&self, first: Option<&Key>) -> Option<(ChainId, Timestamp)> {
        let chain = first?.chain();
        is_tracking_timed().then(|| (chain, self.clock.now()))
    }

    /// So many updates were tracked.
    pub(crate) fn tracking_ends(&self, (chain, since): (ChainId, Timestamp), updates: usize) {
        let took = self.clock.now().since(since);
        let each = took / u32::try_from(updates.max(1)).unwrap_or(u32::MAX);
        self.metrics.tracking_duration(chain, each);
    }

    /// Takes an event of a feed; the reason when it is refused.
    pub fn take(&self, event: FeedEvent) -> Result<Taken, String> {
        if !self.may_cache(&event.key) {
            return Ok(Taken::Accepted);
        }
        let observed = match event.op {
            Op::Update => {
                let update = Update {
                    at: event.at,
                    version: event.version,
                    value: event.value,
                    ttl: None,
                };
                match event.block {
                    Some(block) => self.observe_update_in(block, &event.key, update),
                    None => self.observe_update(&event.key, update),
                }
            }
            Op::Read | Op::Access => self.observe_read(&event.key, event.at),
        };
        match observed {
            Ok(Observed::Queued) => Ok(Taken::Accepted),
            Ok(Observed::Dropped) => {
                self.vitals.dropped.fetch_add(1, Ordering::Relaxed);
                Ok(Taken::Dropped)
            }
            Err(refused) => {
                self.vitals.refused.fetch_add(1, Ordering::Relaxed);
                Err(refused.to_string())
            }
        }
    }

    /// Demand reads with one L2 round trip for all that L1 lacks, in the order asked.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Found>>, LookupError> {
        if keys.iter().all(|key| self.may_cache(key)) {
            return self.engine.get_many(keys, self.clock.now()).await;
        }
        let (cached, others): (Vec<usize>, Vec<usize>) =
            (0..keys.len()).partition(|at| self.may_cache(&keys[*at]));
        let pick =
            |places: &[usize]| -> Vec<Key> { places.iter().map(|at| keys[*at].clone()).collect() };
        let from_l1 = self
            .engine
            .get_many(&pick(&cached), self.clock.now())
            .await?;
        let past_l1 = self.get_past_l1(&pick(&others)).await?;
        let mut found = vec![None; keys.len()];
        let places = cached.into_iter().chain(others);
        for (at, one) in places.zip(from_l1.into_iter().chain(past_l1)) {
            found[at] = one;
        }
        Ok(found)
    }

    /// Writes L2, then L1.
    pub async fn put(&self, key: &Key, stored: Stored) -> Result<(), LookupError> {
        if !self.may_cache(key) {
            self.shared.put(key, &stored).await?;
            return Ok(());
        }
        self.engine.put(key, stored, self.clock.now()).await
    }

    /// The same of a value of a block (see [`Engine::put_in`]).
    pub async fn put_in(&self, block: u64, key: &Key, stored: Stored) -> Result<(), LookupError> {
        if !self.may_cache(key) {
            self.shared.put(key, &stored).await?;
            return Ok(());
        }
        let now = self.clock.now();
        self.engine.put_in(block, key, stored, now).await
    }

    /// The chain of that name; where keys have none in them, theirs.
    pub fn chain_named(&self, name: &str) -> ChainId {
        match self.codec.has_chain() {
            true => self.codec.chain_id(name),
            false => ChainId::DEFAULT,
        }
    }

    /// The chain was reorganised (see [`Engine::invalidate_from`]).
    pub fn invalidate_from(&self, chain: &str, block: u64) -> Reorg {
        let reorg = self.engine.invalidate_from(self.chain_named(chain), block);
        let (keys, whole_chain) = (reorg.keys, reorg.whole_chain);
        tracing::info!(chain, block, keys, whole_chain, "a chain was reorganised");
        reorg
    }

    /// Asks for a warm of what follows this key; whether it was queued.
    pub fn request_warm(&self, key: &Key) -> bool {
        self.engine.request_warm(key, self.clock.now())
    }

    /// Switches the rule of selection; parameters left out keep their configured values.
    pub fn switch_strategy(
        &self,
        name: &str,
        parameters: Map<String, Value>,
    ) -> Result<(), StrategyError> {
        let strategy = Strategy::from_name(name).ok_or_else(|| StrategyError::Unknown {
            name: name.to_owned(),
            expected: Strategy::NAMES.join(", "),
        })?;
        let mut warming = self.warming.lock();
        let changed = warming
            .with_strategy(strategy, parameters)
            .map_err(|error| StrategyError::Parameter(error.to_string()))?;
        let (setting, most) = changed.strategy_maximum();
        if most > changed.max_pairs_per_warm {
            return Err(StrategyError::Parameter(format!(
                "`warming.max_pairs_per_warm` = {} must be at least `{setting}` = {most}",
                changed.max_pairs_per_warm
            )));
        }
        let rule = changed
            .strategy()
            .map_err(|error| StrategyError::Parameter(error.to_string()))?;
        self.engine.set_strategy(rule);
        *warming = changed;
        Ok(())
    }

    /// Whether the configured prefixes let this key into L1.
    #[inline]
    pub(crate) fn may_cache(&self, key: &Key) -> bool {
        self.may_cache_bytes(key.bytes())
    }

    /// The same of a key's bytes.
    #[inline]
    pub(crate) fn may_cache_bytes(&self, key: &[u8]) -> bool {
        let prefixes = &self.config.keys.prefixes;
        let fits = |prefix: &String| key.starts_with(prefix.as_bytes());
        prefixes.is_empty() || prefixes.iter().any(fits)
    }

    pub(crate) async fn get_past_l1(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Option<Found>>, LookupError> {
        let stored = self.shared.get_many(keys).await?;
        let found = |stored: Stored| Found {
            value: stored.value,
            version: stored.version,
            age: None,
            ttl: stored.ttl,
            ending: match stored.ttl {
                Some(_) => Ending::Source,
                None => Ending::Default,
            },
            level: Level::L2,
        };
        Ok(stored.into_iter().map(|one| one.map(found)).collect())
    }
}

/// Hands a feed's events to the core.
#[derive(Debug)]
pub(crate) struct Sink(pub(crate) Arc<Core>);

impl EventSink for Sink {
    fn deliver(&self, batch: Vec<FeedEvent>) {
        for event in batch {
            if let Err(reason) = self.0.take(event) {
                tracing::debug!(%reason, "an event of a feed was refused");
            }
        }
    }

    fn gap(&self, _lost: Option<u64>) {
        self.0.feed_gap();
    }
}
