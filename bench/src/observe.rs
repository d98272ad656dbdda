//! `observe_update` on the caller's thread: look-up, L1 insert-if-newer, hand-over, counting.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use forewarm_application::engine::{Observed, Update};
use forewarm_application::metrics::SAMPLED_ONE_IN;
use forewarm_domain::{Key, Version};
use forewarm_service::Forewarm;

use crate::row::Row;
use crate::stopwatch::{Times, empty_reading, median, per_call, rate, shown};
use crate::world::{Draw, Memory, keys, runtime, settle, value};

const PAIRS: usize = 1_000;
const PACE: u64 = 35_000;

pub(crate) fn run(quick: bool) -> Result<()> {
    let rounds = if quick { 5 } else { 15 };
    let runtime = runtime()?;
    runtime.block_on(async {
        let forewarm = Forewarm::builder()
            .shared_cache(Arc::new(Memory::full()))
            .build()
            .await?;
        let keys = keys(&forewarm, PAIRS)?;
        let mut load = Load::new(&forewarm, &keys);
        load.flat_out(200_000);
        settle(&forewarm).await;
        let bare = quick_cache::sync::Cache::<Key, Bytes>::new(2 * PAIRS);
        let mut bare_paced = (Vec::new(), Vec::new());
        let mut paced = (Vec::new(), Vec::new());
        let mut unpaced = (Vec::new(), Vec::new());
        let (mut rates, mut lost) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let mut times = load.timed(Some(PACE), 17_500);
            paced.0.push(times.quantile(0.5));
            paced.1.push(times.quantile(0.95));
            let mut times = paced_inserts(&bare, &keys);
            bare_paced.0.push(times.quantile(0.5));
            bare_paced.1.push(times.quantile(0.95));
            settle(&forewarm).await;
            let mut times = load.timed(None, 100_000);
            unpaced.0.push(times.quantile(0.5));
            unpaced.1.push(times.quantile(0.95));
            settle(&forewarm).await;
            let (each, dropped) = load.flat_out(500_000);
            rates.push(1e9 / each);
            lost.push(dropped);
            settle(&forewarm).await;
        }
        let empty = empty_reading();
        for (name, (p50, p95)) in [("35,000/s", &paced), ("as fast as it goes", &unpaced)] {
            let (p50, p95) = (median(p50), median(p95));
            Row::judged(
                format!("`observe_update`, {name}"),
                format!("p50 {}, p95 {}", shown(p50), shown(p95)),
                "p95 ≤ 250 ns",
                p95 <= 250.0,
            );
        }
        Row::plain(
            "a bare quick_cache `insert` of the same, 35,000/s",
            format!(
                "p50 {}, p95 {}",
                shown(median(&bare_paced.0)),
                shown(median(&bare_paced.1))
            ),
        );
        Row::plain(
            "of which reading the clock for the measurement",
            shown(empty),
        );
        let per_second = median(&rates);
        Row::judged(
            "`observe_update`, one core",
            format!(
                "{} ({:.0} % not learned)",
                rate(per_second),
                100.0 * median(&lost)
            ),
            "≥ 3 M/s",
            per_second >= 3e6,
        );
        counting(&forewarm, &keys[0], median(&rates));
        forewarm.shutdown().await;
        Ok(())
    })
}

/// Half a second of inserts at the pace, each timed alone: what a processor that has just waited
/// takes for the least that an update can do.
fn paced_inserts(cache: &quick_cache::sync::Cache<Key, Bytes>, keys: &[Key]) -> Times {
    let (mut times, mut draw) = (Times::with_capacity(17_500), Draw::new(9));
    let (gap, mut due) = (Duration::from_nanos(1_000_000_000 / PACE), Instant::now());
    let value = value();
    for _ in 0..17_500 {
        due += gap;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let key = &keys[draw.below(keys.len())];
        let started = Instant::now();
        cache.insert(key.clone(), value.clone());
        times.push(started.elapsed());
    }
    times
}

/// What of `observe_update` is counting and sampled timing: its calls of the metrics, alone.
fn counting(forewarm: &Forewarm, key: &Key, per_second: f64) {
    let core = forewarm.core();
    let (mut n, since) = (0_u32, core.clock.now());
    let around = per_call(2_000_000, || {
        n = n.wrapping_add(1);
        black_box(n.is_multiple_of(SAMPLED_ONE_IN));
    });
    let each = per_call(2_000_000, || {
        core.metrics.update_received(key.chain());
        n = n.wrapping_add(1);
        if n.is_multiple_of(SAMPLED_ONE_IN) {
            let took = core.clock.now().since(since);
            core.metrics.tracking_duration(key.chain(), took);
        }
    });
    let each = each - around;
    let share = each * per_second / 1e9;
    Row::judged(
        "metrics within `observe_update`: counts exact, one call in 64 timed",
        format!("{each:.1} ns, {:.1} %", 100.0 * share),
        "≤ 2 %",
        share <= 0.02,
    );
}

/// Updates of keys drawn at random, each with a newer version and its value.
pub(crate) struct Load<'a> {
    forewarm: &'a Forewarm,
    keys: &'a [Key],
    draw: Draw,
    version: u64,
    value: Bytes,
}

impl<'a> Load<'a> {
    pub(crate) fn new(forewarm: &'a Forewarm, keys: &'a [Key]) -> Self {
        Self {
            forewarm,
            keys,
            draw: Draw::new(42),
            version: 0,
            value: value(),
        }
    }

    fn next(&mut self, at: forewarm_domain::Timestamp) -> (&'a Key, Update) {
        self.version += 1;
        let key = &self.keys[self.draw.below(self.keys.len())];
        let update = Update {
            at,
            version: Some(Version(self.version)),
            value: Some(self.value.clone()),
            ttl: None,
        };
        (key, update)
    }

    /// Times each call alone; with `pace` so many a second, waiting on the processor.
    pub(crate) fn timed(&mut self, pace: Option<u64>, calls: usize) -> Times {
        let mut times = Times::with_capacity(calls);
        let gap = pace.map(|pace| Duration::from_nanos(1_000_000_000 / pace));
        let mut due = Instant::now();
        for _ in 0..calls {
            if let Some(gap) = gap {
                due += gap;
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
            }
            let (key, update) = self.next(self.forewarm.core().clock.now());
            let started = Instant::now();
            let observed = self.forewarm.observe_update(key, update);
            times.push(started.elapsed());
            black_box(&observed);
        }
        times
    }

    /// Nanoseconds a call, and the share that the learner did not hear of.
    pub(crate) fn flat_out(&mut self, calls: u64) -> (f64, f64) {
        let at = self.forewarm.core().clock.now();
        let mut dropped = 0_u64;
        let each = per_call(calls, || {
            let (key, update) = self.next(at);
            let observed = self.forewarm.observe_update(key, update);
            dropped += u64::from(observed == Ok(Observed::Dropped));
        });
        (each, dropped as f64 / calls as f64)
    }
}
