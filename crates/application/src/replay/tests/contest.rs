//! The contest on a stream against the replay of the same events, and its bounds.

use std::collections::BTreeMap;

use forewarm_strategies::{StrategyKind, build_default};
use proptest::prelude::*;

use super::promises::recording;
use super::*;
use crate::generate::Profile;

fn strategies() -> Vec<Box<dyn SelectionStrategy>> {
    StrategyKind::ALL.map(build_default).into()
}

fn contest(config: &ReplayConfig, max_keys: usize) -> Contest {
    let caches = |_: Policy, entries: usize| MemoryCache::boxed(entries);
    Contest::new(strategies(), config, max_keys, &caches)
}

fn tell(contest: &mut Contest, events: &[TraceEvent]) {
    for event in events {
        contest.play(event, &|| Duration::ZERO);
    }
}

fn replayed(events: &[TraceEvent], config: &ReplayConfig) -> Report {
    let contenders = strategies().into_iter().map(Contender::Strategy);
    play(events, contenders.collect(), config)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// To the last count, whatever the stream, L1's size, L2's latency and the time to live; with
    /// updates that carry their values and updates that do not.
    #[test]
    fn a_contest_on_a_stream_gives_the_figures_of_a_replay(
        seed in 0_u64..1_000,
        profile in prop::sample::select(Profile::ALL.to_vec()),
        entries in 1_usize..40,
        latency_ms in prop::sample::select(vec![0_u64, 1, 20, 500]),
        ttl_ms in prop::sample::select(vec![None, Some(50), Some(5_000)]),
        valued_one_in in prop::sample::select(vec![1_usize, 3, usize::MAX]),
    ) {
        let mut events = recording(profile, seed, 1_500, 80);
        for event in events.iter_mut().skip(1).step_by(valued_one_in.min(10_000)) {
            event.value = (event.op == Op::Update).then(|| Bytes::from_static(b"value"));
        }
        let mut config = config(entries, latency_ms);
        config.default_ttl = ttl_ms.map(Duration::from_millis);
        let mut live = contest(&config, 10_000);
        tell(&mut live, &events);
        prop_assert_eq!(live.report(), replayed(&events, &config));
        prop_assert_eq!(live.forgotten(), 0);
    }
}

#[test]
fn the_streams_of_that_property_make_every_strategy_warm() {
    let events = recording(Profile::Market, 3, 6_000, 120);
    let mut live = contest(&config(12, 1), 10_000);
    tell(&mut live, &events);
    let report = live.report();
    assert_eq!(report.runs.len(), 7);
    for run in &report.runs[1..] {
        assert!(run.outcomes.useful > 20, "{run:?}");
        assert!(run.outcomes.late > 0, "{run:?}");
    }
}

#[test]
fn what_is_gained_on_each_event_adds_up_to_hits_that_off_missed() {
    let events = recording(Profile::Market, 5, 4_000, 120);
    let mut live = contest(&config(12, 0), 10_000);
    let mut gained: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        tell(&mut live, std::slice::from_ref(event));
        for name in live.gained() {
            *gained.entry(name).or_default() += 1;
        }
    }
    let report = live.report();
    let off = run(&report, "off").l1_hits;
    for kind in StrategyKind::ALL {
        let name = kind.name();
        let net = run(&report, name).l1_hits as i64 - off as i64;
        // Some that `off` hits are missed for it, so what is gained is at least the difference.
        let gained = gained.get(name).copied().unwrap_or(0) as i64;
        assert!(
            gained >= net && net > 0,
            "{name}: {gained} gained, {net} net"
        );
    }
}

#[test]
fn more_keys_than_allowed_are_forgotten_and_the_books_still_balance() {
    let events = recording(Profile::Market, 9, 6_000, 200);
    let mut live = contest(&config(12, 2), 40);
    tell(&mut live, &events);
    assert_eq!(live.keys(), 40);
    assert!(live.forgotten() > 100, "{}", live.forgotten());
    let report = live.report();
    assert_eq!(
        report.trace.distinct_keys as u64,
        40 + live.forgotten(),
        "one that came back counts again"
    );
    for run in &report.runs {
        assert_eq!(run.reads, report.trace.reads as u64);
        let live = run.outcomes.warmed - run.outcomes.ended();
        assert!(live <= 32, "{}: {live} live past their share", run.strategy);
        assert!(run.l1_hits > 0, "{}", run.strategy);
    }
}

