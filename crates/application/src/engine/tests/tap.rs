//! The tap hears what happens to L1, and a contest behind it plays what a replay would.

use std::sync::Arc;
use std::time::Duration;

use forewarm_domain::{Mode, Op, Rollout, Timestamp, Trigger};
use forewarm_strategies::{StrategyKind, build_default};

use super::world::{World, engine_over, update, valued, world};
use crate::engine::{Tap, TapCounts};
use crate::metrics::{Metric, SampleValue, StrategyLabel};
use crate::replay::{Contest, L1Size, ReplayConfig};
use crate::testing::{MemoryCache, Shelf, key};
use crate::trace::TraceEvent;

/// In shadow, heard by `tap`.
fn tapped(tap: &Arc<Tap>, entries: usize) -> World {
    let l2 = Arc::new(Shelf::default());
    let engine = engine_over(Arc::clone(&l2) as _, entries, |config| {
        config.rollout = Rollout::everywhere(Mode::Shadow);
    });
    World {
        engine: engine.with_tap(Arc::clone(tap)),
        l2,
        now: 1_000_000_000,
    }
}

fn contest() -> Contest {
    let config = ReplayConfig {
        model: forewarm_domain::ModelConfig::default(),
        l1: L1Size::Entries(8),
        max_pairs_per_warm: 16,
        extra_l2_reads: Some(0.25),
        l1_share: 0.2,
        default_ttl: None,
        l2_latency: Duration::ZERO,
    };
    let strategies = StrategyKind::ALL.map(build_default).into();
    Contest::new(strategies, &config, 1_000, &|_, entries| {
        MemoryCache::boxed(entries)
    })
}

