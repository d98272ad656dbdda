//! The raw series that a place exports, for a figure to come out as given.

use forewarm_application::metrics::Metric;

use super::encoding::Series;
use super::timeline::{Minute, counter};

/// Where it happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) instance: &'static str,
    pub(super) chain: &'static str,
}

pub(super) const INSTANCES: [&str; 2] = ["a:9464", "b:9464"];
pub(super) const CHAINS: [&str; 2] = ["ethereum", "bsc"];

/// A part of the traffic, for a figure.
type Share = fn(f64) -> f64;

impl Place {
    fn series(self, metric: &str, more: &str) -> String {
        let Self { instance, chain } = self;
        format!(r#"{metric}{{job="forewarm",instance="{instance}",chain="{chain}"{more}}}"#)
    }
}

/// Tracking times with this 95th percentile; one update in 16 is timed.
pub(super) fn tracking(place: Place, timeline: &[Minute]) -> Vec<Series> {
    let mut all = histogram(place, Metric::TrackingDuration, timeline, 1.0 / 16.0);
    let tracked = "arbitrage_correlation_updates_tracked_total";
    all.push(counter(place.series(tracked, ""), timeline, |minute| {
        minute.traffic
    }));
    all
}

/// Durations of warming operations with this 95th percentile.
pub(super) fn warming(place: Place, timeline: &[Minute]) -> Vec<Series> {
    histogram(place, Metric::WarmingDuration, timeline, 1.0)
}

/// Operations of which this share fails; ten times as many are skipped.
pub(super) fn operations(place: Place, timeline: &[Minute]) -> Vec<Series> {
    let shares: [(&str, Share); 4] = [
        ("success", |failing| 1.0 - failing),
        ("error", |failing| failing * 0.6),
        ("timeout", |failing| failing * 0.4),
        ("skipped", |_| 10.0),
    ];
    let name = "arbitrage_warming_operations_total";
    let series = shares.into_iter().map(|(status, share)| {
        let name = place.series(name, &format!(",status=\"{status}\""));
        counter(name, timeline, |minute| {
            share(minute.figure) * minute.traffic
        })
    });
    series.collect()
}

/// Look-ups of which L1 answers this share. L2 answers nearly all of the rest on the first chain and
/// half of it on the other: who takes its ratio for L1's sees health here and a fault there.
pub(super) fn lookups(place: Place, timeline: &[Minute]) -> Vec<Series> {
    let l2 = if place.chain == CHAINS[0] { 0.98 } else { 0.5 };
    let series = |what: &str, level: &str, share: &dyn Fn(f64) -> f64| {
        let name = format!("arbitrage_cache_{what}_total");
        let name = place.series(&name, &format!(",cache_level=\"{level}\""));
        counter(name, timeline, |minute| {
            share(minute.figure) * minute.traffic
        })
    };
    vec![
        series("hits", "L1", &|ratio| ratio),
        series("misses", "L1", &|ratio| 1.0 - ratio),
        series("hits", "L2", &|ratio| (1.0 - ratio) * l2),
        series("misses", "L2", &|ratio| (1.0 - ratio) * (1.0 - l2)),
    ]
}

/// Successful operations that bring so many pairs each; ten times as many are skipped.
pub(super) fn pairs(place: Place, timeline: &[Minute]) -> Vec<Series> {
    let mut all = operations(place, &with_figure(timeline, 0.0));
    let warmed = place.series("arbitrage_warming_pairs_warmed_total", "");
    all.push(counter(warmed, timeline, |minute| {
        minute.figure * minute.traffic
    }));
    all
}

/// Warmed entries of which this share is useful.
pub(super) fn outcomes(place: Place, timeline: &[Minute]) -> Vec<Series> {
    let shares: [(&str, Share); 4] = [
        ("useful", |useful| useful),
        ("late", |useful| (1.0 - useful) * 0.2),
        ("wasted", |useful| (1.0 - useful) * 0.7),
        ("harmful", |useful| (1.0 - useful) * 0.1),
    ];
    let name = "arbitrage_warming_outcomes_total";
    let series = shares.into_iter().map(|(outcome, share)| {
        let name = place.series(name, &format!(",outcome=\"{outcome}\""));
        counter(name, timeline, |minute| {
            share(minute.figure) * minute.traffic
        })
    });
    series.collect()
}

/// A counter with no labels but the place's, growing with the traffic.
pub(super) fn plain(place: Place, metric: &str, timeline: &[Minute]) -> Series {
    counter(place.series(metric, ""), timeline, |minute| minute.traffic)
}

fn with_figure(timeline: &[Minute], figure: f64) -> Vec<Minute> {
    let minutes = timeline.iter();
    minutes.map(|minute| Minute { figure, ..*minute }).collect()
}

/// A histogram whose 95th percentile is the figure: so many events at the bottom and the rest in
/// the figure's own bucket that the interpolation ends there.
fn histogram(place: Place, metric: Metric, timeline: &[Minute], timed: f64) -> Vec<Series> {
    let spec = metric.spec();
    let bounds = spec.buckets;
    let mut all = Vec::new();
    for bound in bounds {
        let name = format!("{}_bucket", spec.name);
        let name = place.series(&name, &format!(",le=\"{bound}\""));
        all.push(counter(name, timeline, |minute| {
            below(*bound, bounds, minute.figure) * minute.traffic * timed
        }));
    }
    for (suffix, label) in [("bucket", ",le=\"+Inf\""), ("count", "")] {
        let name = place.series(&format!("{}_{suffix}", spec.name), label);
        all.push(counter(name, timeline, |minute| minute.traffic * timed));
    }
    all
}

/// The share of the events at or below `bound`.
fn below(bound: f64, bounds: &[f64], figure: f64) -> f64 {
    let own = bounds.iter().position(|high| figure <= *high);
    let own = own.expect("the figure lies in a bucket");
    let (low, high) = (if own == 0 { 0.0 } else { bounds[own - 1] }, bounds[own]);
    if bound >= high {
        return 1.0;
    }
    let within = (figure - low) / (high - low);
    (0.95 - within) / (1.0 - within)
}
