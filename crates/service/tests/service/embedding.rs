//! The handle for programs that embed Forewarm, on a shared cache of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forewarm_application::engine::{Level, Observed, Update};
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::{ChainMode, Key, Mode, Timestamp};
use forewarm_infrastructure::testing::RedisServer;
use forewarm_service::{Forewarm, StartError};

/// A shared cache in a map.
#[derive(Default)]
struct Memory {
    values: Mutex<HashMap<Key, Stored>>,
    round_trips: AtomicU64,
}

#[async_trait]
impl SharedCache for Memory {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let values = self.values.lock().expect("nobody panics with it");
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let mut values = self.values.lock().expect("nobody panics with it");
        values.insert(key.clone(), stored.clone());
        Ok(Kept::This)
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        let mut values = self.values.lock().expect("nobody panics with it");
        Ok(values.remove(key).is_some())
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "memory"
    }
}

fn stored(value: &'static str) -> Stored {
    Stored {
        value: value.into(),
        version: None,
        ttl: None,
    }
}

#[tokio::test]
async fn an_engine_is_embedded_with_a_shared_cache_of_its_own() {
    let memory = Arc::new(Memory::default());
    let shared: Arc<dyn SharedCache> = memory.clone();
    let builder = Forewarm::builder()
        .preset("balanced")
        .set("tracking.max_pairs=100");
    let forewarm = builder
        .shared_cache(shared)
        .build()
        .await
        .expect("it starts");
    let key = forewarm.key("Ethereum", "WETH-USDC").expect("well-formed");
    let other = forewarm.key("ethereum", "none").expect("well-formed");
    forewarm.put(&key, stored("1")).await.expect("written");
    let found = forewarm.get(&key).await.expect("read").expect("there");
    assert_eq!((found.level, &*found.value), (Level::L1, &b"1"[..]));

    forewarm.invalidate(&key);
    let found = forewarm
        .get_many(&[other.clone(), key.clone(), other.clone()])
        .await
        .expect("read");
    assert!(found[0].is_none() && found[2].is_none());
    assert_eq!(found[1].as_ref().map(|found| found.level), Some(Level::L2));
    assert_eq!(
        memory.round_trips.load(Ordering::Relaxed),
        1,
        "one for all that is missing"
    );

    let at = forewarm.core().clock.now();
    let update = |at| Update {
        at,
        version: None,
        value: None,
        ttl: None,
    };
    assert_eq!(
        forewarm.observe_update(&key, update(at)),
        Ok(Observed::Queued)
    );
    assert_eq!(forewarm.observe_read(&key, at), Ok(Observed::Queued));
    let ahead = forewarm.observe_update(&key, update(at + Duration::from_secs(61)));
    assert!(ahead.is_err_and(|refused| refused.to_string().contains("future")));
    assert!(forewarm.observe_read(&key, Timestamp::ZERO).is_err());

    assert!(!forewarm.warm(&other), "nothing is known of it");
    forewarm.set_mode(Some("ethereum"), ChainMode::everywhere(Mode::Off));
    let stats = forewarm.stats();
    assert_eq!(stats.strategy, "adaptive");
    assert_eq!(stats.demand, (1, 3));
    forewarm.shutdown().await;
    assert!(
        !std::path::Path::new("forewarm-data").exists(),
        "nothing is written beside it"
    );
}

#[tokio::test]
async fn who_cannot_wait_is_answered_from_l1_or_told_nothing() {
    let memory = Arc::new(Memory::default());
    let shared: Arc<dyn SharedCache> = memory.clone();
    let builder = Forewarm::builder().set("keys.prefixes=[\"price:\"]");
    let forewarm = builder.shared_cache(shared);
    let forewarm = forewarm.build().await.expect("it starts");
    let key = forewarm.key("eth", "a").expect("well-formed");
    assert_eq!(forewarm.get_if_cached(&key), None);
    assert_eq!(
        forewarm.stats().demand,
        (0, 0),
        "no answer counts as nothing"
    );
    forewarm.put(&key, stored("1")).await.expect("written");
    assert_eq!(forewarm.get_if_cached(&key).as_deref(), Some(&b"1"[..]));
    assert_eq!(
        forewarm.stats().demand,
        (1, 0),
        "an answer is a demand read"
    );
    forewarm.invalidate(&key);
    assert_eq!(forewarm.get_if_cached(&key), None, "it may be stale");
    assert_eq!(memory.round_trips.load(Ordering::Relaxed), 0);
    let found = forewarm.get(&key).await.expect("read").expect("there");
    assert_eq!(found.level, Level::L2);
    assert_eq!(forewarm.stats().demand, (1, 1));
    let outside = Key::new("other", 0, forewarm_domain::ChainId::DEFAULT);
    forewarm.put(&outside, stored("2")).await.expect("written");
    assert_eq!(forewarm.get_if_cached(&outside), None, "not to be cached");
    forewarm.shutdown().await;
}

