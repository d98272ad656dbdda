//! An engine that nobody drives but the caller.

use std::sync::Arc;

use anyhow::{Context, Result};
use forewarm_application::engine::{Engine, EngineConfig, Ghost, Observed, Parts, Update};
use forewarm_application::ports::SharedCache;
use forewarm_domain::{ChainId, Key, Version};
use forewarm_infrastructure::l1::{Capacity, QuickCache};
use forewarm_service::clock::Clock;
use forewarm_service::config::{Strategy, Warming};

use crate::world::value;

/// Keys that follow one key, in what is taught here.
pub(crate) const PARTNERS: usize = 8;

/// An engine on `l2`, with an L1 of 256 MiB and no bound on what a warm may fetch.
pub(crate) fn engine(l2: Arc<dyn SharedCache>, config: EngineConfig) -> Result<Engine> {
    let l1 = |bytes| Box::new(QuickCache::new(Capacity::Bytes(bytes), 7));
    let mut warming = Warming {
        strategy: Strategy::TopN,
        ..Warming::default()
    };
    warming.topn.top_n = PARTNERS;
    let strategy = warming.strategy();
    let parts = Parts {
        l1: l1(256 << 20),
        l2,
        ghost: Ghost::new(l1(16 << 20), 16),
        strategy: strategy.context("the strategy's parameters are in range")?,
        metrics: Arc::default(),
        key_of: Box::new(|bytes, database| Key::new(bytes, database, ChainId::DEFAULT)),
        wake_learner: Box::new(|| {}),
        wake_warmer: Box::new(|| {}),
    };
    let config = EngineConfig {
        extra_l2_reads: None,
        ..config
    };
    Ok(Engine::new(config, parts))
}

/// `n` keys as the template makes them, their bytes shared.
pub(crate) fn keys(n: usize) -> Vec<Key> {
    let key = |n| {
        let key = Key::new(format!("price:ethereum:0x{n:040x}"), 0, ChainId::DEFAULT);
        drop(key.clone());
        key
    };
    (0..n).map(key).collect()
}

/// An update of now, with a value or without.
pub(crate) fn update(clock: &Clock, valued: Option<u64>) -> Update {
    Update {
        at: clock.now(),
        version: valued.map(Version),
        value: valued.map(|_| value()),
        ttl: None,
    }
}

/// The first key's updates are followed by reads of the others.
pub(crate) fn teach(engine: &Engine, keys: &[Key], clock: &Clock) {
    for _ in 0..200 {
        let now = clock.now();
        let observed = engine.observe_update(&keys[0], update(clock, None), now);
        debug_assert_eq!(observed, Ok(Observed::Queued));
        for key in &keys[1..] {
            let _ = engine.observe_read(key, now, now);
        }
        while engine.learn(clock.now()) > 0 {}
    }
}
