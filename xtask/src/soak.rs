//! `cargo xtask soak`: an hour of traffic in a minute or two, against the real service, and the long tests.
//!
//! Time is compressed by not waiting: a *stream second* is ten updates, fifty reads and some writes, sent
//! one after the other as fast as the service answers. What is looked for is what grows with the traffic
//! and not with what is held: the population of keys moves, keys come back under their old names, and
//! after the warm-up memory must stay where it is.

mod server;
mod traffic;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::bench::markers;
use crate::clock::{Stopwatch, rfc3339, since_epoch};
use crate::command::{on_path, run as run_command};
use crate::workspace::Workspace;
use server::{Forewarm, Redis};
use traffic::Traffic;

const PAGE: &str = "docs/reliability.md";
/// Stream seconds between two looks at the process.
const LOOK_EVERY: u64 = 10;
/// Growth per stream hour that is taken for the allocator's noise, in bytes.
const MOST_GROWTH: f64 = 8.0 * MIB;
const MIB: f64 = 1_048_576.0;
/// The model must have learned something as lately as this.
const MOST_AGE: f64 = 5.0;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Stream time to play on each backend: 1h, 90m, 600s
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    long: Duration,
    /// Leave out the long tests of the suites
    #[arg(long)]
    traffic_only: bool,
}

/// The suites with tests that are too long for CI.
const LONG_TESTS: [[&str; 2]; 4] = [
    ["--package=forewarm-application", "--lib"],
    ["--package=forewarm-infrastructure", "--test=hostile_input"],
    ["--package=forewarm-service", "--test=service"],
    ["--package=forewarm-service", "--test=faults"],
];

/// One look at the process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// Stream seconds played.
    at: f64,
    /// Resident memory, in bytes.
    resident: f64,
    /// Seconds since the model learned something.
    age: f64,
}

/// What one backend showed.
#[derive(Debug)]
struct Outcome {
    backend: &'static str,
    stream: Duration,
    took: Duration,
    events: u64,
    /// Resident bytes after the warm-up and at the end.
    resident: (f64, f64),
    /// Bytes a stream hour, after the warm-up.
    growth: f64,
    oldest: f64,
    hit_ratio: f64,
    warmed: u64,
}

/// Plays, checks, prints the table and writes it into the page; then runs the long tests.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    run_command(&mut workspace.cargo(&["build", "--package=forewarm-service", "--bin=forewarm"]))?;
    let binary = workspace.target().join("debug/forewarm");
    let mut outcomes = vec![play(
        "embedded",
        &Forewarm::embedded(&binary)?,
        arguments.long,
    )?];
    if on_path("redis-server").is_some() {
        let redis = Redis::start()?;
        let forewarm = Forewarm::before(&binary, &redis)?;
        outcomes.push(play("redis", &forewarm, arguments.long)?);
    } else {
        eprintln!("SKIPPED: redis-server is not installed");
    }
    let table = table(&outcomes);
    println!("{table}");
    let page = workspace.path(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
    let text = markers::replaced(&text, "soak", &table).with_context(|| PAGE.to_owned())?;
    std::fs::write(&page, text).with_context(|| format!("writing {PAGE}"))?;
    for outcome in &outcomes {
        judge(outcome)?;
    }
    if arguments.traffic_only {
        return Ok(());
    }
    for suite in LONG_TESTS {
        let mut tests = workspace.cargo(&["test"]);
        tests.args(suite).args(["--", "--ignored", "--nocapture"]);
        run_command(tests.env("CI", "true"))?;
    }
    Ok(())
}

fn play(backend: &'static str, forewarm: &Forewarm, long: Duration) -> Result<Outcome> {
    let mut traffic = Traffic::start(forewarm)?;
    let (watch, mut looks) = (Stopwatch::start(), Vec::new());
    for second in 0..long.as_secs() {
        traffic
            .second(second)
            .with_context(|| format!("{backend}, stream second {second}"))?;
        if second % LOOK_EVERY == 0 {
            let status = forewarm.status()?;
            looks.push(Look {
                at: second as f64,
                resident: forewarm.resident()?,
                age: number(&status, "/tracker/model_age_seconds")?,
            });
        }
        if second % 600 == 599 {
            eprintln!("{backend}: {} stream minutes", (second + 1) / 60);
        }
    }
    let took = watch.elapsed();
    let status = forewarm.settled(traffic.reads)?;
    check_counters(&status, traffic.reads)?;
    // The warm-up: caches fill, buffers and tables become as large as they get.
    let settled = &looks[looks.len() / 3..];
    let (hits, misses) = (
        number(&status, "/demand/hits")?,
        number(&status, "/demand/misses")?,
    );
    Ok(Outcome {
        backend,
        stream: long,
        took,
        events: traffic.reads + traffic.updates + traffic.writes,
        resident: (
            settled.first().context("too short for a look")?.resident,
            settled.last().context("too short for a look")?.resident,
        ),
        growth: slope(settled) * 3_600.0,
        oldest: settled.iter().map(|look| look.age).fold(0.0, f64::max),
        hit_ratio: hits / (hits + misses),
        warmed: number(&status, "/warmer/pairs_warmed")? as u64,
    })
}

