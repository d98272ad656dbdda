//! `forewarm rollout`: may the next phase begin, and back at once if not.

mod missing;

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use forewarm_application::rollout::{Criterion, criteria};
use forewarm_domain::Mode;
use serde_json::{Value, json};

use super::client::{Access, Client, DEFAULT_SERVER};
use super::explain::Format;
use super::prometheus::Prometheus;
use super::{Failure, table};

pub(super) const EXAMPLES: &str = "\
Phase 1 is shadow (deploy/config/shadow.toml), 2 conservative, 3 adaptive; docs/rollout.md tells
the whole way. `check` asks a Prometheus whether the criteria of a phase are met.

Examples:
  forewarm rollout check --prometheus http://prometheus:9090 --phase 1
  forewarm rollout set on --percent 10 --chain ethereum
  forewarm rollout show
  forewarm rollout back                             everything to shadow, at once

Exit codes of check: 0 all met, 1 one is not, 64 bad usage, 69 Prometheus does not answer.";

#[derive(Debug, Subcommand)]
pub(super) enum RolloutCommand {
    /// Check the criteria of a phase against a Prometheus.
    Check(CheckArguments),
    /// Roll back: a running service stops fetching ahead, everywhere or on one chain.
    Back(BackArguments),
    /// Switch the mode of a running service, everywhere or on one chain.
    Set(SetArguments),
    /// Show the modes in force in a running service.
    Show(Running),
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The Prometheus that scrapes the service, as job `forewarm`.
    #[arg(long, value_name = "URL")]
    prometheus: String,
    /// 1 shadow, 2 conservative, 3 adaptive.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    phase: u8,
    #[command(flatten)]
    access: Access,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Running {
    /// The running service.
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    server: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
pub(super) struct BackArguments {
    #[command(flatten)]
    running: Running,
    /// `shadow` goes on learning and measuring, `off` does nothing at all.
    #[arg(long, value_enum, default_value_t = Behind::Shadow)]
    to: Behind,
    /// Only this chain; all others stay as they are.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Behind {
    Shadow,
    Off,
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// off, shadow or on.
    #[arg(value_name = "MODE")]
    mode: Mode,
    /// The share of pairs for which it holds, by a stable hash; the rest run in shadow.
    #[arg(long, value_name = "P", default_value_t = 100, value_parser = clap::value_parser!(u8).range(..=100))]
    percent: u8,
    /// Only this chain; all others stay as they are.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,
    #[command(flatten)]
    running: Running,
}

pub(super) fn run(command: &RolloutCommand) -> Result<(), Failure> {
    match command {
        RolloutCommand::Check(arguments) => check(arguments),
        RolloutCommand::Back(arguments) => {
            let mode = match arguments.to {
                Behind::Shadow => Mode::Shadow,
                Behind::Off => Mode::Off,
            };
            switch(&arguments.running, mode, 100, arguments.chain.as_deref())
        }
        RolloutCommand::Set(arguments) => {
            let SetArguments {
                mode,
                percent,
                chain,
                running,
            } = arguments;
            switch(running, *mode, *percent, chain.as_deref())
        }
        RolloutCommand::Show(running) => {
            let answer = running.client()?.get("/v1/mode")?.json()?;
            print(&modes(&answer))
        }
    }
}

impl Running {
    fn client(&self) -> Result<Client, Failure> {
        Client::new("--server", &self.server, &self.access)
    }
}

fn switch(running: &Running, mode: Mode, percent: u8, chain: Option<&str>) -> Result<(), Failure> {
    let mut body = json!({ "mode": mode.name(), "percent": percent });
    if let Some(chain) = chain {
        body["chain"] = chain.into();
    }
    let client = running.client()?;
    let body = body.to_string();
    let answer = client.put("/v1/mode", "application/json", body.as_bytes())?;
    print(&modes(&answer.json()?))
}

/// What is in force, one line a setting.
fn modes(answer: &Value) -> String {
    let line = |name: &str, setting: &Value| {
        let mode = setting["mode"].as_str().unwrap_or("?");
        let percent = setting["percent"].as_u64().unwrap_or(100);
        let share = match (mode, percent) {
            ("on", 0..100) => format!(" for {percent} % of the pairs, shadow for the rest"),
            _ => String::new(),
        };
        format!("{name}: {mode}{share}\n")
    };
    let mut out = line("all chains", answer);
    for (name, setting) in answer["chains"].as_object().into_iter().flatten() {
        out.push_str(&line(&format!("but {name}"), setting));
    }
    out
}

/// A criterion with what Prometheus says about it.
struct Verdict {
    criterion: &'static Criterion,
    value: Option<f64>,
    /// Why there is no value.
    missing: Option<String>,
}

impl Verdict {
    fn passed(&self) -> bool {
        self.value
            .is_some_and(|value| self.criterion.wanted.is_met(value))
    }

    fn reason(&self) -> &'static str {
        match self.value {
            None => "no data",
            Some(_) if self.passed() => "met",
            Some(_) => "not met",
        }
    }
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let prometheus = Prometheus::new(&arguments.prometheus, &arguments.access)?;
    let criteria = criteria(arguments.phase).expect("clap takes 1 to 3");
    let mut verdicts = Vec::new();
    for criterion in criteria {
        let found = prometheus.instant(criterion.query)?;
        let value = found.first().and_then(|series| series.points.first());
        // 0/0 is no answer.
        let value = value
            .map(|(_, value)| *value)
            .filter(|value| value.is_finite());
        verdicts.push(Verdict {
            criterion,
            value,
            missing: None,
        });
    }
    let without = verdicts.iter_mut().filter(|one| one.value.is_none());
    let mut without: Vec<&mut Verdict> = without.collect();
    if !without.is_empty() {
        let queries: Vec<&str> = without.iter().map(|one| one.criterion.query).collect();
        let known = missing::Known::ask(&prometheus, &queries)?;
        for verdict in &mut without {
            verdict.missing = Some(known.why(verdict.criterion.query));
        }
    }
    let passed = verdicts.iter().all(Verdict::passed);
    let text = match arguments.format {
        Format::Json => format!("{}\n", as_json(arguments.phase, passed, &verdicts)),
        Format::Text => as_table(arguments.phase, passed, &verdicts),
    };
    print(&text)?;
    if passed { Ok(()) } else { Err(Failure::NotMet) }
}

fn as_json(phase: u8, passed: bool, verdicts: &[Verdict]) -> Value {
    let rows = verdicts.iter().map(|verdict| {
        json!({
            "id": verdict.criterion.id,
            "words": verdict.criterion.words,
            "query": verdict.criterion.query,
            "wanted": verdict.criterion.wanted.text(),
            "value": verdict.value,
            "passed": verdict.passed(),
            "reason": verdict.reason(),
            "missing": verdict.missing,
        })
    });
    let rows: Vec<Value> = rows.collect();
    json!({ "phase": phase, "passed": passed, "criteria": rows })
}

fn as_table(phase: u8, passed: bool, verdicts: &[Verdict]) -> String {
    let mut rows = vec![["criterion", "value", "wanted", "verdict", ""].map(str::to_owned)];
    rows.extend(verdicts.iter().map(|verdict| {
        let value = verdict.value.map_or_else(|| "–".to_owned(), short);
        [
            verdict.criterion.id.to_owned(),
            value,
            verdict.criterion.wanted.text(),
            verdict.reason().to_owned(),
            verdict.criterion.words.to_owned(),
        ]
    }));
    let mut out = table::aligned(&rows);
    let failed: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| !verdict.passed())
        .map(|verdict| verdict.criterion.id)
        .collect();
    out.push_str(&match passed {
        true => format!("\nphase {phase}: all criteria are met\n"),
        false => format!("\nphase {phase}: not met: {}\n", failed.join(", ")),
    });
    for verdict in verdicts {
        if let Some(why) = &verdict.missing {
            out.push_str(&format!("no data for {}: {why}\n", verdict.criterion.id));
        }
    }
    out
}

/// Four digits that count.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.000_1 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
