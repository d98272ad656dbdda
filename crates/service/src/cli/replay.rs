//! `forewarm replay`.

mod html;
mod player;
mod progress;
mod report;
mod study;
mod tune;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use forewarm_application::replay::{Contender, L1Size};
use forewarm_application::trace::TraceEvent;
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::trace::{TraceError, TraceReader};

use super::{ConfigArguments, Failure, Overrides, duration};
use crate::config::{Effective, Strategy};
use player::Player;
use progress::Progress;

pub(super) const EXAMPLES: &str = "\
A trace is CSV with a header (or NDJSON), plain, .gz or .zst: ts_ms, pair (or key), and
optionally chain, op (update | read), version, value, size. Without op each line is a read that
also trains the model.

The model has room for every key of the recording (at most 1,000,000), as L1 is sized by them;
--set tracking.max_pairs=N gives it the room that it will have in service (10,000 by default).

Examples:
  forewarm replay trades.csv.gz
  forewarm replay trades.csv.gz --l1-entries 500 --strategies topn,adaptive --format json
  forewarm replay a.csv b.csv --l1-percent 5 --l2-latency 500us --set tracking.window=2s
  forewarm replay trades.csv.gz --format html --out report.html     one file, to send around
  forewarm replay trades.csv.gz --tune > forewarm.toml              settings found for this stream
  forewarm generate --events 50000 | forewarm replay -";

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// Recordings; `-` is standard input.
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// L1's size in entries.
    #[arg(long, value_name = "N", conflicts_with = "l1_percent",
          value_parser = clap::value_parser!(u64).range(1..))]
    l1_entries: Option<u64>,
    /// L1's size as a share of the distinct keys.
    #[arg(long, value_name = "P", default_value_t = 10.0, value_parser = percent)]
    l1_percent: f64,
    /// The strategies to try, separated by commas, or `all`.
    #[arg(long, default_value = "all", value_name = "LIST")]
    strategies: String,
    /// The baselines to play besides `off`, separated by commas, or `all`.
    #[arg(long, default_value = "all", value_name = "LIST")]
    baselines: String,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write the answer here instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// How long L2 takes to answer; 0 lets a warm land before the next line.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = duration)]
    l2_latency: Duration,
    /// Search the strategies' parameters and print a configuration file, its figures as comments.
    /// It chooses on the first half of the recording and judges on the second.
    #[arg(long, conflicts_with_all = ["format", "strategies", "baselines"])]
    tune: bool,
    /// Most runs of the search, each over the whole recording.
    #[arg(long, value_name = "N", default_value_t = 60, requires = "tune",
          value_parser = clap::value_parser!(u16).range(8..=1_000))]
    tune_runs: u16,
    /// Count malformed lines instead of stopping at the first.
    #[arg(long)]
    skip_bad_lines: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Html,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 100.0 => Ok(share),
        _ => Err("expected a percentage above 0, at most 100".to_owned()),
    }
}