/// Every read was counted once, and every warm has one outcome.
fn check_counters(status: &Value, reads: u64) -> Result<()> {
    let count = |path: &str| number(status, path);
    let lookups = count("/demand/hits")? + count("/demand/misses")?;
    ensure!(
        lookups == reads as f64,
        "{reads} reads were sent and {lookups} counted"
    );
    let warmed = count("/warmer/pairs_warmed")?;
    let mut ended = count("/outcomes/still_live")?;
    for outcome in ["useful", "late", "wasted", "harmful"] {
        ended += count(&format!("/outcomes/{outcome}"))?;
    }
    ensure!(
        warmed == ended,
        "{warmed} warmed and {ended} with an outcome"
    );
    ensure!(
        warmed == count("/attempts/warmed")?,
        "attempts disagree: {status}"
    );
    ensure!(warmed > 0.0, "nothing was warmed: {status}");
    Ok(())
}

fn judge(outcome: &Outcome) -> Result<()> {
    let Outcome {
        backend,
        growth,
        oldest,
        ..
    } = outcome;
    if *growth > MOST_GROWTH {
        bail!(
            "{backend}: memory grows by {:.1} MiB a stream hour",
            growth / MIB
        );
    }
    ensure!(
        *oldest <= MOST_AGE,
        "{backend}: the model was {oldest:.1} s old"
    );
    Ok(())
}

fn number(status: &Value, path: &str) -> Result<f64> {
    let found = status.pointer(path).and_then(Value::as_f64);
    found.with_context(|| format!("the status has no number {path}: {status}"))
}

/// Bytes a stream second: the least-squares line through the looks.
fn slope(looks: &[Look]) -> f64 {
    let n = looks.len().max(1) as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / n;
    let (at, resident) = (mean(|look| look.at), mean(|look| look.resident));
    let parts = looks.iter().map(|look| {
        let away = look.at - at;
        (away * (look.resident - resident), away * away)
    });
    let (covariance, variance) =
        parts.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    if variance == 0.0 {
        0.0
    } else {
        covariance / variance
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| L2 | stream time | played in | events | resident after the warm-up | at the end | growth a \
         stream hour | model age at most | L1 hit ratio | keys warmed |\n",
    );
    text += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for it in outcomes {
        writeln!(
            text,
            "| {} | {:.0} min | {:.0} s | {} | {:.1} MiB | {:.1} MiB | {:+.2} MiB | {:.2} s | {:.3} \
             | {} |",
            it.backend,
            it.stream.as_secs_f64() / 60.0,
            it.took.as_secs_f64(),
            it.events,
            it.resident.0 / MIB,
            it.resident.1 / MIB,
            it.growth / MIB,
            it.oldest,
            it.hit_ratio,
            it.warmed,
        )
        .expect("a String takes every write");
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let day = since_epoch().map_or_else(|| "?".to_owned(), rfc3339);
    let day = day.split('T').next().unwrap_or_default().to_owned();
    text + &format!(
        "\n{day}, a debug build, {processors} processors shared with whatever else ran. Every read was \
         counted once, every warm ended in one outcome, no request failed."
    )
}

/// `1h`, `90m` or `600s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration like 1h, 90m or 600s");
    let (digits, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    // Three looks at least, or there is no line to draw.
    let whole = count.checked_mul(seconds).filter(|whole| *whole >= 60);
    whole
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text} is less than a minute or too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn growth_is_the_slope_and_noise_around_a_level_is_none() {
        let looks = |resident: fn(f64) -> f64| -> Vec<Look> {
            let look = |at| Look {
                at,
                resident: resident(at),
                age: 0.0,
            };
            (0..100).map(|n| look(f64::from(n) * 10.0)).collect()
        };
        assert!((slope(&looks(|at| 1e8 + 3.0 * at)) - 3.0).abs() < 1e-6);
        let noise = looks(|at| {
            1e8 + if (at as u64).is_multiple_of(20) {
                1e5
            } else {
                -1e5
            }
        });
        assert!(slope(&noise).abs() < 10.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn counters_that_disagree_are_named() {
        let status = |misses: u64, wasted: u64| {
            json!({
                "demand": { "hits": 7, "misses": misses },
                "warmer": { "pairs_warmed": 4 },
                "attempts": { "warmed": 4 },
                "outcomes": { "useful": 1, "late": 0, "wasted": wasted, "harmful": 0, "still_live": 1 },
            })
        };
        let check = |misses, wasted| check_counters(&status(misses, wasted), 10);
        assert!(check(3, 2).is_ok());
        let said = |error: Result<()>| error.expect_err("they disagree").to_string();
        assert_eq!(said(check(4, 2)), "10 reads were sent and 11 counted");
        assert_eq!(said(check(3, 3)), "4 warmed and 5 with an outcome");
    }

    #[test]
    fn a_duration_has_a_unit_and_is_a_minute_or_more() {
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "h", "5", "59s", "1d", "-1h", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
