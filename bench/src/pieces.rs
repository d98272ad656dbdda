//! Where each nanosecond goes, and how that grows: every piece alone, in processor time of one thread.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use forewarm_application::engine::{Engine, EngineConfig, Update};
use forewarm_application::metrics::{Level, Metrics};
use forewarm_application::ports::{Cached, Ending, LocalCache, Placement};
use forewarm_domain::{ChainId, Key, ModelConfig, Timestamp, Version};
use forewarm_infrastructure::l1::{Capacity, QuickCache};
use forewarm_service::clock::Clock;

use crate::bare::{PARTNERS, engine, keys, teach, update};
use crate::row::Row;
use crate::stopwatch::{median, per_call, shown};
use crate::world::{Draw, Memory, runtime, value};

const ROUNDS: usize = 7;

/// Nanoseconds a call: the median of some rounds.
fn cost<T>(calls: u64, mut call: impl FnMut() -> T) -> f64 {
    let mut call = || {
        black_box(call());
    };
    per_call(calls, &mut call);
    let rounds: Vec<f64> = (0..ROUNDS).map(|_| per_call(calls, &mut call)).collect();
    median(&rounds)
}

pub(crate) fn run(quick: bool) -> Result<()> {
    let calls = if quick { 20_000 } else { 200_000 };
    parts(calls);
    whole(calls)?;
    by_pairs(calls)?;
    by_window(calls)?;
    by_size(calls)?;
    warming(if quick { 200 } else { 2_000 })
}

fn show(what: impl Into<String>, nanos: f64) {
    Row::plain(what, shown(nanos));
}

/// What the calls are made of.
fn parts(calls: u64) {
    let (clock, metrics) = (Clock::start(), Metrics::new());
    let (key, value) = (&keys(1)[0], value());
    show("part: the exact time", cost(calls, || clock.now()));
    show("part: the rough time", cost(calls, || clock.roughly()));
    show(
        "part: one count",
        cost(calls, || metrics.cache_hit(ChainId::DEFAULT, Level::L1)),
    );
    show(
        "part: a key cloned and dropped",
        cost(calls, || key.clone()),
    );
    show(
        "part: a value cloned and dropped",
        cost(calls, || value.clone()),
    );
    let l1 = QuickCache::new(Capacity::Bytes(64 << 20), 7);
    let keys = keys(1_000);
    let (now, mut draw, mut version) = (clock.now(), Draw::new(1), 0);
    let mut place = || {
        version += 1;
        let cached = Cached {
            value: value.clone(),
            version: Some(Version(version)),
            loaded_at: now,
            expires_at: Timestamp::MAX,
            ending: Ending::Unknown,
        };
        let key = &keys[draw.below(keys.len())];
        l1.place(key, cached, Placement::Update)
    };
    show(
        "part: L1 replaces a value unless it is older",
        cost(calls, &mut place),
    );
    let mut draw = Draw::new(1);
    let mut get = || l1.get(&keys[draw.below(keys.len())], now);
    show("part: L1 answers", cost(calls, &mut get));
    let mut draw = Draw::new(1);
    let mut has = || l1.has(&keys[draw.below(keys.len())], now);
    show(
        "part: whether L1 has it (asked of each partner)",
        cost(calls, &mut has),
    );
}

/// The calls themselves. The queue to the learner is emptied between rounds, outside the time.
fn whole(calls: u64) -> Result<()> {
    let mut hot = Hot::new(1_000, 96, ModelConfig::default())?;
    show("`observe_update` with its value", hot.updates(calls, true));
    show("`observe_update` without", hot.updates(calls, false));
    hot.updates(calls, true);
    show("`observe_read`", hot.timed(calls, Hot::read));
    show("a hit that is learned from", hot.timed(calls, Hot::hit));
    show(
        "a hit past what the learner can hear",
        hot.timed(calls, Hot::plain),
    );
    show(
        "learning from one update (a sixth of the events are reads)",
        hot.learning(calls),
    );
    Ok(())
}

fn by_pairs(calls: u64) -> Result<()> {
    for pairs in [100, 1_000, 10_000, 100_000] {
        let model = ModelConfig {
            max_pairs: pairs,
            ..ModelConfig::default()
        };
        let mut hot = Hot::new(pairs, 96, model)?;
        let (update, hit) = (hot.updates(calls, true), hot.timed(calls, Hot::hit));
        let learned = hot.learning(calls);
        Row::plain(
            format!("{pairs} pairs"),
            format!(
                "`observe_update` {}, hit {}, learning {}",
                shown(update),
                shown(hit),
                shown(learned)
            ),
        );
    }
    Ok(())
}

fn by_window(calls: u64) -> Result<()> {
    for window_events in [5, 20, 80] {
        let mut model = ModelConfig::default();
        model.window.events = window_events;
        let mut hot = Hot::new(1_000, 96, model)?;
        Row::plain(
            format!("a window of {window_events} events"),
            format!("learning {}", shown(hot.learning(calls))),
        );
    }
    Ok(())
}

