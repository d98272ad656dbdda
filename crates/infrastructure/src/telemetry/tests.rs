use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forewarm_application::metrics::{
    BreakerState, CacheOp, DropReason, EvictionReason, Invalidation, LabelValues, Level, PREFIX,
    STRATEGIES, StrategyLabel,
};
use forewarm_domain::{Mode, Operation, Outcome};

use super::*;

const ETHEREUM: ChainId = ChainId(2);

fn exporter(metrics: &Arc<Metrics>, prefix: &str) -> Result<Telemetry, TelemetryError> {
    let names: ChainNames = Arc::new(|id| match id {
        ETHEREUM => "ethereum".to_owned(),
        _ => "other".to_owned(),
    });
    let build = BuildInfo {
        version: "1.2.3".into(),
        commit: "abc".into(),
    };
    Telemetry::new(Arc::clone(metrics), names, build, prefix)
}

/// Metrics in which everything was counted once.
fn touched() -> Arc<Metrics> {
    let m = Metrics::new();
    let took = Duration::from_micros(1_500);
    m.update_received(ETHEREUM);
    m.updates_tracked(ETHEREUM, 1);
    m.tracking_duration(ETHEREUM, took);
    m.warm_requested(ETHEREUM);
    m.pairs_warmed(ETHEREUM, 1);
    m.pairs_selected(ETHEREUM, StrategyLabel::TopN, 1);
    m.operation(ETHEREUM, Operation::Success);
    m.warming_duration(ETHEREUM, took);
    m.outcome(ETHEREUM, Outcome::Useful);
    m.dropped(ETHEREUM, DropReason::QueueFull);
    m.shadow_hit(ETHEREUM, StrategyLabel::TopN);
    m.set_pairs_tracked(ETHEREUM, 7);
    m.set_mode(ETHEREUM, Mode::On);
    for level in Level::ALL {
        m.cache_hit(ETHEREUM, level);
        m.cache_miss(ETHEREUM, level);
        m.lookup_duration(ETHEREUM, level, took);
        m.set_cache_size(level, 10, 1);
        m.set_cache_capacity(level, 20);
        m.eviction(level, EvictionReason::Size);
        m.cache_error(CacheOp::Get, level);
        m.cache_latency(CacheOp::Get, level, took);
    }
    m.set_model(took, 100);
    m.set_queue_depth(3);
    m.set_budget_used_ratio(0.5);
    m.set_turned_down(false);
    m.set_drift(0.1);
    m.set_l2_up(true);
    m.set_breaker(BreakerState::Closed);
    m.invalidated();
    m.set_invalidation_mode(Invalidation::Tracking);
    m.set_invalidation_link_up(true);
    m.set_feed_lag(took);
    Arc::new(m)
}

/// One family of the text: its type and help, and per series its labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    /// Name of the sample (with `_bucket` and so on), labels, value.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            current = name.to_owned();
            families.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current);
            families.entry(current.clone()).or_default().kind = kind.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(name.starts_with(&current), "{line}");
            let labels = labels.trim_end_matches('}');
            let labels = labels
                .split(',')
                .filter(|label| !label.is_empty())
                .map(|label| {
                    let (name, value) = label.split_once('=').unwrap();
                    (name.to_owned(), value.trim_matches('"').to_owned())
                });
            let family = families.get_mut(&current).unwrap();
            family
                .samples
                .push((name.to_owned(), labels.collect(), value.parse().unwrap()));
        }
    }
    families
}