fn drain(tap: &Tap, contest: &mut Contest, latest: Timestamp) -> usize {
    let still = || Duration::ZERO;
    std::iter::from_fn(|| tap.pop())
        .map(|heard| heard.tell(contest, latest, &still))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_contest_behind_the_tap_has_the_figures_of_one_that_is_told_the_events() {
    let tap = Arc::new(Tap::new(1 << 16, StrategyLabel::ALL.to_vec()));
    tap.open();
    let mut world = tapped(&tap, 8);
    let mut told = contest();
    for n in 0..3_000_u32 {
        world.pass(Duration::from_millis(if n % 5 == 0 { 2_000 } else { 3 }));
        // Every fifth event updates a key, the others read what goes with it.
        let (k, op) = match n % 5 {
            0 => (key(n / 5 % 30), Op::Update),
            step => (key(100 + n / 5 % 30 * 2 + step % 2), Op::Read),
        };
        let is_valued = n % 10 == 0;
        match op {
            Op::Update if is_valued => {
                let seen = valued(world.now(), "v", None);
                world.engine.observe_update(&k, seen, world.now()).unwrap();
            }
            Op::Update => {
                let seen = update(world.now());
                world.engine.observe_update(&k, seen, world.now()).unwrap();
            }
            // Demand or told by a feed: a read is a read.
            _ if n % 2 == 0 => drop(world.engine.get_local(&k, world.now())),
            _ => drop(world.engine.observe_read(&k, world.now(), world.now())),
        }
        world.learn_all();
        let event = TraceEvent {
            key: k,
            op,
            at: world.now(),
            version: None,
            value: (op == Op::Update && is_valued).then(bytes::Bytes::new),
            size: None,
        };
        told.play(&event, &|| Duration::ZERO);
    }
    let mut heard = contest();
    assert_eq!(drain(&tap, &mut heard, world.now()), 3_000);
    let report = heard.report();
    assert_eq!(report, told.report());
    assert!(report.runs.iter().any(|run| run.outcomes.useful > 100));
}

#[tokio::test(start_paused = true)]
async fn changes_writes_and_a_flush_reach_the_contest_too() {
    let tap = Arc::new(Tap::new(64, Vec::new()));
    tap.open();
    let world = tapped(&tap, 8);
    let (k, now) = (key(1), world.now());
    let hits = |contest: &mut Contest| {
        drain(&tap, contest, now);
        contest.report().runs[0].l1_hits
    };
    let mut contest = contest();
    world.engine.get_local(&k, now);
    world.engine.get_local(&k, now);
    assert_eq!(hits(&mut contest), 1);
    world.engine.invalidate(&k);
    world.engine.get_local(&k, now);
    assert_eq!(hits(&mut contest), 1, "it was invalidated");
    world.engine.flush();
    world.engine.get_local(&k, now);
    assert_eq!(hits(&mut contest), 1, "L1 was emptied");
    world.put(&key(2), "v").await.unwrap();
    world.engine.get_local(&key(2), now);
    assert_eq!(hits(&mut contest), 2, "it was written");
    let ahead = now + Duration::from_secs(30);
    world.engine.observe_read(&k, ahead, now).unwrap();
    drain(&tap, &mut contest, now);
    assert_eq!(contest.now(), now, "nobody's clock is pulled forward");
}

#[test]
fn a_closed_tap_hears_nothing_a_full_one_counts_and_a_sample_leaves_out() {
    let tap = Arc::new(Tap::new(16, Vec::new()));
    let world = tapped(&tap, 8);
    let read = |n: u32| drop(world.engine.get_local(&key(n), world.now()));
    (0..100).for_each(read);
    assert_eq!(tap.counts(), TapCounts::default());
    assert!(tap.pop().is_none());
    tap.open();
    (0..100).for_each(read);
    let counts = tap.counts();
    assert_eq!((counts.seen, counts.dropped), (100, 84));
    while tap.pop().is_some() {}
    tap.sample(8);
    (0..400).for_each(read);
    let left_out = tap.counts().left_out;
    assert!((300..=390).contains(&left_out), "{left_out} of 400");
    tap.close();
    read(1);
    assert_eq!(tap.counts().seen, 500);
}

/// Would-be hits of `topn`, which is in force, counted by the engine itself.
async fn shadow_hits(covered: Vec<StrategyLabel>) -> u64 {
    let tap = Arc::new(Tap::new(1 << 16, covered));
    tap.open();
    let mut world = tapped(&tap, 8);
    let partners = [key(2), key(3)];
    world.teach(&key(1), &partners);
    world.trigger(&key(1));
    world.warm().await;
    for partner in &partners {
        world.engine.get_local(partner, world.now());
    }
    world.counted(Metric::ShadowHits, "topn")
}

#[tokio::test(start_paused = true)]
async fn the_engine_leaves_would_be_hits_to_the_contest_where_that_counts_the_strategy() {
    assert_eq!(shadow_hits(vec![StrategyLabel::Adaptive]).await, 2);
    assert_eq!(shadow_hits(vec![StrategyLabel::TopN]).await, 0);
}

#[test]
fn the_gauge_of_the_turn_down_follows_the_governor() {
    let world = world(8, |_| {});
    let shown = || {
        let mut shown = None;
        let names = |_| String::new();
        let metrics = world.engine.metrics();
        metrics.visit_one(Metric::TurnedDown, &names, &mut |sample| {
            shown = Some(sample.value);
        });
        shown
    };
    world.engine.tick(world.now());
    assert_eq!(shown(), Some(SampleValue::Gauge(0.0)));
    for _ in 0..600 {
        let mut governor = world.engine.governor.lock();
        governor.judge(Trigger::Miss, true, 1.0);
    }
    world.engine.tick(world.now());
    assert_eq!(shown(), Some(SampleValue::Gauge(1.0)));
    let reason = world.engine.status(world.now()).turned_down;
    let reason = reason.expect("it is turned down").to_string();
    assert!(reason.contains("with warming"), "{reason}");
}

#[test]
fn an_event_that_was_dropped_and_is_brought_again_is_heard_once() {
    let tap = Arc::new(Tap::new(1 << 16, Vec::new()));
    tap.open();
    let world = tapped(&tap, 8);
    let read = || {
        let now = world.now();
        world.engine.observe_read(&key(1), now, now).unwrap()
    };
    while read() == super::super::Observed::Queued {}
    let heard = tap.counts().seen;
    assert_eq!(heard, 4_096, "the learner's queue");
    read();
    assert_eq!(tap.counts().seen, heard);
    world.learn_all();
    read();
    assert_eq!(tap.counts().seen, heard + 1);
}