fn by_size(calls: u64) -> Result<()> {
    for size in [16, 256, 4_096, 65_536] {
        let mut hot = Hot::new(500, size, ModelConfig::default())?;
        let (update, hit) = (hot.updates(calls, true), hot.timed(calls, Hot::hit));
        Row::plain(
            format!("values of {size} B"),
            format!("`observe_update` {}, hit {}", shown(update), shown(hit)),
        );
    }
    Ok(())
}

/// A warm without the way to L2 and back.
fn warming(calls: u64) -> Result<()> {
    let (clock, keys) = (Clock::start(), keys(PARTNERS + 1));
    let engine = engine(Arc::new(Memory::full()), EngineConfig::default())?;
    teach(&engine, &keys, &clock);
    let runtime = runtime()?;
    let warm = |absent: bool| {
        if absent {
            keys[1..].iter().for_each(|key| engine.invalidate(key));
        }
        engine.request_warm(&keys[0], clock.now());
        let report = runtime.block_on(engine.warm(clock.now()));
        keys[1..].iter().for_each(|key| {
            drop(engine.get_local(key, clock.now()));
        });
        while engine.learn(clock.now()) > 0 {}
        report.warmed
    };
    let fetched = warm(true);
    let with = cost(calls, || warm(true));
    let without = cost(calls, || warm(false));
    Row::plain(
        format!("a warm of {fetched} keys but for L2, and the reads and learning after it"),
        format!("{}; with nothing to fetch {}", shown(with), shown(without)),
    );
    Ok(())
}

/// An engine whose L1 holds every key.
struct Hot {
    engine: Engine,
    clock: Clock,
    keys: Vec<Key>,
    value: Bytes,
    draw: Draw,
    version: u64,
}

/// Calls between two emptyings of the queue, which holds more.
const STRETCH: u64 = 10_000;

impl Hot {
    fn new(pairs: usize, size: usize, model: ModelConfig) -> Result<Self> {
        let config = EngineConfig {
            model,
            ..EngineConfig::default()
        };
        let value = Bytes::from(vec![7; size]);
        drop(value.clone());
        let mut hot = Self {
            engine: engine(Arc::new(Memory::full()), config)?,
            clock: Clock::start(),
            keys: keys(pairs),
            value,
            draw: Draw::new(5),
            version: 0,
        };
        for n in 0..pairs {
            hot.version += 1;
            let update = hot.next_update(true);
            let _ = hot
                .engine
                .observe_update(&hot.keys[n], update, hot.clock.now());
            if n % 1_000 == 0 {
                hot.learn();
            }
        }
        hot.learn();
        Ok(hot)
    }

    fn next_update(&self, valued: bool) -> Update {
        Update {
            value: valued.then(|| self.value.clone()),
            ..update(&self.clock, valued.then_some(self.version))
        }
    }

    fn learn(&self) {
        while self.engine.learn(self.clock.now()) > 0 {}
    }

    fn key(&mut self) -> usize {
        self.draw.below(self.keys.len())
    }

    fn update(&mut self, valued: bool) {
        self.version += 1;
        let (now, key) = (self.clock.now(), self.key());
        let update = Update {
            at: now,
            version: valued.then_some(Version(self.version)),
            value: valued.then(|| self.value.clone()),
            ttl: None,
        };
        let _ = black_box(self.engine.observe_update(&self.keys[key], update, now));
    }

    fn read(&mut self) {
        let (now, key) = (self.clock.now(), self.key());
        let _ = black_box(self.engine.observe_read(&self.keys[key], now, now));
    }

    fn hit(&mut self) {
        let (now, key) = (self.clock.now(), self.key());
        drop(black_box(self.engine.get_local(&self.keys[key], now)));
    }

    fn plain(&mut self) {
        let (now, key) = (self.clock.roughly(), self.key());
        let sure = now + Clock::ROUGHLY;
        drop(black_box(self.engine.get_plain(&self.keys[key], now, sure)));
    }

    fn updates(&mut self, calls: u64, valued: bool) -> f64 {
        self.timed(calls, |hot| hot.update(valued))
    }

    /// Nanoseconds a call, the queue emptied after every [`STRETCH`].
    fn timed(&mut self, calls: u64, call: impl Fn(&mut Self)) -> f64 {
        let mut rounds = Vec::new();
        for _ in 0..(calls / STRETCH).max(2) * ROUNDS as u64 {
            rounds.push(per_call(STRETCH, || call(self)));
            self.learn();
        }
        median(&rounds)
    }

    /// Nanoseconds an event that waits, of a stream of updates and some reads.
    fn learning(&mut self, calls: u64) -> f64 {
        let mut rounds = Vec::new();
        for _ in 0..(calls / STRETCH).max(2) * ROUNDS as u64 {
            for n in 0..STRETCH {
                if n % 6 == 0 {
                    self.read()
                } else {
                    self.update(true)
                }
            }
            rounds.push(per_call(1, || self.learn()) / STRETCH as f64);
        }
        median(&rounds)
    }
}
