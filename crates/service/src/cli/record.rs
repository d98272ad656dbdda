//! `forewarm record`: a live stream as a trace.
//!
//! A source (a thread, or a task) sends lines; one loop writes them until the source ends, the
//! time is over or a signal says stop, and always finishes the file.

mod commands;
mod echoes;
mod monitor;
mod source;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::trace::{Naming, TraceColumns, TraceLine, TraceWriter};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::client::{Access, DEFAULT_SERVER};
use super::serve::{announce, run_to_end};
use super::{ConfigArguments, Failure, Overrides, duration};
use crate::signals::Signals;
use echoes::Echoes;
use source::{Line, Message, Source};
use tally::Tally;

pub(super) const EXAMPLES: &str = "\
SOURCE is one of
  http://HOST:PORT               a running Forewarm: every read and update that it hears of
  redis-stream:URL/STREAM        a Redis Stream, from its newest entry on; no group is made
  -                              standard input: what `redis-cli MONITOR` prints, an append-only
                                 file, or events as CSV or NDJSON; told apart by the first bytes

The trace holds times, keys and whether each was read or updated; never a value. It is CSV, or
NDJSON where the name says .ndjson or .jsonl, and compressed where it ends in .gz or .zst. Ctrl-C
ends it like --for does: the file is whole. What was lost on the way is counted and said.

Examples:
  forewarm record --out traffic.csv.gz --for 1h
  forewarm record --out prices.csv.zst --from redis-stream:redis://cache:6379/price-updates
  redis-cli -h cache MONITOR | forewarm record --out monitor.csv.gz --from - --for 10m
  forewarm replay traffic.csv.gz                   what would I gain?

MONITOR costs the server up to half of its throughput: minutes of it, not days. An append-only
file holds no reads, so that a replay of it alone has nothing to save.";

#[derive(Debug, Args)]
pub(super) struct RecordArguments {
    /// The trace; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// End by itself after this time; else Ctrl-C ends it, or the end of the source.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    limit: Option<Duration>,
    /// Where the stream comes from.
    #[arg(long, value_name = "SOURCE", default_value = DEFAULT_SERVER)]
    from: Source,
    /// How often a line of progress is printed where standard error is no terminal.
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = duration)]
    progress: Duration,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    overrides: Overrides,
}

pub(super) fn run(arguments: &RecordArguments) -> Result<(), Failure> {
    let effective = ConfigArguments {
        config: None,
        overrides: arguments.overrides.clone(),
    }
    .load()?;
    let codec =
        KeyCodec::new(&effective.config.keys.template).expect("the configuration has been checked");
    // Before the file is made: a source that is not there leaves no empty file behind.
    run_to_end(async {
        let mut signals = Signals::listen().map_err(Failure::internal)?;
        let messages = arguments
            .from
            .start(codec, &effective.config, &arguments.access)
            .await?;
        let mut file = Recording {
            writer: TraceWriter::create(&arguments.out, columns())?,
            echoes: Echoes::default(),
            tally: Tally::default(),
        };
        announce(&format!("forewarm: recording {}", arguments.from));
        let ended = write(&mut file, messages, arguments, &mut signals).await;
        end_progress();
        // Whatever happened: what was written is a whole file.
        let flushed = file.flush();
        let lines = file.writer.finish()?;
        announce(&file.tally.summary(lines, &arguments.out));
        flushed?;
        ended
    })
}

fn columns() -> TraceColumns {
    TraceColumns {
        naming: Naming::Keys,
        version: true,
        value: true,
    }
}

/// Writes until the end, whichever comes first.
async fn write(
    file: &mut Recording,
    mut messages: mpsc::Receiver<Message>,
    arguments: &RecordArguments,
    signals: &mut Signals,
) -> Result<(), Failure> {
    const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    let began = Instant::now();
    let end = began + arguments.limit.unwrap_or(EVER);
    let mut looks = interval(match io::stderr().is_terminal() {
        true => Duration::from_secs(1),
        false => arguments.progress.max(Duration::from_millis(10)),
    });
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    loop {
        let message = tokio::select! {
            biased;
            () = signals.stop() => break,
            () = sleep_until(end) => break,
            _ = looks.tick() => {
                progress(&file.tally.line(began.elapsed()));
                continue;
            }
            message = messages.recv() => message,
        };
        match message {
            Some(message) => file.take(message)?,
            None => return Ok(()),
        }
    }
    // What had come before the end was told is part of it.
    messages.close();
    while let Ok(message) = messages.try_recv() {
        file.take(message)?;
    }
    Ok(())
}

/// The file, and what is on its way into it.
struct Recording {
    writer: TraceWriter,
    echoes: Echoes,
    tally: Tally,
}

impl Recording {
    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Counts(counts) => {
                if let Some(words) = self.tally.told(counts) {
                    end_progress();
                    announce(&words);
                }
            }
            Message::Failed(failure) => return Err(failure),
            Message::Lines(lines) => {
                for line in lines {
                    if !self.writer.takes(&line.key) {
                        self.tally.left_out += 1;
                        continue;
                    }
                    self.tally.counts(&line);
                    if self.echoes.take(line) {
                        self.tally.told_twice();
                    }
                    while let Some(line) = self.echoes.released() {
                        self.write(&line)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// No more will come.
    fn flush(&mut self) -> Result<(), Failure> {
        while let Some(line) = self.echoes.rest() {
            self.write(&line)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), Failure> {
        self.writer.write(&TraceLine {
            at: line.at,
            chain: "",
            name: &line.key,
            op: line.op,
            version: line.version,
            // That there was a value matters to a replay, what it was does not.
            value: line.valued.then_some(b"*"),
        })?;
        Ok(())
    }
}

/// One line on standard error, on a terminal in place of the one before.
fn progress(line: &str) {
    let mut out = io::stderr().lock();
    let _ = if out.is_terminal() {
        write!(out, "\r\x1b[K{line}").and_then(|()| out.flush())
    } else {
        writeln!(out, "{line}")
    };
}

/// Leaves the progress line standing.
fn end_progress() {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let _ = writeln!(out);
    }
}
