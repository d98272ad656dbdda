//! What every run promises, on generated recordings.

use forewarm_domain::Key;
use forewarm_strategies::{StrategyKind, build_default};
use proptest::prelude::*;

use super::*;
use crate::generate::{GenerateConfig, Generator, Profile};
use crate::ledger::Outcomes;

pub(super) fn recording(profile: Profile, seed: u64, events: u64, pairs: u32) -> Vec<TraceEvent> {
    let config = GenerateConfig {
        events,
        pairs,
        seed,
        chains: vec!["polygon".to_owned()],
        ..GenerateConfig::default()
    };
    let generated = Generator::new(profile, config);
    generated
        .map(|event| TraceEvent {
            key: Key::new(
                event.pair.to_be_bytes().to_vec(),
                0,
                forewarm_domain::ChainId(2),
            ),
            op: event.op,
            at: event.at,
            version: event.version,
            value: None,
            size: None,
        })
        .collect()
}

fn everybody() -> Vec<Contender> {
    let strategies = StrategyKind::ALL.map(|kind| Contender::Strategy(build_default(kind)));
    Contender::baselines()
        .into_iter()
        .chain(strategies)
        .collect()
}

/// Contenders that the budget binds.
fn budgeted() -> Vec<Contender> {
    let free = |contender: &Contender| {
        matches!(
            contender,
            Contender::Off | Contender::Lru | Contender::Refresh | Contender::OracleUnlimited
        )
    };
    everybody().into_iter().filter(|c| !free(c)).collect()
}

#[test]
fn the_same_input_gives_the_same_figures() {
    for profile in [Profile::Market, Profile::Bursts] {
        let events = recording(profile, 7, 6_000, 120);
        let config = config(12, 2);
        let (first, second) = (
            play(&events, everybody(), &config),
            play(&events, everybody(), &config),
        );
        assert_eq!(first, second);
        assert_eq!(run(&first, "off"), &first.runs[0]);
        assert_eq!(first.runs.len(), 13, "`off` plays once");
    }
}

#[test]
fn warms_end_once_and_off_warms_nothing() {
    let events = recording(Profile::Market, 3, 6_000, 120);
    let report = play(&events, everybody(), &config(12, 1));
    for run in &report.runs {
        let Outcomes { warmed, .. } = run.outcomes;
        assert!(run.outcomes.ended() <= warmed, "{}", run.strategy);
        assert!(
            warmed - run.outcomes.ended() <= 32,
            "{}: live past their share",
            run.strategy
        );
        assert_eq!(run.reads, report.runs[0].reads);
        if ["off", "lru"].contains(&run.strategy) {
            assert_eq!(warmed, 0);
            assert_eq!(run.extra_l2_reads_ratio, 0.0);
        }
    }
    assert!(
        run(&report, "topn").outcomes.warmed > 100,
        "somebody did warm"
    );
}

/// Plays line by line and checks the budget after each.
fn check_budget(events: &[TraceEvent], contender: Contender, config: &ReplayConfig) {
    let timeline = Timeline::new(events);
    let entries = config.l1.entries(timeline.keys.len());
    let cache = || MemoryCache::boxed(entries);
    let scene = |at: usize| Scene {
        keys: &timeline.keys,
        at,
        key: timeline.lines[at].key,
        now: timeline.lines[at].now,
        off: OffLine::default(),
    };
    let mut off_run = Run::new(&timeline, Contender::Off, config, cache(), entries);
    let mut off_reads = Vec::with_capacity(events.len());
    let mut off = OffSeries::default();
    for (at, event) in events.iter().enumerate() {
        off_run.play(scene(at), event);
        off.push(off_run.line());
        off_reads.push(off_run.l2_reads());
    }
    let name = contender.name();
    let mut run = Run::new(&timeline, contender, config, cache(), entries);
    let extra = config.extra_l2_reads.expect("a budget");
    for (at, event) in events.iter().enumerate() {
        let off = off.line(at);
        run.play(Scene { off, ..scene(at) }, event);
        let off = off_reads[at] as f64;
        let limit = off + (extra * off).max(64.0);
        let reads = run.l2_reads() as f64;
        assert!(
            reads <= limit,
            "{name}, line {at}: {reads} L2 reads, {off} without, limit {limit}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// At any time, whatever the profile, the size of L1, the latency and the budget.
    #[test]
    fn the_budget_holds_on_every_line(
        seed in 0_u64..1_000,
        profile in prop::sample::select(Profile::ALL.to_vec()),
        entries in 1_usize..40,
        latency_ms in prop::sample::select(vec![0_u64, 1, 20, 500]),
        extra in prop::sample::select(vec![0.0, 0.05, 0.25]),
    ) {
        let events = recording(profile, seed, 3_000, 80);
        let mut config = config(entries, latency_ms);
        config.extra_l2_reads = Some(extra);
        for contender in budgeted() {
            check_budget(&events, contender, &config);
        }
    }
}

#[test]
fn where_nothing_can_be_learned_nobody_is_worse_than_off() {
    for seed in 0..4 {
        for percent in [5.0, 20.0, 50.0] {
            let events = recording(Profile::Null, seed, 12_000, 200);
            let mut config = config(1, 0);
            config.l1 = L1Size::Percent(percent);
            let report = play(&events, budgeted(), &config);
            let off = run(&report, "off").l1_hit_ratio;
            for run in &report.runs {
                let lost = off - run.l1_hit_ratio;
                assert!(
                    lost <= 0.005,
                    "{} at {percent} %, seed {seed}: {lost:.4} below {off:.4}",
                    run.strategy
                );
            }
        }
    }
}

/// Half-way every association changes at once. What was learned before must not stand in the way:
/// the stream is learned again as fast as it was at first.
#[test]
fn after_a_flip_adaptive_learns_as_fast_as_from_the_start() {
    let seconds = |n| Duration::from_secs(n);
    for seed in [1, 2, 3] {
        let events = recording(Profile::Flip, seed, 20_000, 120);
        let flip = events[events.len() / 2].at;
        let until = |end: Timestamp| {
            let played = events.iter().take_while(|event| event.at < end).count();
            let adaptive = Contender::Strategy(build_default(StrategyKind::Adaptive));
            let report = play(&events[..played], vec![adaptive], &config(24, 0));
            ["off", "adaptive"].map(|name| {
                let run = run(&report, name);
                (run.reads - run.l1_hits) as f64
            })
        };
        // Misses removed between two moments.
        let removed = |from, to| {
            let (before, after) = (until(from), until(to));
            let [off, adaptive] = [0, 1].map(|who| after[who] - before[who]);
            1.0 - adaptive / off
        };
        let start = events[0].at;
        let at_first = removed(start + seconds(30), start + seconds(90));
        let before = removed(flip - seconds(60), flip);
        let at_once = removed(flip, flip + seconds(10));
        let again = removed(flip + seconds(30), flip + seconds(90));
        println!(
            "seed {seed}: {at_first:.3} half a minute after the start, {before:.3} before the \
             flip, {at_once:.3} after it, {again:.3} half a minute later"
        );
        assert!(before > 0.3, "seed {seed}: nothing to lose: {before:.3}");
        assert!(at_once < 0.5 * before, "seed {seed}: it is no flip");
        assert!(
            again > 0.8 * at_first,
            "seed {seed}: {again:.3} again, {at_first:.3} at first"
        );
    }
}
