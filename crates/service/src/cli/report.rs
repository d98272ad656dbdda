//! `forewarm report`: what is normal here, which alerts fired, and which of them were right.

mod alarms;
mod bands;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::Access;
use super::explain::{Format, wrapped};
use super::prometheus::Prometheus;
use super::{Failure, duration, table};
use crate::clock::Clock;
use alarms::{Alarm, alarms};
use bands::{Band, bands};

pub(super) const EXAMPLES: &str = "\
For every figure that the alerts judge: the band it was in (quantiles), and a threshold that this
service would seldom cross. For every alert: how often it fired, for how long, and how many of
the times were likely false: over within 15 minutes, with no other alert then or in the half hour
after, while L1's hit ratio stayed in its band. That is a rule of thumb and not a judgement.

Examples:
  forewarm report --prometheus http://prometheus:9090
  forewarm report --prometheus http://prometheus:9090 --range 30d --format json

What it suggests can be given to `cargo xtask gen --thresholds FILE`.";

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The Prometheus that scrapes the service, as job `forewarm`.
    #[arg(long, value_name = "URL")]
    prometheus: String,
    /// How far back.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = days)]
    range: Duration,
    #[command(flatten)]
    access: Access,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A duration as elsewhere on the command line, or in days (`7d`), as Prometheus writes them.
fn days(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(366 * 86_400);
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let span = match days {
        Some(days) => Duration::from_secs(u64::from(days) * 86_400),
        None => duration(text).map_err(|error| error.to_string())?,
    };
    if (Duration::from_secs(600)..=MOST).contains(&span) {
        Ok(span)
    } else {
        Err("expected 10m to 366d".to_owned())
    }
}

pub(super) fn run(arguments: &ReportArguments) -> Result<(), Failure> {
    let prometheus = Prometheus::new(&arguments.prometheus, &arguments.access)?;
    let end = Clock::start().now().as_micros() as f64 / 1e6;
    let span = (end - arguments.range.as_secs_f64(), end);
    let bands = bands(&prometheus, span)?;
    let alarms = alarms(&prometheus, span, &bands)?;
    let text = match arguments.format {
        Format::Json => format!("{}\n", as_json(arguments.range, &bands, &alarms)),
        Format::Text => as_text(arguments.range, &bands, &alarms),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}

fn as_json(range: Duration, bands: &[Band], alarms: &[Alarm]) -> Value {
    let bands: Vec<Value> = bands.iter().map(Band::json).collect();
    let alarms: Vec<Value> = alarms.iter().map(Alarm::json).collect();
    json!({ "range_seconds": range.as_secs(), "bands": bands, "alerts": alarms })
}

fn as_text(range: Duration, bands: &[Band], alarms: &[Alarm]) -> String {
    let hours = range.as_secs_f64() / 3_600.0;
    let mut out = format!(
        "The last {}\n\n",
        match hours {
            hours if hours >= 48.0 => format!("{:.0} days", hours / 24.0),
            hours => format!("{hours:.1} hours"),
        }
    );
    let (seen, silent): (Vec<&Band>, Vec<&Band>) = bands.iter().partition(|band| band.points > 0);
    let mut rows = vec![
        [
            "figure",
            "p1",
            "p5",
            "median",
            "p95",
            "p99",
            "suggested",
            "",
        ]
        .map(str::to_owned),
    ];
    rows.extend(seen.iter().map(|band| band.cells()));
    out.push_str(&table::aligned(&rows));
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|band| band.figure.id).collect();
        out.push_str(&format!("no data: {}\n", names.join(", ")));
    }
    out.push('\n');
    if alarms.is_empty() {
        out.push_str("No alert fired.\n");
    } else {
        let mut rows = vec![
            [
                "alert",
                "severity",
                "fired",
                "total",
                "likely false",
                "what to do",
            ]
            .map(str::to_owned),
        ];
        rows.extend(alarms.iter().map(Alarm::cells));
        out.push_str(&table::aligned(&rows));
        out.push('\n');
        out.push_str(&wrapped(alarms::RULE, 96));
    }
    let suggested: String = seen.iter().filter_map(|band| band.toml()).collect();
    if !suggested.is_empty() {
        out.push_str("\nSuggested levels, for `cargo xtask gen --thresholds FILE`:\n\n");
        out.push_str(&suggested);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_be_in_days_and_is_bounded() {
        assert_eq!(days("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(days("90m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "d", "-1d", "1s", "1000d", "seven"] {
            assert!(days(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
