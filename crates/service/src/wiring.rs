//! Puts the parts together: caches, engine, metrics, names.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use forewarm_application::engine::{Engine, EngineConfig, Ghost, Parts};
use forewarm_application::metrics::Metrics;
use forewarm_application::ports::{LocalCache, SharedCache};
use forewarm_domain::Rollout;
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::l1::{Capacity, QuickCache};
use forewarm_infrastructure::l2::{EmbeddedConfig, EmbeddedStore, RedisStore};
use forewarm_infrastructure::telemetry::{BuildInfo, Telemetry};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::core::{Core, Made};
use crate::invalidation::Link;
use crate::resp::Store;
use crate::service::StartError;
use crate::shadow::Shadow;
use crate::timed::Timed;

/// Keys of the ghost cache: one in so many stands for all, once L1 is large enough for that.
const GHOST_ONE_IN: u64 = 16;
/// An L1 smaller than this is followed exactly.
const EXACT_GHOST_BYTES: u64 = 8 << 20;
/// What Redis' own timeout is beyond the callers': they give up first and say so.
const BEYOND: Duration = Duration::from_millis(50);

/// What differs from the configuration.
#[derive(Default)]
pub(crate) struct Options {
    /// A shared cache from outside.
    pub(crate) shared: Option<Arc<dyn SharedCache>>,
    /// L1 holds so many entries, whatever their size.
    pub(crate) l1_entries: Option<usize>,
    /// A codec that knows chains already.
    pub(crate) codec: Option<KeyCodec>,
}

/// How the engine wakes the loops that serve it.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    pub(crate) learner: OnceLock<Thread>,
    /// The learner sleeps until somebody wakes it.
    learner_parked: AtomicBool,
    /// Something waits to be fetched.
    pub(crate) chosen: Notify,
}

impl Wakers {
    /// To be called after an event was queued. Costs a fence and a load while the learner is awake,
    /// and writes nothing that others write: two threads do not slow each other down here.
    pub(crate) fn wake_learner(&self) {
        // Between the event and the look: either this sees that the learner is parked, or the
        // learner, which says so before it looks for events once more, sees the event.
        fence(Ordering::SeqCst);
        if self.learner_parked.load(Ordering::Relaxed)
            && self.learner_parked.swap(false, Ordering::Relaxed)
            && let Some(thread) = self.learner.get()
        {
            thread.unpark();
        }
    }

    /// Parks this thread, the learner's, until it is woken or `most` has passed. `has_news` is asked
    /// once more before.
    pub(crate) fn park_learner(&self, most: Duration, has_news: impl FnOnce() -> bool) {
        self.learner_parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_news() {
            thread::park_timeout(most);
        }
        self.learner_parked.store(false, Ordering::Relaxed);
    }
}

/// Everything but the loops and the feeds. Redis being away is no error: it is reached when it
/// is there.
pub(crate) fn core(config: Config, options: Options) -> Result<Arc<Core>, StartError> {
    let database = database(&config, options.shared.is_some())?;
    let codec = match options.codec {
        Some(codec) => codec,
        None => KeyCodec::new(&config.keys.template)?.with_database(database),
    };
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::start();
    let (inner, store) = match options.shared {
        Some(shared) => (shared, None),
        None => {
            let (shared, store) = shared_cache(&config)?;
            (shared, Some(store))
        }
    };
    let shared: Arc<dyn SharedCache> = Arc::new(Timed::new(inner, Arc::clone(&metrics)));
    let wakers = Arc::new(Wakers::default());
    let (for_learner, for_warmer) = (Arc::clone(&wakers), Arc::clone(&wakers));
    let (l1, ghost) = caches(&config, options.l1_entries);
    let keys = codec.clone();
    let parts = Parts {
        l1,
        l2: Arc::clone(&shared),
        ghost,
        strategy: config.warming.strategy()?,
        metrics: Arc::clone(&metrics),
        key_of: Box::new(move |bytes, database| keys.key_from_bytes(bytes, database)),
        wake_learner: Box::new(move || for_learner.wake_learner()),
        wake_warmer: Box::new(move || for_warmer.chosen.notify_one()),
    };
    let shadow = Shadow::new(&config)?;
    let engine = Engine::new(engine_config(&config, config.rollout(&codec)), parts)
        .with_tap(Arc::clone(&shadow.tap));
    let names = codec.clone();
    let telemetry = Telemetry::new(
        Arc::clone(&metrics),
        Arc::new(move |chain| names.chain_name(chain)),
        BuildInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("FOREWARM_COMMIT")
                .unwrap_or("unknown")
                .to_owned(),
        },
        &config.telemetry.prefix,
    )?;
    // Whatever is not the Redis of the configuration is written through us alone, or not ours to know.
    let is_redis = matches!(store, Some(Store::Redis(_)));
    let invalidation = is_redis.then_some(config.invalidation.mode);
    let made = Made {
        link: Link::new(invalidation, &engine),
        shadow,
        engine: Arc::new(engine),
        shared,
        store,
        metrics,
        telemetry: Arc::new(telemetry),
        clock,
        wakers,
    };
    let core = Core::new(config, codec, made);
    // Before the first event, so that none is missed.
    core.shadow.check(&core);
    Ok(Arc::new(core))
}