#[test]
fn a_forgotten_key_is_nobodys_any_more() {
    let mut live = contest(&config(8, 0), 2);
    tell(&mut live, &[read(0, 1), read(1, 2), read(2, 3), read(3, 1)]);
    assert_eq!(live.forgotten(), 2);
    for run in live.report().runs {
        assert_eq!(run.l1_hits, 0, "{}: L1 had room for all", run.strategy);
    }
    tell(&mut live, &[read(4, 1)]);
    assert_eq!(run(&live.report(), "off").l1_hits, 1);
}

#[test]
fn a_key_forgotten_while_it_is_on_its_way_does_not_land_in_anothers_name() {
    let mut live = contest(&config(8, 5), 1);
    // Key 1 is on its way until 5; key 2 takes its number.
    tell(&mut live, &[read(0, 1), read(1, 2), read(5, 2), read(6, 2)]);
    let report = live.report();
    assert_eq!(run(&report, "off").l1_hits, 1, "2 landed at 6");
    assert_eq!(run(&report, "off").l2_reads, 2);
}

#[test]
fn what_changed_elsewhere_misses_next_and_what_was_written_hits() {
    let mut live = contest(&config(8, 0), 100);
    tell(&mut live, &[read(0, 1), read(1, 2)]);
    live.changed(&key(1), None, at(1_000_002));
    live.changed(&key(77), None, at(1_000_002));
    assert_eq!(live.keys(), 2, "an unknown key's change is no news");
    tell(&mut live, &[read(3, 1), read(4, 2)]);
    assert_eq!(run(&live.report(), "off").l1_hits, 1);
    live.written(&key(3), None, at(1_000_005));
    tell(&mut live, &[read(6, 3)]);
    live.emptied();
    tell(&mut live, &[read(7, 3), read(8, 3)]);
    let report = live.report();
    for run in &report.runs {
        assert_eq!((run.l1_hits, run.l2_reads), (3, 4), "{}", run.strategy);
    }
    assert_eq!((report.trace.reads, report.trace.updates), (7, 0));
}

#[test]
fn a_flight_that_leaves_after_l2_became_faster_does_not_overtake() {
    let mut live = contest(&config(8, 20), 100);
    tell(&mut live, &[read(0, 1)]);
    live.set_latency(Duration::from_millis(1));
    tell(
        &mut live,
        &[read(1, 2), read(19, 2), read(20, 2), read(20, 1)],
    );
    assert_eq!(run(&live.report(), "off").l1_hits, 2);
}

#[test]
fn the_winner_has_the_most_hits_and_the_reason_is_given_in_words() {
    let events = recording(Profile::Market, 3, 6_000, 120);
    let mut live = contest(&config(12, 0), 10_000);
    let early = live.report();
    assert_eq!(early.recommended, "off");
    assert!(early.why().contains("no read"), "{}", early.why());
    tell(&mut live, &events);
    let report = live.report();
    let best = report.runs.iter().map(|run| run.l1_hits).max();
    let winner = run(&report, report.recommended);
    assert_eq!(Some(winner.l1_hits), best);
    let why = report.why();
    let ratios = [
        winner.misses_removed_ratio,
        winner.outcomes.precision(),
        winner.outcomes.timeliness(),
        winner.extra_l2_reads_ratio,
    ];
    assert!(why.starts_with(winner.strategy), "{why}");
    for ratio in ratios {
        let percent = format!("{:.1} %", ratio * 100.0);
        assert!(why.contains(&percent), "{percent} in {why}");
    }
    let mut silent = contest(&config(12, 0), 10_000);
    tell(&mut silent, &recording(Profile::Null, 2, 4_000, 200));
    let report = silent.report();
    assert_eq!(report.recommended, "off");
    assert!(report.why().contains("1 %"), "{}", report.why());
}
