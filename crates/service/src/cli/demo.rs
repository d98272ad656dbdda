//! `forewarm demo`: the whole service on a store of its own, beside the same cache without
//! warming.

mod live;
mod pace;
mod source;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use forewarm_infrastructure::KeyCodec;

use super::serve::{announce, run_to_end, start_log};
use super::{ConfigArguments, Failure, Overrides, duration};
use crate::config::{Backend, Config, Span};
use crate::signals::Signals;
use live::Live;
use source::Source;

pub(super) const EXAMPLES: &str = "\
The demo keeps every pair's value in an embedded store, plays updates and reads, and asks two
caches of the same size: one with warming, one without. L1 holds a tenth of the keys, or
--l1-percent of them. Pauses that are cut short pass on the demo's clock all the same, so what is
learned is what would be live.

Examples:
  forewarm demo --for 20s                 a generated market
  forewarm demo --trace trades.csv.gz     your recording, its idle time cut short
  forewarm demo --trace trades.csv.gz --speed 1 --preset conservative";

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Play this recording instead of a generated market.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// End by itself after this time; else Ctrl-C ends it, or the end of the recording.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    limit: Option<Duration>,
    /// A multiple of the recorded speed. Left out, pauses are cut so that a thousand events
    /// and more are played a second.
    #[arg(long, value_name = "N", value_parser = speed)]
    speed: Option<f64>,
    /// How many per cent of the keys L1 holds.
    #[arg(long, value_name = "P", default_value_t = 10.0, value_parser = percent)]
    l1_percent: f64,
    /// The seed of the generated market.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    overrides: Overrides,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed.is_finite() => Ok(speed),
        _ => Err("expected a number above 0".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("expected a number above 0, at most 100".to_owned()),
    }
}

pub(super) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    let effective = ConfigArguments {
        config: None,
        overrides: arguments.overrides.clone(),
    }
    .load()?;
    let folder = tempfile::Builder::new()
        .prefix("forewarm-demo-")
        .tempdir()
        .context("cannot make a temporary folder for the demo")
        .map_err(Failure::Internal)?;
    let mut config = effective.config.clone();
    config.l2.backend = Backend::Embedded;
    config.l2.embedded.path = folder.path().to_owned();
    config.feeds.clear();
    if !effective.is_set("l1.default_ttl") {
        // Days are played in seconds: as in replay, entries expire only when that is asked for.
        config.l1.default_ttl = Span(Duration::ZERO);
    }
    if !effective.is_set("telemetry.log_level") {
        "warn".clone_into(&mut config.telemetry.log_level);
    }
    start_log(&config.telemetry);
    let codec = KeyCodec::new(&config.keys.template).expect("the configuration has been checked");
    let source = match &arguments.trace {
        Some(path) => Source::recording(path, &codec, arguments.speed)?,
        None => Source::market(&codec, arguments.seed, arguments.speed),
    };
    let share = arguments.l1_percent / 100.0;
    run_to_end(play(config, codec, (source, share), arguments.limit))
}

async fn play(
    config: Config,
    codec: KeyCodec,
    (source, l1_share): (Source, f64),
    limit: Option<Duration>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::internal)?;
    let what = source.describe();
    let (live, addr) = Live::start(config, codec, source, l1_share).await?;
    announce(&format!("forewarm: status page on http://{addr}/"));
    announce(&format!("forewarm: playing {what}"));
    let live = live.run(limit, signals.stop()).await;
    let summary = live.summary();
    live.end().await;
    let mut out = io::stdout().lock();
    out.write_all(summary.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}

/// One line on standard error: rewritten in place on a terminal, else one every five seconds.
fn progress(second: u64, line: &str) {
    let mut out = io::stderr().lock();
    let _ = if out.is_terminal() {
        write!(out, "\r\x1b[K{line}").and_then(|()| out.flush())
    } else if second.is_multiple_of(5) {
        writeln!(out, "{line}")
    } else {
        Ok(())
    };
}

/// Leaves the progress line standing.
fn end_progress() {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let _ = writeln!(out);
    }
}
