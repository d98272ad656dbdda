//! An engine with its ports, and the moves that the tests make.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::{
    Candidate, ChainId, Key, Reason, SelectionContext, SelectionStrategy, Timestamp, Version,
    selection::rank,
};

use super::super::*;
use crate::metrics::{Metric, SampleValue};
use crate::testing::{MemoryCache, Shelf, at, stored};

/// Takes every partner.
#[derive(Debug, Clone)]
pub(super) struct Everything;

impl SelectionStrategy for Everything {
    fn name(&self) -> &'static str {
        "topn"
    }
    fn max_pairs(&self) -> usize {
        usize::MAX
    }
    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        chosen.extend(context.partners.iter().map(|partner| Candidate {
            pair: partner.pair,
            score: partner.score,
            reason: Reason::Partner,
        }));
        rank(chosen, context.cap);
    }
    fn parameters(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    fn boxed_clone(&self) -> Box<dyn SelectionStrategy> {
        Box::new(self.clone())
    }
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) l2: Arc<Shelf>,
    /// In milliseconds.
    pub(super) now: u64,
}

/// An engine over `entries` entries, with an exact ghost.
pub(super) fn world(entries: usize, adapt: impl FnOnce(&mut EngineConfig)) -> World {
    let l2 = Arc::new(Shelf::default());
    World {
        engine: engine_over(Arc::clone(&l2) as _, entries, adapt),
        l2,
        now: 1_000_000_000,
    }
}

pub(super) fn engine_over(
    l2: Arc<dyn SharedCache>,
    entries: usize,
    adapt: impl FnOnce(&mut EngineConfig),
) -> Engine {
    engine_between(MemoryCache::boxed(entries), l2, entries, adapt)
}

/// An engine over this L1, which holds so many entries.
pub(super) fn engine_between(
    l1: Box<dyn LocalCache>,
    l2: Arc<dyn SharedCache>,
    entries: usize,
    adapt: impl FnOnce(&mut EngineConfig),
) -> Engine {
    let mut config = EngineConfig {
        event_queue_size: 4_096,
        ..EngineConfig::default()
    };
    adapt(&mut config);
    let parts = Parts {
        l1,
        l2,
        ghost: Ghost::new(MemoryCache::boxed(entries), 1),
        strategy: Box::new(Everything),
        metrics: Arc::default(),
        key_of: Box::new(|bytes, database| Key::new(bytes, database, ChainId::DEFAULT)),
        wake_learner: Box::new(|| {}),
        wake_warmer: Box::new(|| {}),
    };
    Engine::new(config, parts)
}

/// An update without value or version.
pub(super) fn update(at: Timestamp) -> Update {
    Update {
        at,
        version: None,
        value: None,
        ttl: None,
    }
}

/// An update with both.
pub(super) fn valued(at: Timestamp, text: &str, version: Option<u64>) -> Update {
    Update {
        version: version.map(Version),
        value: Some(Bytes::copy_from_slice(text.as_bytes())),
        ..update(at)
    }
}

pub(super) fn text(found: Option<Found>) -> Option<String> {
    found.map(|found| String::from_utf8_lossy(&found.value).into_owned())
}

impl World {
    pub(super) fn now(&self) -> Timestamp {
        at(self.now)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time.as_millis() as u64;
    }

    pub(super) fn learn_all(&self) {
        while self.engine.learn(self.now()) > 0 {}
    }

    /// Teaches that `targets` are read right after each update of `source`. Needs no L1 and no L2.
    pub(super) fn teach(&mut self, source: &Key, targets: &[Key]) {
        for _ in 0..20 {
            self.engine
                .observe_update(source, update(self.now()), self.now())
                .expect("it is timely");
            for target in targets {
                self.now += 2;
                self.engine
                    .observe_read(target, self.now(), self.now())
                    .expect("it is timely");
            }
            self.now += 5_000;
            self.learn_all();
            self.engine.tick(self.now());
        }
        while self.engine.learner.lock().next_request().is_some() {}
    }

    /// `source` is updated, so that a warm of what follows it is asked for.
    pub(super) fn trigger(&self, source: &Key) {
        self.engine
            .observe_update(source, update(self.now()), self.now())
            .expect("it is timely");
        self.learn_all();
    }

    pub(super) async fn warm(&self) -> WarmReport {
        self.engine.warm(self.now()).await
    }

    pub(super) async fn get(&self, key: &Key) -> Option<String> {
        text(self.engine.get(key, self.now()).await.expect("L2 answers"))
    }

    pub(super) async fn put(&self, key: &Key, value: &str) -> Result<(), LookupError> {
        let stored = stored(value, None);
        self.engine.put(key, stored, self.now()).await
    }

    /// What L1 would answer.
    pub(super) fn held(&self, key: &Key) -> Option<String> {
        let cached = self.engine.l1.peek(key, self.now())?;
        Some(String::from_utf8_lossy(&cached.value).into_owned())
    }

    /// The total of a counter's series with this label value.
    pub(super) fn counted(&self, metric: Metric, label: &str) -> u64 {
        let mut total = 0;
        let names = |_: ChainId| "chain".to_owned();
        self.engine
            .metrics()
            .visit_one(metric, &names, &mut |sample| {
                let fits = sample.labels.iter().any(|(_, value)| *value == label);
                if let SampleValue::Counter(count) = sample.value
                    && fits
                {
                    total += count;
                }
            });
        total
    }

    pub(super) fn outcomes(&self) -> crate::ledger::Outcomes {
        self.engine.status(self.now()).outcomes
    }
}
