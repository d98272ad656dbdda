//! Normal bands: in which range each figure was, and levels that it would seldom cross.

use serde_json::{Value, json};

use super::super::Failure;
use super::super::prometheus::Prometheus;
use super::super::rollout::short;

/// Points asked for, at most.
const POINTS: f64 = 1_000.0;
/// No finer than a scrape.
const FINEST: f64 = 30.0;
/// With fewer points there is no band.
const ENOUGH: usize = 20;

/// Which side of a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Good {
    Low,
    High,
    /// Neither: it is told and not judged.
    Neither,
}

/// A figure of the dashboards.
#[derive(Debug)]
pub(super) struct Figure {
    /// The name of its thresholds, where it has some.
    pub(super) id: &'static str,
    words: &'static str,
    query: &'static str,
    pub(super) good: Good,
    /// The names of its two levels; empty where there are none.
    levels: [&'static str; 2],
}

const fn figure(
    id: &'static str,
    words: &'static str,
    query: &'static str,
    good: Good,
    levels: [&'static str; 2],
) -> Figure {
    Figure {
        id,
        words,
        query,
        good,
        levels,
    }
}

/// The hit ratio, by which alarms are judged too.
pub(super) const HIT_RATIO: &str = "l1_hit_ratio";

const FIGURES: [Figure; 13] = [
    figure(
        HIT_RATIO,
        "L1 hits / look-ups",
        r#"sum(rate(arbitrage_cache_hits_total{job="forewarm",cache_level="L1"}[5m])) / (sum(rate(arbitrage_cache_hits_total{job="forewarm",cache_level="L1"}[5m])) + sum(rate(arbitrage_cache_misses_total{job="forewarm",cache_level="L1"}[5m])))"#,
        Good::High,
        ["info", "critical"],
    ),
    figure(
        "tracking_p95_us",
        "time to track an update, µs",
        r#"histogram_quantile(0.95, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{job="forewarm"}[5m])))"#,
        Good::Low,
        ["warning", "critical"],
    ),
    figure(
        "warming_p95_ms",
        "time of a warming operation, ms",
        r#"histogram_quantile(0.95, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{job="forewarm"}[5m])))"#,
        Good::Low,
        ["warning", "critical"],
    ),
    figure(
        "lookup_p95_us",
        "time of a look-up, µs",
        r#"histogram_quantile(0.95, sum by (le) (rate(arbitrage_lookup_duration_us_bucket{job="forewarm"}[5m])))"#,
        Good::Low,
        ["", ""],
    ),
    figure(
        "warming_error_ratio",
        "warms that fail",
        r#"(sum(rate(arbitrage_warming_operations_total{job="forewarm",status=~"error|timeout"}[5m])) or vector(0)) / sum(rate(arbitrage_warming_operations_total{job="forewarm",status!="skipped"}[5m]))"#,
        Good::Low,
        ["warning", "critical"],
    ),
    figure(
        "precision",
        "warms that are read in time",
        r#"sum(rate(arbitrage_warming_outcomes_total{job="forewarm",outcome="useful"}[15m])) / sum(rate(arbitrage_warming_outcomes_total{job="forewarm"}[15m]))"#,
        Good::High,
        ["warning", ""],
    ),
    figure(
        "tracking_per_second",
        "updates tracked a second",
        r#"sum(rate(arbitrage_correlation_updates_tracked_total{job="forewarm"}[5m]))"#,
        Good::Neither,
        ["", ""],
    ),
    figure(
        "warming_per_second",
        "warming operations a second",
        r#"sum(rate(arbitrage_warming_operations_total{job="forewarm"}[5m]))"#,
        Good::Neither,
        ["", ""],
    ),
    figure(
        "pairs_per_warming",
        "pairs fetched by an operation",
        r#"sum(rate(arbitrage_warming_pairs_warmed_total{job="forewarm"}[15m])) / sum(rate(arbitrage_warming_operations_total{job="forewarm",status="success"}[15m]))"#,
        Good::High,
        ["info", ""],
    ),
    figure(
        "pairs_tracked",
        "pairs of the largest model",
        r#"max(sum by (instance) (arbitrage_correlation_pairs_tracked{job="forewarm"}))"#,
        Good::Low,
        ["warning", ""],
    ),
    figure(
        "budget_used_ratio",
        "budget of extra L2 reads in use",
        r#"max(arbitrage_warming_budget_used_ratio{job="forewarm"})"#,
        Good::Neither,
        ["", ""],
    ),
    figure(
        "feed_lag_seconds",
        "lag of the slowest feed, s",
        r#"max(arbitrage_feed_lag_seconds{job="forewarm"})"#,
        Good::Low,
        ["warning", ""],
    ),
    figure(
        "association_drift",
        "strong associations replaced in an hour",
        r#"max(arbitrage_correlation_drift_ratio{job="forewarm"})"#,
        Good::Low,
        ["info", ""],
    ),
];

/// A figure with the band it was in.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) figure: &'static Figure,
    pub(super) points: usize,
    /// At 1, 5, 50, 95 and 99 per cent.
    pub(super) quantiles: [f64; 5],
    /// Times in seconds and values.
    pub(super) course: Vec<(f64, f64)>,
}

/// Asks for every figure between two times, in seconds since the epoch.
pub(super) fn bands(
    prometheus: &Prometheus,
    (start, end): (f64, f64),
) -> Result<Vec<Band>, Failure> {
    let step = ((end - start) / POINTS).max(FINEST);
    let mut bands = Vec::new();
    for figure in &FIGURES {
        let answer = prometheus.range(figure.query, (start, end, step))?;
        let course: Vec<(f64, f64)> = answer
            .into_iter()
            .next()
            .map(|series| series.points)
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .collect();
        let mut sorted: Vec<f64> = course.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        bands.push(Band {
            figure,
            points: sorted.len(),
            quantiles: [0.01, 0.05, 0.5, 0.95, 0.99].map(|share| quantile(&sorted, share)),
            course,
        });
    }
    Ok(bands)
}

/// Of sorted values, between the two nearest.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

impl Band {
    /// The two levels with the values that would have been crossed in some 1 % of the time and never:
    /// a quarter, and twice the way, beyond the far end of the band.
    fn suggested(&self) -> Vec<(&'static str, f64)> {
        if self.points < ENOUGH {
            return Vec::new();
        }
        let [p1, _, median, _, p99] = self.quantiles;
        let values = match self.figure.good {
            Good::Neither => return Vec::new(),
            Good::Low if p99 <= 0.0 => return Vec::new(),
            Good::Low => [p99 * 1.25, p99 * 2.0],
            Good::High => {
                let depth = (median - p1).max(median * 0.02);
                [p1 - depth * 0.25, p1 - depth].map(|level| level.max(0.0))
            }
        };
        let named = self.figure.levels.into_iter().zip(values);
        named.filter(|(name, _)| !name.is_empty()).collect()
    }