/// An engine of the same size on the same L2 with metrics of its own, that nobody drives: for
/// comparison.
pub(crate) fn plain_engine(
    core: &Core,
    rollout: Rollout,
    l1_entries: usize,
) -> Result<Engine, StartError> {
    let (l1, ghost) = caches(&core.config, Some(l1_entries));
    let keys = core.codec.clone();
    let parts = Parts {
        l1,
        l2: Arc::clone(&core.shared),
        ghost,
        strategy: core.config.warming.strategy()?,
        metrics: Arc::new(Metrics::new()),
        key_of: Box::new(move |bytes, database| keys.key_from_bytes(bytes, database)),
        wake_learner: Box::new(|| {}),
        wake_warmer: Box::new(|| {}),
    };
    Ok(Engine::new(engine_config(&core.config, rollout), parts))
}

fn engine_config(config: &Config, rollout: Rollout) -> EngineConfig {
    EngineConfig {
        model: config.tracking.model(),
        rollout,
        event_queue_size: config.tracking.queue_size,
        queue_size: config.warming.queue_size,
        max_pairs_per_warm: config.warming.max_pairs_per_warm,
        warm_timeout: Duration::from_millis(config.warming.timeout_ms),
        demand_timeout: config.l2.demand_timeout.0,
        extra_l2_reads: config.warming.budget.extra_l2_reads.share(),
        l1_share: config.warming.budget.l1_share,
        default_ttl: config.default_ttl(),
        negative_ttl: config.negative_ttl(),
        ..EngineConfig::default()
    }
}

/// L1 and its ghost.
fn caches(config: &Config, entries: Option<usize>) -> (Box<dyn LocalCache>, Ghost) {
    // The demo's caches are compared with each other: one shard, the same hash.
    let make = |capacity| -> Box<dyn LocalCache> { Box::new(QuickCache::new(capacity, 0)) };
    if let Some(entries) = entries {
        let capacity = Capacity::Entries(entries as u64);
        return (make(capacity), Ghost::new(make(capacity), 1));
    }
    let bytes = config.l1.capacity_bytes.0;
    let one_in = if bytes < EXACT_GHOST_BYTES {
        1
    } else {
        GHOST_ONE_IN
    };
    let l1 = Box::new(QuickCache::new(Capacity::Bytes(bytes), random_seed()));
    let ghost = Box::new(QuickCache::new(
        Capacity::Bytes(bytes / one_in),
        random_seed(),
    ));
    (l1, Ghost::new(ghost, one_in))
}

/// From the standard library's own random hasher keys.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// The database that pairs live in: that of the Redis URL, where Redis is ours.
fn database(config: &Config, shared_from_outside: bool) -> Result<u16, StartError> {
    match config.l2.backend {
        Backend::Redis if !shared_from_outside => {
            Ok(config.l2.redis.connection(BEYOND)?.database()?)
        }
        _ => Ok(0),
    }
}

/// L2 as the engine sees it, and as itself.
fn shared_cache(config: &Config) -> Result<(Arc<dyn SharedCache>, Store), StartError> {
    match config.l2.backend {
        Backend::Embedded => {
            let folder = &config.l2.embedded.path;
            let store = EmbeddedStore::open(&EmbeddedConfig::new(folder)).map_err(|source| {
                let folder = folder.display().to_string();
                StartError::Store { folder, source }
            })?;
            let store = Arc::new(store);
            Ok((Arc::clone(&store) as _, Store::Embedded(store)))
        }
        Backend::Redis => {
            let timeout = config.l2.demand_timeout.0 + BEYOND;
            let store = Arc::new(RedisStore::connect(config.l2.redis.connection(timeout)?)?);
            Ok((Arc::clone(&store) as _, Store::Redis(store)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_queued_an_event_wakes_the_learner_however_the_two_meet() {
        let hour = Duration::from_secs(3_600);
        for _ in 0..2_000 {
            let wakers = Wakers::default();
            let event = AtomicBool::new(false);
            thread::scope(|scope| {
                let learner = scope.spawn(|| {
                    // Without a wake-up this test would take an hour.
                    while !event.load(Ordering::Relaxed) {
                        wakers.park_learner(hour, || event.load(Ordering::Relaxed));
                    }
                });
                let _ = wakers.learner.set(learner.thread().clone());
                event.store(true, Ordering::Relaxed);
                wakers.wake_learner();
            });
        }
    }
}