#[tokio::test]
async fn an_impossible_configuration_is_refused_by_the_builder() {
    let refused = Forewarm::builder().set("l1.capacity_bytes=1").build().await;
    assert!(matches!(refused, Err(StartError::Config(_))));
    let mut config = forewarm_service::config::Config::default();
    config.tracking.max_partners = 2;
    let refused = Forewarm::builder().config(config).build().await;
    let message = refused.expect_err("refused").to_string();
    assert!(message.contains("tracking.max_partners"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_and_a_gap_are_told_by_the_name_of_the_chain() {
    let memory = Arc::new(Memory::default());
    let shared: Arc<dyn SharedCache> = memory.clone();
    let builder = Forewarm::builder().shared_cache(shared);
    let forewarm = builder.build().await.expect("it starts");
    let key = |chain| forewarm.key(chain, "pool").expect("well-formed");
    for (chain, block) in [("ethereum", 10), ("bsc", 10)] {
        let key = key(chain);
        let put = forewarm.put_in(block, &key, stored("1"));
        put.await.expect("written");
    }
    let level = async |chain| {
        let found = forewarm.get(&key(chain)).await.expect("read");
        found.expect("there").level
    };
    let reorg = forewarm.invalidate_from("Ethereum", 10);
    assert_eq!((reorg.keys, reorg.whole_chain), (1, false));
    assert_eq!(level("ethereum").await, Level::L2);
    assert_eq!(level("bsc").await, Level::L1);
    assert_eq!(forewarm.invalidate_from("ethereum", 10).keys, 0);
    assert_eq!(forewarm.on_gap(Some("bsc")), 1);
    assert_eq!(level("bsc").await, Level::L2);
    assert_eq!(level("ethereum").await, Level::L1);
    assert_eq!(forewarm.on_gap(None), 2);
    assert_eq!(level("ethereum").await, Level::L2);
    forewarm.shutdown().await;
}

/// Choosing is computing, and on a busy stream there is no end of it: the threads that carry answers are not
/// used for it. The one there is here is kept busy by others.
#[tokio::test]
async fn what_to_warm_is_chosen_without_a_turn_of_the_runtime() {
    const PAIRS: usize = 2_000;
    let shared: Arc<dyn SharedCache> = Arc::new(Memory::default());
    let builder = Forewarm::builder().preset("balanced").shared_cache(shared);
    let forewarm = builder.build().await.expect("it starts");
    let engine = &forewarm.core().engine;
    let keys: Vec<Key> = (0..PAIRS)
        .map(|n| {
            forewarm
                .key("ethereum", &format!("pair-{n}"))
                .expect("well-formed")
        })
        .collect();
    let update = |key: &Key| {
        let update = Update {
            at: forewarm.now(),
            version: None,
            value: Some("v".into()),
            ttl: None,
        };
        forewarm.observe_update(key, update).expect("of now");
    };
    keys.iter().for_each(update);
    for _ in 0..3 {
        for key in &keys {
            assert!(forewarm.get(key).await.expect("read").is_some());
        }
    }
    until(
        || engine.is_idle(),
        || tokio::time::sleep(Duration::from_millis(1)),
    )
    .await;

    let served = || engine.status(forewarm.now()).operations.total();
    let before = served();
    keys.iter().for_each(update);
    for _ in 0..60_000 {
        if !engine.has_work() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // L1 has all of it, so that nothing is left for those who fetch.
    let chosen = served() - before;
    assert!(chosen > PAIRS as u64 / 2, "{chosen} choices");
    assert!(engine.is_idle());
    forewarm.shutdown().await;
}

/// Waits step by step until something holds.
async fn until<F: Future<Output = ()>>(holds: impl Fn() -> bool, step: impl Fn() -> F) {
    for _ in 0..1_000_000 {
        if holds() {
            return;
        }
        step().await;
    }
    panic!("it never does");
}

/// In front of a Redis warms have a thread of their own: an application that holds up its runtime holds up
/// neither them nor, by them, the reads that others wait for.
#[tokio::test]
async fn warms_arrive_while_the_applications_runtime_is_held_up() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let builder = Forewarm::builder()
        .set("l2.backend=redis")
        .set(format!("l2.redis.url={}", redis.url()))
        .set("warming.strategy=topn")
        .set("warming.budget.extra_l2_reads=unlimited");
    let forewarm = builder.build().await.expect("it starts");
    let core = forewarm.core();
    let key = |name: &str, group: usize| {
        let name = format!("{name}-{group}");
        forewarm.key("ethereum", &name).expect("well-formed")
    };
    let groups: Vec<(Key, Key)> = (0..50)
        .map(|group| (key("first", group), key("partner", group)))
        .collect();
    for round in 0..15 {
        for group in 0..groups.len() {
            let (first, partner) = &groups[(group * (2 * round + 3)) % groups.len()];
            let update = Update {
                at: forewarm.now(),
                version: None,
                value: None,
                ttl: None,
            };
            forewarm.observe_update(first, update).expect("of now");
            forewarm
                .observe_read(partner, forewarm.now())
                .expect("of now");
        }
        let nap = || tokio::time::sleep(Duration::from_millis(1));
        until(|| core.engine.is_idle(), nap).await;
    }
    let (first, partner) = &groups[1];
    let mut written = false;
    for _ in 0..1_000 {
        written = forewarm.put(partner, stored("1")).await.is_ok();
        if written {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(written, "redis is not reached");
    forewarm.invalidate(partner);
    // This runtime has one thread, and from here on it does nothing else.
    let came = (0..500).any(|_| {
        forewarm.warm(first);
        std::thread::sleep(Duration::from_millis(10));
        core.engine.holds(partner, forewarm.now())
    });
    assert!(came, "nothing was fetched: {:?}", forewarm.stats());
    forewarm.shutdown().await;
}