#[test]
fn the_text_says_what_the_catalogue_says_and_nothing_else() {
    let text = exporter(&touched(), PREFIX).unwrap().render().unwrap();
    assert!(
        !text.contains("otel_scope") && !text.contains("target_info"),
        "{text}"
    );
    let families = families(&text);

    let catalogued: BTreeSet<&str> = CATALOGUE.iter().map(|spec| spec.name).collect();
    let exported: BTreeSet<&str> = families.keys().map(String::as_str).collect();
    assert_eq!(exported, catalogued);

    for spec in CATALOGUE {
        let family = &families[spec.name];
        assert_eq!(
            (family.kind.as_str(), family.help.as_str()),
            (spec.kind.name(), spec.help)
        );
        let names: BTreeSet<&str> = spec.labels.iter().map(|label| label.name).collect();
        for (sample, labels, _) in &family.samples {
            let mut found: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
            if spec.kind == MetricKind::Histogram {
                let suffix = &sample[spec.name.len()..];
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{sample}");
                assert_eq!(found.remove("le"), suffix == "_bucket");
            } else {
                assert_eq!(sample, spec.name);
            }
            assert_eq!(found, names, "{sample}");
        }
        for label in spec.labels {
            let seen: BTreeSet<&str> = family
                .samples
                .iter()
                .map(|(_, labels, _)| labels[label.name].as_str())
                .collect();
            let expected: BTreeSet<&str> = match label.values {
                LabelValues::Fixed(values) => values.iter().copied().collect(),
                LabelValues::Strategy => STRATEGIES.into(),
                LabelValues::Chain => ["ethereum"].into(),
                LabelValues::Free => [if label.name == "version" {
                    "1.2.3"
                } else {
                    "abc"
                }]
                .into(),
            };
            assert_eq!(seen, expected, "{} {}", spec.name, label.name);
        }
    }
}

#[test]
fn a_histogram_has_the_catalogued_buckets_and_cumulative_counts() {
    let metrics = touched();
    metrics.warming_duration(ETHEREUM, Duration::from_secs(3));
    let families = families(&exporter(&metrics, PREFIX).unwrap().render().unwrap());
    let samples = &families["arbitrage_warming_duration_ms"].samples;
    let buckets: Vec<(&str, f64)> = samples
        .iter()
        .filter(|(name, ..)| name.ends_with("_bucket"))
        .map(|(_, labels, count)| (labels["le"].as_str(), *count))
        .collect();
    let spec = Metric::WarmingDuration.spec();
    let mut expected: Vec<String> = spec.buckets.iter().map(f64::to_string).collect();
    expected.push("+Inf".into());
    assert_eq!(
        buckets.iter().map(|(le, _)| *le).collect::<Vec<_>>(),
        expected
    );
    let count = |le| buckets.iter().find(|(bound, _)| *bound == le).unwrap().1;
    assert_eq!(
        (count("1"), count("2.5"), count("1000"), count("+Inf")),
        (0.0, 1.0, 1.0, 2.0)
    );
    let of = |suffix: &str| {
        samples
            .iter()
            .find(|(name, ..)| name.ends_with(suffix))
            .unwrap()
            .2
    };
    assert_eq!((of("_sum"), of("_count")), (3_001.5, 2.0));
}

#[test]
fn a_scrape_shows_the_counts_of_its_moment() {
    let metrics = Arc::new(Metrics::new());
    let telemetry = exporter(&metrics, PREFIX).unwrap();
    let hits = || {
        let families = families(&telemetry.render().unwrap());
        let family = families.get("arbitrage_cache_hits_total")?;
        family
            .samples
            .iter()
            .find(|(_, labels, _)| labels["cache_level"] == "L1")
            .map(|s| s.2)
    };
    assert_eq!(hits(), None, "no chain yet");
    metrics.cache_miss(ETHEREUM, Level::L1);
    assert_eq!(hits(), Some(0.0));
    for expected in [1.0, 2.0, 3.0] {
        metrics.cache_hit(ETHEREUM, Level::L1);
        assert_eq!(hits(), Some(expected));
    }
}

#[test]
fn another_prefix_is_used_throughout_and_a_bad_one_refused() {
    let text = exporter(&touched(), "fw_").unwrap().render().unwrap();
    assert!(!text.contains(PREFIX), "{text}");
    assert!(families(&text).contains_key("fw_correlation_tracking_duration_us"));
    assert!(families(&text).contains_key("process_resident_memory_bytes"));
    assert!(exporter(&touched(), "").is_ok());
    for bad in ["1st_", "_x", "a-b", "ä_"] {
        assert!(matches!(exporter(&touched(), bad), Err(TelemetryError::Prefix(p)) if p == bad));
    }
}

#[test]
fn the_process_tells_plausible_figures() {
    let families = families(&exporter(&touched(), PREFIX).unwrap().render().unwrap());
    let value = |name: &str| families[name].samples[0].2;
    let (resident, limit) = (
        value("process_resident_memory_bytes"),
        value("arbitrage_process_memory_limit_bytes"),
    );
    assert!(resident > 1e6 && resident < limit, "{resident} of {limit}");
    assert!(
        value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds")
    );
    assert!(value("process_start_time_seconds") > 1.6e9);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert_eq!(value("arbitrage_build_info"), 1.0);
}
