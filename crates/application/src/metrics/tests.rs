use std::collections::{BTreeMap, BTreeSet};

use super::*;

const ETHEREUM: ChainId = ChainId(2);

fn samples(metrics: &Metrics) -> BTreeMap<String, SampleValue> {
    let name = |id: ChainId| format!("c{}", id.0);
    let mut samples = BTreeMap::new();
    metrics.visit(&name, &mut |sample| {
        let labels: Vec<String> = sample
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let series = format!("{}{{{}}}", sample.spec.name, labels.join(","));
        assert!(
            samples.insert(series, sample.value).is_none(),
            "a series twice"
        );
    });
    samples
}

fn counter(metrics: &Metrics, series: &str) -> u64 {
    match samples(metrics).get(series) {
        Some(SampleValue::Counter(n)) => *n,
        other => panic!("{series}: {other:?}"),
    }
}

#[test]
fn the_catalogue_is_in_the_order_of_its_enum_with_sound_names_and_buckets() {
    let mut names = BTreeSet::new();
    for (index, spec) in CATALOGUE.iter().enumerate() {
        assert_eq!(spec.metric as usize, index);
        assert_eq!(spec.metric.spec(), spec);
        assert!(names.insert(spec.name), "{} twice", spec.name);
        assert!(spec.name.starts_with(PREFIX) || spec.name.starts_with("process_"));
        assert_eq!(
            spec.name.ends_with("_total"),
            spec.kind == MetricKind::Counter,
            "{}",
            spec.name
        );
        assert_eq!(spec.buckets.is_empty(), spec.kind != MetricKind::Histogram);
        assert!(spec.buckets.is_sorted_by(|a, b| a < b), "{}", spec.name);
        assert!(spec.help.ends_with('.') && spec.labels.len() <= 2);
    }
    assert_eq!(names.len(), 41);
}

#[test]
fn the_buckets_hold_the_thresholds_of_the_alerts() {
    let tracking = Metric::TrackingDuration.spec().buckets;
    assert_eq!((tracking[0], tracking[15]), (0.1, 5_000.0));
    assert!(
        [50.0, 75.0, 100.0]
            .iter()
            .all(|bound| tracking.contains(bound))
    );
    let warming = Metric::WarmingDuration.spec().buckets;
    assert!(
        [0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 50.0]
            .iter()
            .all(|bound| warming.contains(bound))
    );
}

