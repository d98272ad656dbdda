//! `forewarm config`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{ConfigArguments, Failure};
use crate::config::{reference, show};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print what is in force, each value with where it came from; secrets are masked.
    Show(ConfigArguments),
    /// Check a configuration; exit code 64 when it is refused.
    Check(ConfigArguments),
    /// Print the configuration reference.
    #[command(hide = true)]
    Docs(DocsArguments),
}

#[derive(Debug, Args)]
pub(super) struct DocsArguments {
    /// Compare with this file instead (default docs/configuration.md).
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/configuration.md")]
    check: Option<PathBuf>,
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(arguments) => print(&show(&arguments.load()?)),
        ConfigCommand::Check(arguments) => {
            let effective = arguments.load()?;
            let warming = &effective.config.warming;
            print(&format!(
                "the configuration is in order: mode {}, strategy {}, l2 {}\n",
                warming.mode.name(),
                warming.strategy.name(),
                effective.config.l2.backend.name()
            ))
        }
        ConfigCommand::Docs(arguments) => docs(arguments),
    }
}

fn docs(arguments: &DocsArguments) -> Result<(), Failure> {
    let wanted = reference();
    let Some(path) = &arguments.check else {
        return print(&wanted);
    };
    let shown = path.display();
    let found = std::fs::read_to_string(path).map_err(|error| {
        Failure::Input(anyhow::Error::new(error).context(format!("cannot read {shown}")))
    })?;
    let differs = found.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    if found == wanted {
        return Ok(());
    }
    let line = differs.unwrap_or_else(|| found.lines().count().min(wanted.lines().count())) + 1;
    Err(Failure::Internal(anyhow!(
        "{shown} is out of date from line {line} on; run: forewarm config docs > {shown}"
    )))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