    /// A row of the table.
    pub(super) fn cells(&self) -> [String; 8] {
        let [p1, p5, median, p95, p99] = self.quantiles.map(short);
        let suggested = self.suggested().into_iter();
        let suggested: Vec<String> = suggested
            .map(|(name, value)| format!("{name} {}", short(value)))
            .collect();
        [
            self.figure.id.to_owned(),
            p1,
            p5,
            median,
            p95,
            p99,
            suggested.join(", "),
            self.figure.words.to_owned(),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let names = ["p1", "p5", "p50", "p95", "p99"];
        let quantiles: serde_json::Map<String, Value> = names
            .iter()
            .zip(self.quantiles)
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let suggested: serde_json::Map<String, Value> = self
            .suggested()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        json!({
            "id": self.figure.id,
            "words": self.figure.words,
            "query": self.figure.query,
            "points": self.points,
            "quantiles": if self.points > 0 { Value::Object(quantiles) } else { Value::Null },
            "suggested": suggested,
        })
    }

    /// Its table in a thresholds file; `None` where nothing is suggested.
    pub(super) fn toml(&self) -> Option<String> {
        let suggested = self.suggested();
        if suggested.is_empty() {
            return None;
        }
        let mut text = format!("[{}]\n", self.figure.id);
        for (name, value) in suggested {
            let digits = (3 - value.abs().max(1e-9).log10().floor() as i32 - 1).clamp(0, 6);
            let value = format!("{value:.*}", digits as usize);
            let point = if value.contains('.') { "" } else { ".0" };
            text.push_str(&format!("{name} = {value}{point}\n"));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(good: Good, values: impl Iterator<Item = f64>) -> Band {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let figure = FIGURES.iter().find(|figure| figure.good == good);
        Band {
            figure: figure.expect("there is one"),
            points: sorted.len(),
            quantiles: [0.01, 0.05, 0.5, 0.95, 0.99].map(|share| quantile(&sorted, share)),
            course: Vec::new(),
        }
    }

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let sorted = [0.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.0), 0.0);
        assert_eq!(quantile(&sorted, 0.5), 2.0);
        assert_eq!(quantile(&sorted, 0.625), 2.5);
        assert_eq!(quantile(&sorted, 1.0), 4.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn suggested_levels_lie_beyond_the_band_on_the_bad_side_and_in_order() {
        let low = band(Good::Low, (0..1_000).map(|n| 10.0 + f64::from(n) / 100.0));
        let [(_, first), (_, second)] = low.suggested()[..] else {
            panic!("two levels")
        };
        assert!(20.0 < first && first < second, "{first} {second}");
        let high = band(
            Good::High,
            (0..1_000).map(|n| 0.9 + f64::from(n) / 20_000.0),
        );
        let [(_, first), (_, second)] = high.suggested()[..] else {
            panic!("two levels")
        };
        assert!(second < first && first < 0.9, "{first} {second}");
        assert_eq!(
            band(Good::Low, (0..5).map(f64::from)).suggested(),
            [],
            "too few"
        );
        assert_eq!(
            band(Good::Low, (0..500).map(|_| 0.0)).suggested(),
            [],
            "nothing to go by"
        );
    }
}
