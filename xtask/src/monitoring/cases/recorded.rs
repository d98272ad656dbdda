//! What the recordings say where no alert would show it: a ratio before its first error or hit,
//! nothing instead of 0/0, the mean and edge of the seasonal band.

use super::encoding::Series;
use super::inputs::{self, CHAINS, INSTANCES, Place, lookups, operations};
use super::timeline::{Minute, minutes};
use super::{Case, Check, case, elsewhere};

const PLACE: Place = Place {
    instance: INSTANCES[0],
    chain: CHAINS[0],
};

/// Series whose name and labels contain one of `parts`.
fn only(mut series: Vec<Series>, parts: &[&str]) -> Vec<Series> {
    series.retain(|it| parts.iter().any(|part| it.name.contains(part)));
    series
}

fn reads(minute: usize, expr: &'static str, samples: &[(&str, f64)]) -> Check {
    let samples = samples.iter();
    Check::Reads {
        minute,
        expr,
        samples: samples
            .map(|(labels, value)| (format!("{expr}{{{labels}}}"), *value))
            .collect(),
    }
}

const ERRORS: &str = "job_chain:warming_errors:ratio_rate5m";
const HITS: &str = "job_chain_cache_level:hits:ratio_rate5m";
const LOOKUPS: &str = "job_chain_cache_level:lookups:rate5m";
const ETHEREUM: &str = r#"job="forewarm",chain="ethereum""#;
const L1: &str = r#"job="forewarm",chain="ethereum",cache_level="L1""#;

pub(super) fn cases() -> Vec<Case> {
    let busy = minutes(20, 0.0, 8.0);
    let idle = minutes(20, 0.5, 0.0);
    let hit = minutes(20, 1.0, 8.0);
    let mut recordings = vec![
        case(
            "the error ratio is 0 before the first error",
            only(operations(PLACE, &busy), &["success", "skipped"]),
            vec![reads(15, ERRORS, &[(ETHEREUM, 0.0)])],
        ),
        case(
            "ratios are nothing without traffic, rather than 0/0",
            [operations(PLACE, &idle), lookups(PLACE, &idle)].concat(),
            vec![reads(15, ERRORS, &[]), reads(15, HITS, &[])],
        ),
        case(
            "the hit ratio is 0 before the first hit",
            only(
                lookups(PLACE, &busy),
                &[
                    "misses_total{job=\"forewarm\",instance=\"a:9464\",chain=\"ethereum\",cache_level=\"L1\"",
                ],
            ),
            vec![
                reads(15, HITS, &[(L1, 0.0)]),
                reads(15, LOOKUPS, &[(L1, 8.0)]),
            ],
        ),
        case(
            "the hit ratio is 1 before the first miss",
            only(
                lookups(PLACE, &hit),
                &[
                    "hits_total{job=\"forewarm\",instance=\"a:9464\",chain=\"ethereum\",cache_level=\"L1\"",
                ],
            ),
            vec![
                reads(15, HITS, &[(L1, 1.0)]),
                reads(15, LOOKUPS, &[(L1, 8.0)]),
            ],
        ),
    ];
    recordings.push(averaged());
    let others = [
        inputs::tracking(PLACE, &busy_tracking()),
        inputs::warming(PLACE, &busy_tracking()),
        inputs::pairs(PLACE, &busy),
        inputs::outcomes(PLACE, &busy),
        lookups(PLACE, &busy),
        vec![
            inputs::plain(PLACE, "arbitrage_warming_requests_total", &busy),
            inputs::plain(PLACE, "arbitrage_correlation_updates_received_total", &busy),
        ],
    ];
    recordings.push(case(
        "nothing is recorded of other jobs",
        elsewhere(others.concat()),
        vec![Check::Reads {
            minute: 15,
            expr: r#"{__name__=~"job.*:.*"}"#,
            samples: Vec::new(),
        }],
    ));
    recordings
}

fn busy_tracking() -> Vec<Minute> {
    minutes(20, 4.0, 8.0)
}

/// The hour's mean is that of the hour, of L1 and of each chain for itself.
fn averaged() -> Case {
    let mut timeline = minutes(135, 0.5, 8.0);
    timeline.extend(minutes(30, 0.9, 8.0));
    let other = Place {
        chain: CHAINS[1],
        ..PLACE
    };
    let series = [
        lookups(PLACE, &timeline),
        lookups(other, &minutes(165, 0.75, 8.0)),
    ]
    .concat();
    case(
        "the mean of an hour is that of L1, chain by chain",
        series,
        vec![
            about(
                "abs(job_chain:l1_hit_ratio:avg1h{chain=\"ethereum\"} - 0.685) < bool 0.01",
                165,
            ),
            about(
                "abs(job_chain:l1_hit_ratio:avg1h{chain=\"bsc\"} - 0.75) < bool 0.01",
                165,
            ),
        ],
    )
}

/// A comparison that must be true of the chain that it names.
fn about(expr: &'static str, minute: usize) -> Check {
    let chain = expr
        .split("chain=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let chain = chain.expect("the expression names a chain");
    Check::Reads {
        minute,
        expr,
        samples: vec![(format!("{{job=\"forewarm\",chain=\"{chain}\"}}"), 1.0)],
    }
}

/// A week of the hour's mean, given as it would have been recorded, read at the end of day 8.
///
/// Only the hour around the same time of day counts: everything else is far off.
pub(super) fn seasonal() -> Vec<Case> {
    let history = |chain: &str, days: &[f64]| {
        let name = format!("job_chain:l1_hit_ratio:avg1h{{job=\"forewarm\",chain=\"{chain}\"}}");
        let mut values = vec![0.1; NOW / HALF_HOUR + 1];
        for (before, value) in (1..).zip(days) {
            values[(NOW - before * DAY + HALF_HOUR) / HALF_HOUR] = *value;
        }
        Series::of(name, values)
    };
    let known = |chain: &str, days: &[f64]| {
        let mut series = history(chain, days);
        let first = (NOW - days.len() * DAY) / HALF_HOUR;
        series.samples.drain(..first);
        let missing = std::iter::repeat_n(super::encoding::Sample::Missing, first);
        series.samples.splice(0..0, missing);
        series
    };
    let series = vec![
        history(CHAINS[0], &[0.90, 0.94, 0.90, 0.94, 0.90, 0.94, 0.92]),
        known(CHAINS[1], &[0.90, 0.92]),
        known("polygon", &[0.90, 0.90, 0.90]),
    ];
    let checks = vec![
        Check::Reads {
            minute: NOW,
            expr: "count by (job) (job_chain:l1_hit_ratio:seasonal_floor)",
            samples: vec![("{job=\"forewarm\"}".to_owned(), 2.0)],
        },
        // Ethereum: mean 0.92 less three times the population's deviation of 0.018516.
        about(
            "abs(job_chain:l1_hit_ratio:seasonal_floor{chain=\"ethereum\"} - 0.864451) < bool 0.000001",
            NOW,
        ),
        // Days alike: three times a point.
        about(
            "abs(job_chain:l1_hit_ratio:seasonal_floor{chain=\"polygon\"} - 0.87) < bool 0.000001",
            NOW,
        ),
    ];
    vec![Case {
        name: "the band's edge is three deviations, of a point at least, below the mean of three days or more".to_owned(),
        series,
        checks,
        step: HALF_HOUR,
    }]
}

const HALF_HOUR: usize = 30;
const DAY: usize = 1440;
const NOW: usize = 8 * DAY;
