//! The same figures as an OTLP document: what a collector takes at `/v1/metrics` as JSON.
//!
//! Made of what Prometheus would scrape, so that the two never differ. Numbers of 64 bits are texts, as
//! the protocol's mapping to JSON has them. Everything is cumulative since the start: a push that
//! fails loses nothing, the next one says it all.

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};
use serde_json::{Value, json};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

/// Who says it, since when, and when; moments in microseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) instance: &'a str,
    pub(super) version: &'a str,
    pub(super) since_us: u64,
    pub(super) now_us: u64,
}

/// One `ExportMetricsServiceRequest`.
pub(super) fn document(families: &[MetricFamily], said: Said<'_>) -> Value {
    let metrics: Vec<Value> = families
        .iter()
        .filter_map(|family| metric(family, said))
        .collect();
    let resource = [
        ("service.name", "forewarm"),
        ("service.version", said.version),
        ("service.instance.id", said.instance),
    ];
    let scope = json!({"name": "forewarm", "version": said.version});
    json!({"resourceMetrics": [{
        "resource": {"attributes": resource.map(|(name, value)| attribute(name, value))},
        "scopeMetrics": [{"scope": scope, "metrics": metrics}],
    }]})
}

fn metric(family: &MetricFamily, said: Said<'_>) -> Option<Value> {
    let points = |point: &dyn Fn(&Metric) -> Value| -> Vec<Value> {
        let stamped = |metric| {
            let mut point = point(metric);
            point["attributes"] = metric_attributes(metric);
            point["timeUnixNano"] = nanos(said.now_us);
            point
        };
        family.get_metric().iter().map(stamped).collect()
    };
    let since = nanos(said.since_us);
    let (kind, data) = match family.get_field_type() {
        MetricType::COUNTER => {
            let points = points(&|metric| {
                let value = number(metric.get_counter().get_value());
                json!({"startTimeUnixNano": since, "asDouble": value})
            });
            let sum = json!({
                "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points,
            });
            ("sum", sum)
        }
        MetricType::GAUGE => {
            let points =
                points(&|metric| json!({"asDouble": number(metric.get_gauge().get_value())}));
            ("gauge", json!({"dataPoints": points}))
        }
        MetricType::HISTOGRAM => {
            let points = points(&|metric| {
                let mut point = histogram(metric.get_histogram());
                point["startTimeUnixNano"] = since.clone();
                point
            });
            let data = json!({"aggregationTemporality": CUMULATIVE, "dataPoints": points});
            ("histogram", data)
        }
        // Nothing of the catalogue.
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(json!({"name": family.name(), "description": family.help(), kind: data}))
}

/// Prometheus' buckets count all that is no larger, OTLP's what is between two bounds; the last has none.
fn histogram(histogram: &Histogram) -> Value {
    let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
    for bucket in histogram.get_bucket() {
        let bound = bucket.upper_bound();
        if bound.is_finite() {
            bounds.push(bound);
            counts.push((bucket.cumulative_count() - below).to_string());
            below = bucket.cumulative_count();
        }
    }
    let count = histogram.get_sample_count();
    counts.push(count.saturating_sub(below).to_string());
    json!({
        "count": count.to_string(),
        "sum": number(histogram.get_sample_sum()),
        "explicitBounds": bounds,
        "bucketCounts": counts,
    })
}

fn metric_attributes(metric: &Metric) -> Value {
    let pair = |label: &LabelPair| attribute(label.name(), label.value());
    metric.get_label().iter().map(pair).collect()
}

fn attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

fn nanos(micros: u64) -> Value {
    Value::String((u128::from(micros) * 1_000).to_string())
}

/// JSON has no word for what is no number; the protocol's mapping has these.
fn number(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::proto::{Bucket, Counter, Gauge};

    use super::*;

    fn family(name: &str, kind: MetricType, metric: Metric) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help("what it is".to_owned());
        family.set_field_type(kind);
        family.set_metric(vec![metric]);
        family
    }

    fn one(family: MetricFamily) -> Value {
        let said = Said {
            instance: "host:9464",
            version: "1",
            since_us: 1_000_000,
            now_us: 3_000_000,
        };
        let document = document(&[family], said);
        document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0].clone()
    }

    #[test]
    fn a_counter_is_a_cumulative_sum_and_a_gauge_is_as_it_stands() {
        let mut label = LabelPair::default();
        label.set_name("chain".to_owned());
        label.set_value("eth".to_owned());
        let mut counted = Metric::from_label(vec![label]);
        let mut counter = Counter::default();
        counter.set_value(7.0);
        counted.set_counter(counter);
        let sum = one(family("hits_total", MetricType::COUNTER, counted));
        assert_eq!(sum["sum"]["isMonotonic"], true);
        assert_eq!(sum["sum"]["aggregationTemporality"], 2);
        let point = &sum["sum"]["dataPoints"][0];
        assert_eq!(point["asDouble"], 7.0);
        assert_eq!(point["startTimeUnixNano"], "1000000000");
        assert_eq!(point["timeUnixNano"], "3000000000");
        let attribute = json!({"key": "chain", "value": {"stringValue": "eth"}});
        assert_eq!(point["attributes"], json!([attribute]));

        let mut standing = Gauge::default();
        standing.set_value(f64::INFINITY);
        let gauge = one(family(
            "limit",
            MetricType::GAUGE,
            Metric::from_gauge(standing),
        ));
        let point = &gauge["gauge"]["dataPoints"][0];
        assert_eq!(point["asDouble"], "Infinity");
        assert!(
            point["startTimeUnixNano"].is_null(),
            "a gauge has no beginning"
        );
    }

    #[test]
    fn buckets_count_what_lies_between_their_bounds_and_the_last_has_none() {
        let bucket = |bound, count| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut timed = Histogram::default();
        timed.set_bucket(vec![
            bucket(1.0, 2),
            bucket(5.0, 5),
            bucket(f64::INFINITY, 9),
        ]);
        timed.set_sample_count(9);
        timed.set_sample_sum(40.5);
        let mut metric = Metric::default();
        metric.set_histogram(timed);
        let point =
            &one(family("took_us", MetricType::HISTOGRAM, metric))["histogram"]["dataPoints"][0];
        assert_eq!(point["explicitBounds"], json!([1.0, 5.0]));
        assert_eq!(point["bucketCounts"], json!(["2", "3", "4"]));
        assert_eq!(
            (&point["count"], &point["sum"]),
            (&json!("9"), &json!(40.5))
        );
    }
}