pub(super) fn run(arguments: &ReplayArguments) -> Result<(), Failure> {
    let strategies = strategies(&arguments.strategies).map_err(Failure::Usage)?;
    baselines(&arguments.baselines).map_err(Failure::Usage)?;
    if arguments.tune && arguments.traces.len() > 1 {
        let error = anyhow!(
            "--tune takes one recording, and {} are given",
            arguments.traces.len()
        );
        return Err(Failure::Usage(error));
    }
    let effective = ConfigArguments {
        config: None,
        overrides: arguments.overrides.clone(),
    }
    .load()?;
    let mut out = output(arguments.out.as_deref())?;
    let mut sections = Vec::new();
    for path in &arguments.traces {
        let (events, skipped) = read(path, &effective, arguments.skip_bad_lines)?;
        if skipped > 0 {
            let _ = writeln!(
                io::stderr(),
                "forewarm: {skipped} malformed lines skipped in {}",
                path.display()
            );
        }
        let player = Player::new(&events, l1_size(arguments), arguments.l2_latency);
        if arguments.tune {
            let text = tune::tune(&player, path, &effective, arguments.tune_runs.into())?;
            out.write_all(text.as_bytes()).map_err(Failure::output)?;
            continue;
        }
        let contenders = contenders(&arguments.baselines, &strategies, &effective)?;
        if arguments.format == Format::Html {
            let overrides = &arguments.overrides;
            sections.push(study::study(
                &player,
                path,
                contenders,
                (&effective, overrides),
            )?);
            continue;
        }
        let answer = player.play(contenders, &player.config(&effective));
        let named = (arguments.traces.len() > 1).then_some(path.as_path());
        let text = match arguments.format {
            Format::Json => report::json(&answer, named),
            Format::Table | Format::Html => report::table(&answer, named),
        };
        out.write_all(text.as_bytes()).map_err(Failure::output)?;
        out.flush().map_err(Failure::output)?;
    }
    if !sections.is_empty() {
        let page = html::page(&sections);
        out.write_all(page.as_bytes()).map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}

fn l1_size(arguments: &ReplayArguments) -> L1Size {
    match arguments.l1_entries {
        Some(entries) => L1Size::Entries(usize::try_from(entries).unwrap_or(usize::MAX)),
        None => L1Size::Percent(arguments.l1_percent),
    }
}

/// The rules asked for, each once, in the order asked.
fn strategies(list: &str) -> anyhow::Result<Vec<Strategy>> {
    let names: Vec<&str> = match list {
        "all" => Strategy::NAMES.to_vec(),
        list => list.split(',').map(str::trim).collect(),
    };
    let mut chosen = Vec::new();
    for name in names {
        let strategy = Strategy::from_name(name).ok_or_else(|| {
            let known = Strategy::NAMES.join(", ");
            anyhow!("--strategies: unknown strategy {name:?}, expected all or some of {known}")
        })?;
        if !chosen.contains(&strategy) {
            chosen.push(strategy);
        }
    }
    Ok(chosen)
}

/// The baselines asked for, in the order of reports; `off` plays anyway.
fn baselines(list: &str) -> anyhow::Result<Vec<Contender>> {
    let mut all = Contender::baselines();
    if list == "all" {
        return Ok(all);
    }
    let asked: Vec<&str> = list.split(',').map(str::trim).collect();
    let known: Vec<&str> = all.iter().map(Contender::name).collect();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        bail!("--baselines: unknown baseline {unknown:?}, expected all or some of {known}");
    }
    all.retain(|baseline| asked.contains(&baseline.name()));
    Ok(all)
}

fn contenders(
    asked: &str,
    strategies: &[Strategy],
    effective: &Effective,
) -> Result<Vec<Contender>, Failure> {
    let mut contenders = baselines(asked).map_err(Failure::Usage)?;
    for strategy in strategies {
        let built = effective.config.warming.build(*strategy);
        let rule = built.map_err(|error| {
            let name = strategy.name();
            Failure::Usage(anyhow::Error::new(error).context(format!("warming.{name}")))
        })?;
        contenders.push(Contender::Strategy(rule));
    }
    Ok(contenders)
}

fn read(
    path: &Path,
    effective: &Effective,
    skip_bad_lines: bool,
) -> Result<(Vec<TraceEvent>, u64), Failure> {
    let template = &effective.config.keys.template;
    let codec = KeyCodec::new(template).expect("the configuration has been checked");
    let mut reader = TraceReader::open(path, &codec, skip_bad_lines)?;
    let progress = Progress::reading(path, reader.bytes_total());
    let mut events = Vec::new();
    while let Some(event) = reader.next() {
        events.push(event.map_err(|error: TraceError| Failure::from(error))?);
        if events.len() % 4_096 == 0 {
            progress.at(reader.bytes_read());
        }
    }
    progress.end();
    Ok((events, reader.skipped()))
}

fn output(path: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    match path.filter(|path| path.as_os_str() != "-") {
        None => Ok(Box::new(io::stdout())),
        Some(path) => {
            let file = File::create(path).map_err(|error| {
                let shown = path.display();
                Failure::Usage(
                    anyhow::Error::new(error).context(format!("--out: cannot write {shown}")),
                )
            })?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}
