//! `docs/metrics.md`: the catalogue, the recordings, and what became of names that were asked for.

use forewarm_application::metrics::{
    CATALOGUE, LabelSpec, LabelValues, MetricSpec, STRATEGIES, Unit,
};

use super::{HEADER, head, row};
use crate::monitoring::recording::RECORDINGS;

const INTRODUCTION: &str = "\
# Metrics

Everything that `/metrics` says, from the catalogue in `crates/application/src/metrics/catalogue.rs`. Prometheus adds
`job` and `instance`; the rules and dashboards expect `job=\"forewarm\"`. `chain` has at most 64 values; what comes
later counts as `other`. Keys are never labels. A chain's series appear, all with their zeros, with the first thing
that is counted of it; a gauge appears once it is known.

`telemetry.prefix` changes the first part of the names; dashboards and rules know the default.

";

const REPLACED: &str = "
## Names that were asked for, and what serves them

| asked for | here | why |
|---|---|---|
| `node_memory_MemTotal_bytes` | `arbitrage_process_memory_limit_bytes` | It is another exporter's, with another `instance`, so that a division by it matches nothing; and in a container the machine's memory is not what the process may use. Ours is the control group's limit or the machine's memory, whichever is less. |
| `…_tracking_duration_us_count` as throughput | `arbitrage_correlation_updates_tracked_total` | One update in 64 is timed, which makes timing cost next to nothing; the count of the histogram is a sixty-fourth. |
| discovery latency | `arbitrage_lookup_duration_us` | A demand look-up as its caller sees it. |
| `cache_level=\"l1\"` | `cache_level=\"L1\"` | One spelling, that of the dashboard's legends. `cargo xtask check` finds the other. |
| errors divided by operations | attempts as the divisor | An operation that is `skipped` attempted nothing. On a warm cache, or in shadow, nearly all are: with them in the divisor, a chain whose every attempt fails looks healthy. |

## Series without `chain`

| series | why |
|---|---|
| `arbitrage_correlation_model_age_seconds`, `arbitrage_correlation_memory_bytes` | there is one model for all chains |
| `arbitrage_warming_queue_depth`, `arbitrage_warming_budget_used_ratio` | one queue and one budget, so that a busy chain can use what a quiet one leaves |
| `arbitrage_cache_size_bytes`, `…_capacity_bytes`, `…_entries`, `…_evictions_total` | one L1 for all chains; what is evicted is chosen among all |
| `arbitrage_cache_errors_total`, `arbitrage_cache_latency_ms` | one call carries keys of several chains |
| `arbitrage_l2_up`, `arbitrage_l2_breaker_state`, `arbitrage_invalidation_link_up`, `arbitrage_invalidation_mode`, `arbitrage_invalidations_total`, `arbitrage_feed_lag_seconds` | one connection each, whatever chains it carries |
| `arbitrage_build_info`, `arbitrage_process_memory_limit_bytes`, `process_*` | of the process |
";

pub(crate) fn page() -> String {
    let mut text = HEADER.to_owned() + INTRODUCTION;
    text += &head(&["metric", "kind", "unit", "labels", "says"]);
    for spec in CATALOGUE {
        let labels: Vec<_> = spec.labels.iter().map(label).collect();
        text += &row([
            format!("`{}`", spec.name),
            spec.kind.name().to_owned(),
            unit(spec.unit).to_owned(),
            labels.join(", "),
            spec.help.to_owned(),
        ]);
    }
    text += "\n## Buckets\n\n";
    text += &head(&["histogram", "upper bounds"]);
    for spec in CATALOGUE.iter().filter(|spec| !spec.buckets.is_empty()) {
        text += &row([format!("`{}`", spec.name), buckets(spec)]);
    }
    text += "\n## Recorded by Prometheus\n\n`deploy/prometheus/rules.yml` computes these; alerts and dashboards read them.\n\n";
    text += &head(&["series", "is"]);
    for recording in RECORDINGS {
        text += &row([format!("`{}`", recording.record), recording.what.to_owned()]);
    }
    text + REPLACED
}

fn label(label: &LabelSpec) -> String {
    let named = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("`{}`: {}", label.name, values.join(" "))
    };
    match label.values {
        LabelValues::Fixed(values) => named(values),
        LabelValues::Strategy => named(&STRATEGIES),
        LabelValues::Chain | LabelValues::Free => format!("`{}`", label.name),
    }
}

fn buckets(spec: &MetricSpec) -> String {
    let bounds: Vec<_> = spec.buckets.iter().map(f64::to_string).collect();
    format!("{} {}", bounds.join(", "), unit(spec.unit))
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds => "µs",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Bytes => "bytes",
        Unit::Ratio => "share",
        Unit::Count => "",
    }
}