#[test]
fn label_values_are_the_users() {
    let values = |metric: Metric, label: &str| {
        let spec = metric
            .spec()
            .labels
            .iter()
            .find(|spec| spec.name == label)
            .unwrap();
        match spec.values {
            LabelValues::Fixed(values) => values.to_vec(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        values(Metric::WarmingOperations, "status"),
        ["success", "error", "timeout", "skipped"]
    );
    assert_eq!(
        values(Metric::WarmingOutcomes, "outcome"),
        ["useful", "late", "wasted", "harmful"]
    );
    assert_eq!(
        values(Metric::WarmingDropped, "reason"),
        ["queue_full", "over_budget", "stale", "deadline"]
    );
    assert_eq!(values(Metric::CacheHits, "cache_level"), ["L1", "L2"]);
    assert_eq!(
        values(Metric::CacheEvictions, "reason"),
        ["size", "ttl", "invalidation"]
    );
    assert_eq!(
        values(Metric::CacheLatency, "operation"),
        ["get", "get_many", "set"]
    );
    assert_eq!(
        STRATEGIES,
        [
            "topn",
            "threshold",
            "aggressive",
            "conservative",
            "adaptive",
            "timebased"
        ]
    );
    for strategy in StrategyLabel::ALL {
        assert_eq!(StrategyLabel::of(strategy.name()), Some(strategy));
    }
    assert_eq!(StrategyLabel::of("markov"), None);
}

#[test]
fn every_strategy_has_a_label() {
    for kind in forewarm_strategies::StrategyKind::ALL {
        let strategy = forewarm_strategies::build_default(kind);
        assert!(
            StrategyLabel::of(strategy.name()).is_some(),
            "{}",
            strategy.name()
        );
    }
}

#[test]
fn a_chain_appears_with_all_its_zeros_once_anything_of_it_is_counted() {
    let metrics = Metrics::new();
    assert!(
        !samples(&metrics)
            .keys()
            .any(|series| series.contains("chain="))
    );
    metrics.operation(ETHEREUM, Operation::Success);
    let all = samples(&metrics);
    for series in [
        "arbitrage_warming_operations_total{chain=c2,status=error}",
        "arbitrage_warming_dropped_total{chain=c2,reason=deadline}",
        "arbitrage_cache_misses_total{chain=c2,cache_level=L2}",
        "arbitrage_warming_pairs_selected_total{chain=c2,strategy=timebased}",
    ] {
        assert_eq!(all.get(series), Some(&SampleValue::Counter(0)), "{series}");
    }
    assert!(all.contains_key("arbitrage_lookup_duration_us{chain=c2,cache_level=L1}"));
    assert!(
        !all.keys().any(|series| series.contains("chain=c0")),
        "no other chain"
    );
    assert!(
        !all.contains_key("arbitrage_warming_mode{chain=c2}"),
        "a gauge that nobody set"
    );
}

#[test]
fn each_method_counts_its_own_series_and_no_other() {
    let m = Metrics::new();
    m.update_received(ETHEREUM);
    m.updates_tracked(ETHEREUM, 2);
    m.warm_requested(ETHEREUM);
    m.pairs_warmed(ETHEREUM, 3);
    m.pairs_selected(ETHEREUM, StrategyLabel::Adaptive, 4);
    m.operation(ETHEREUM, Operation::Timeout);
    m.outcome(ETHEREUM, Outcome::Harmful);
    m.dropped(ETHEREUM, DropReason::Stale);
    m.shadow_hit(ETHEREUM, StrategyLabel::TopN);
    m.cache_hit(ETHEREUM, Level::L1);
    m.cache_miss(ETHEREUM, Level::L2);
    m.evictions(Level::L1, EvictionReason::Ttl, 5);
    m.cache_error(CacheOp::GetMany, Level::L2);
    let expected = [
        // The update, and the read that L1 answered.
        ("arbitrage_correlation_updates_received_total{chain=c2}", 2),
        ("arbitrage_correlation_updates_tracked_total{chain=c2}", 2),
        ("arbitrage_warming_requests_total{chain=c2}", 1),
        ("arbitrage_warming_pairs_warmed_total{chain=c2}", 3),
        (
            "arbitrage_warming_pairs_selected_total{chain=c2,strategy=adaptive}",
            4,
        ),
        (
            "arbitrage_warming_operations_total{chain=c2,status=timeout}",
            1,
        ),
        (
            "arbitrage_warming_outcomes_total{chain=c2,outcome=harmful}",
            1,
        ),
        ("arbitrage_warming_dropped_total{chain=c2,reason=stale}", 1),
        (
            "arbitrage_warming_shadow_hits_total{chain=c2,strategy=topn}",
            1,
        ),
        ("arbitrage_cache_hits_total{chain=c2,cache_level=L1}", 1),
        ("arbitrage_cache_misses_total{chain=c2,cache_level=L2}", 1),
        (
            "arbitrage_cache_evictions_total{cache_level=L1,reason=ttl}",
            5,
        ),
        (
            "arbitrage_cache_errors_total{operation=get_many,cache_level=L2}",
            1,
        ),
    ];
    let counted: BTreeMap<String, u64> = samples(&m)
        .into_iter()
        .filter_map(|(series, value)| match value {
            SampleValue::Counter(n) if n > 0 => Some((series, n)),
            _ => None,
        })
        .collect();
    assert_eq!(
        counted,
        expected.map(|(series, n)| (series.to_owned(), n)).into()
    );
}

#[test]
fn a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
    let metrics = Metrics::new();
    for micros in [50, 51, 4_999, 6_000] {
        metrics.tracking_duration(ETHEREUM, Duration::from_micros(micros));
    }
    let all = samples(&metrics);
    let Some(SampleValue::Histogram {
        buckets,
        count,
        sum,
    }) = all.get("arbitrage_correlation_tracking_duration_us{chain=c2}")
    else {
        panic!("{all:?}");
    };
    let at = |bound: f64| {
        let bounds = Metric::TrackingDuration.spec().buckets;
        buckets[bounds.iter().position(|b| *b == bound).unwrap()]
    };
    assert_eq!((at(25.0), at(50.0), at(75.0), at(5_000.0)), (0, 1, 2, 3));
    assert_eq!((*count, *sum), (4, 11_100.0));
}

#[test]
fn the_mean_of_reads_leaves_writes_and_other_levels_out() {
    let metrics = Metrics::new();
    assert_eq!(metrics.mean_read_latency(Level::L2), None);
    let millis = Duration::from_millis;
    metrics.cache_latency(CacheOp::Get, Level::L2, millis(2));
    metrics.cache_latency(CacheOp::GetMany, Level::L2, millis(4));
    metrics.cache_latency(CacheOp::Set, Level::L2, millis(400));
    metrics.cache_latency(CacheOp::Get, Level::L1, millis(400));
    assert_eq!(metrics.mean_read_latency(Level::L2), Some(millis(3)));
}

#[test]
fn gauges_show_what_was_set_last() {
    let m = Metrics::new();
    m.set_mode(ETHEREUM, Mode::On);
    m.set_mode(ETHEREUM, Mode::Shadow);
    m.set_cache_size(Level::L1, 10, 2);
    m.set_breaker(BreakerState::Open);
    m.set_turned_down(true);
    m.set_drift(0.25);
    m.set_feed_lag(Duration::from_millis(1_500));
    let all = samples(&m);
    for (series, expected) in [
        ("arbitrage_warming_mode{chain=c2}", Some(1.0)),
        ("arbitrage_cache_size_bytes{cache_level=L1}", Some(10.0)),
        ("arbitrage_cache_entries{cache_level=L1}", Some(2.0)),
        ("arbitrage_cache_size_bytes{cache_level=L2}", None),
        ("arbitrage_l2_breaker_state{}", Some(2.0)),
        ("arbitrage_warming_turned_down{}", Some(1.0)),
        ("arbitrage_correlation_drift_ratio{}", Some(0.25)),
        ("arbitrage_feed_lag_seconds{}", Some(1.5)),
        ("arbitrage_l2_up{}", None),
    ] {
        assert_eq!(
            all.get(series),
            expected.map(SampleValue::Gauge).as_ref(),
            "{series}"
        );
    }
}

#[test]
fn an_unknown_chain_counts_as_other_and_totals_are_over_all_chains() {
    let metrics = Metrics::new();
    metrics.cache_hit(ChainId(9_999), Level::L1);
    metrics.cache_hit(ETHEREUM, Level::L1);
    metrics.cache_miss(ETHEREUM, Level::L1);
    metrics.cache_miss(ETHEREUM, Level::L2);
    assert_eq!(
        counter(
            &metrics,
            "arbitrage_cache_hits_total{chain=c1,cache_level=L1}"
        ),
        1
    );
    assert_eq!(metrics.demand_totals(), DemandTotals { hits: 2, misses: 1 });

    metrics.operation(ETHEREUM, Operation::Success);
    metrics.operation(ChainId::DEFAULT, Operation::Error);
    metrics.operation(ChainId::DEFAULT, Operation::Skipped);
    let operations = metrics.operation_totals();
    assert_eq!(
        (operations.total(), operations.success_rate()),
        (3, Some(0.5))
    );
    assert_eq!(OperationTotals::default().success_rate(), None);
    metrics.outcome(ETHEREUM, Outcome::Late);
    assert_eq!(
        (
            metrics.outcome_total(Outcome::Late),
            metrics.outcome_total(Outcome::Useful)
        ),
        (1, 0)
    );
}

#[test]
fn counts_from_many_threads_add_up_whether_they_have_a_place_of_their_own_or_share_one() {
    let metrics = Metrics::new();
    // More at once than there are places; then again, in the places that the first gave back.
    for round in 1..=2 {
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        metrics.cache_hit(ETHEREUM, Level::L1);
                        metrics.update_received(ETHEREUM);
                    }
                });
            }
        });
        assert_eq!(metrics.demand_totals().hits, round * 80_000);
        assert_eq!(metrics.update_totals().0, round * 160_000);
    }
}

#[test]
fn the_rows_of_all_chains_stay_small() {
    assert!(
        size_of::<ChainRow>() * Chains::LIMIT < 128 << 10,
        "{}",
        size_of::<ChainRow>()
    );
}

#[test]
fn another_prefix_replaces_ours_only() {
    assert_eq!(Metric::L2Up.spec().name_with_prefix("fw_"), "fw_l2_up");
    assert_eq!(
        Metric::CpuSeconds.spec().name_with_prefix("fw_"),
        "process_cpu_seconds_total"
    );
}
