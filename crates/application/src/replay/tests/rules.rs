//! interfaces, "Replay semantics", line by line.

use forewarm_strategies::{StrategyKind, build_default};

use super::*;

/// Hits and L2 reads of the run without warming.
fn check_off(events: &[TraceEvent], latency_ms: u64, hits: u64, l2_reads: u64, why: &str) {
    let report = play(events, Vec::new(), &config(10, latency_ms));
    let off = run(&report, "off");
    assert_eq!((off.l1_hits, off.l2_reads), (hits, l2_reads), "{why}");
}

#[test]
fn an_update_makes_the_copy_stale_unless_it_brings_the_value() {
    let first = read(0, 1);
    check_off(&[first.clone(), read(1, 1)], 0, 1, 1, "a miss fills L1");
    let stale = [first.clone(), update(1, 1), read(2, 1), read(3, 1)];
    check_off(&stale, 0, 1, 2, "the next read misses and fills again");
    let fresh = [first.clone(), valued(1, 1, 1), read(2, 1)];
    check_off(&fresh, 0, 1, 1, "the value is refreshed in place");
    let both = [first, update(1, 1), valued(2, 1, 1), read(3, 1)];
    check_off(&both, 0, 1, 1, "a stale copy is refreshed, too");
    let absent = [valued(0, 1, 1), read(1, 1)];
    check_off(&absent, 0, 0, 1, "what L1 does not hold is not taken in");
}

#[test]
fn a_line_without_an_op_is_a_read() {
    let lines = [line(0, 1, Op::Access), line(1, 1, Op::Access)];
    let report = play(&lines, Vec::new(), &config(10, 0));
    let summary = report.trace;
    assert_eq!((summary.reads, summary.updates), (2, 0));
    assert_eq!(
        (summary.events, summary.distinct_keys, summary.span_ms),
        (2, 1, 1)
    );
    assert_eq!(run(&report, "off").l1_hits, 1, "and makes nothing stale");
}

#[test]
fn a_landing_comes_before_the_line_of_its_time() {
    check_off(&[read(0, 1), read(10, 1)], 10, 1, 1, "it has landed");
    check_off(&[read(0, 1), read(9, 1)], 10, 0, 1, "it is on its way");
    let update_first = [read(0, 1), update(10, 1), read(11, 1)];
    check_off(&update_first, 10, 0, 2, "it has landed and is made stale");
}

#[test]
fn a_read_that_joins_a_flight_is_a_miss_without_a_read_of_its_own() {
    let lines = [read(0, 1), read(1, 1), read(2, 1), read(10, 1)];
    check_off(&lines, 10, 1, 1, "three misses, one L2 read");
}

#[test]
fn an_update_discards_the_flight_of_its_key() {
    let lines = [read(0, 1), update(5, 1), read(10, 1), read(20, 1)];
    check_off(&lines, 10, 1, 2, "the outdated answer is not placed");
    let others = [read(0, 1), update(5, 2), read(10, 1)];
    check_off(&others, 10, 1, 1, "others fly on");
}

#[test]
fn lines_out_of_time_order_are_played_in_the_order_of_the_file() {
    let lines = [read(100, 1), read(90, 2), read(110, 1), read(111, 2)];
    check_off(&lines, 10, 2, 2, "time does not go back");
}

#[test]
fn entries_expire_only_if_told_to() {
    let lines = [read(0, 1), read(100_000_000, 1)];
    check_off(&lines, 0, 1, 1, "they do not");
    let mut config = config(10, 0);
    config.default_ttl = Some(Duration::from_secs(300));
    let lines = [read(0, 1), read(299_999, 1), read(300_000, 1)];
    let report = play(&lines, Vec::new(), &config);
    assert_eq!(run(&report, "off").l1_hits, 1);
}

#[test]
fn a_percentage_of_the_keys_is_rounded_down_to_at_least_one() {
    for (percent, keys, entries) in [(10.0, 99, 9), (10.0, 5, 1), (10.0, 0, 1), (100.0, 7, 7)] {
        assert_eq!(L1Size::Percent(percent).entries(keys), entries);
    }
    let lines: Vec<_> = (0..25).map(|n| read(u64::from(n), n)).collect();
    let mut config = config(1, 0);
    config.l1 = L1Size::Percent(10.0);
    assert_eq!(play(&lines, Vec::new(), &config).l1_entries, 2);
}

#[test]
fn nothing_over_nothing_is_nothing() {
    for lines in [vec![], vec![update(0, 1), update(1, 2)]] {
        let report = play(&lines, Contender::baselines(), &config(10, 0));
        for run in &report.runs {
            let ratios = [
                run.l1_hit_ratio,
                run.misses_removed_ratio,
                run.extra_l2_reads_ratio,
                run.outcomes.precision(),
            ];
            assert_eq!(ratios, [0.0; 4], "{}", run.strategy);
        }
        assert_eq!(report.recommended, "off");
    }
}

/// Key 1 is updated every `every_ms`, and key 2 read `after_ms` later; so many times.
fn pattern(times: u64, every_ms: u64, after_ms: u64) -> Vec<TraceEvent> {
    (0..times)
        .flat_map(|n| {
            let now = n * every_ms;
            [
                update(now, 1),
                update(now + 1, 2),
                read(now + 1 + after_ms, 2),
                // Somebody else moves time on.
                read(now + every_ms / 2, 3),
            ]
        })
        .collect()
}

#[test]
fn a_learned_partner_is_there_before_it_is_read() {
    let rule = build_default(StrategyKind::TopN);
    let lines = pattern(60, 5_000, 20);
    let report = play(&lines, vec![Contender::Strategy(rule)], &config(10, 0));
    let (off, top) = (run(&report, "off"), run(&report, "topn"));
    assert_eq!((off.reads, off.l1_hits), (120, 59), "key 2 is always stale");
    assert!(top.l1_hits > 100, "{} hits", top.l1_hits);
    assert!(top.misses_removed_ratio > 0.6);
    assert!(top.outcomes.useful >= 41 && top.outcomes.precision() > 0.9);
    assert_eq!(report.recommended, "topn");
}

#[test]
fn a_warm_that_a_read_already_waits_for_is_late_and_fetches_for_it() {
    let rule = build_default(StrategyKind::TopN);
    let lines = pattern(60, 5_000, 20);
    let report = play(&lines, vec![Contender::Strategy(rule)], &config(10, 100));
    let (off, top) = (run(&report, "off"), run(&report, "topn"));
    assert!(top.outcomes.late > 40, "{:?}", top.outcomes);
    assert_eq!(top.outcomes.useful, 0);
    assert_eq!(top.l1_hits, off.l1_hits, "a joined flight is a miss");
    assert_eq!(top.l2_reads, off.l2_reads, "but costs no second read");
}

#[test]
fn what_is_still_live_at_the_end_counts_as_warmed_alone() {
    let mut lines = pattern(60, 5_000, 20);
    // The last read of key 2 never comes.
    lines.truncate(lines.len() - 2);
    let rule = build_default(StrategyKind::TopN);
    let report = play(&lines, vec![Contender::Strategy(rule)], &config(10, 0));
    let outcomes = run(&report, "topn").outcomes;
    assert_eq!(outcomes.warmed, outcomes.ended() + 1, "{outcomes:?}");
    let precision = outcomes.useful as f64 / outcomes.ended() as f64;
    assert_eq!(outcomes.precision(), precision);
}

#[test]
fn refresh_fetches_again_what_l1_holds_and_nothing_else() {
    let lines = [
        read(0, 1),
        update(1, 1),
        read(2, 1),
        update(3, 2),
        valued(4, 1, 9),
        read(5, 1),
    ];
    let report = play(&lines, vec![Contender::Refresh], &config(10, 0));
    let refresh = run(&report, "refresh");
    assert_eq!((refresh.l1_hits, refresh.l2_reads), (2, 2));
    let off = run(&report, "off");
    assert_eq!((off.l1_hits, off.l2_reads), (1, 2));
}

#[test]
fn refresh_keeps_all_that_l1_held() {
    // 100 keys fit; all are updated before they are read again.
    let lines: Vec<_> = (0..100)
        .map(|n| read(u64::from(n), n))
        .chain((0..100).map(|n| update(1_000 + u64::from(n), n)))
        .chain((0..100).map(|n| read(2_000 + u64::from(n), n)))
        .collect();
    let report = play(&lines, vec![Contender::Refresh], &config(100, 0));
    assert_eq!(
        run(&report, "refresh").l1_hits,
        100,
        "none is pushed out for being unread"
    );
}

/// Sixteen keys change, then one more whose update is followed by a read of all of them 3 ms later, at
/// one moment: what the update did not send for comes too late. One operation is ten pairs.
#[test]
fn a_set_wider_than_one_operation_is_fetched_whole() {
    let set = || 1..=16_u32;
    let round = |n: u32| {
        let at = u64::from(n) * 5_000;
        let changes = set().map(move |key| update(at, key));
        let reads = set().map(move |key| read(at + 2_003, key));
        changes.chain([update(at + 2_000, 0)]).chain(reads)
    };
    let lines: Vec<_> = (0..200).flat_map(round).collect();
    let adaptive = Contender::Strategy(build_default(StrategyKind::Adaptive));
    let report = play(&lines, vec![adaptive], &config(40, 1));
    let hits = run(&report, "adaptive").l1_hits;
    assert!(hits > 200 * 12, "{hits} hits of {}", 200 * 16);
}

#[test]
fn an_oracle_without_limits_reads_ahead() {
    let lines: Vec<_> = (0..200).map(|n| read(u64::from(n) * 10, n)).collect();
    let mut config = config(50, 0);
    config.extra_l2_reads = Some(0.0);
    let report = play(&lines, vec![Contender::OracleUnlimited], &config);
    let oracle = run(&report, "oracle-unlimited");
    assert!(oracle.l1_hits >= 199, "{} hits", oracle.l1_hits);
    assert_eq!(oracle.l2_reads, 200, "each key once");
}
