//! The command line.

mod capacity;
mod client;
mod config;
mod demo;
mod exit;
mod explain;
mod generate;
mod health;
mod model;
mod pages;
mod prometheus;
mod record;
mod replay;
mod report;
mod rollout;
mod serve;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{ConfigError, Effective, Sources, load};
pub use exit::Failure;

const EXAMPLES: &str = "\
Examples:
  forewarm demo --for 20s                         see it work, without a server
  forewarm replay trades.csv.gz                   what would I gain? a backtest on a recording
  forewarm --preset shadow --config forewarm.toml watch and account, fetch nothing
  forewarm --set l2.backend=redis --set l2.redis.url=redis://127.0.0.1:6379
  forewarm config show --preset production        what is in force, and where it came from

Exit codes: 0 done, 64 bad usage or configuration, 66 unreadable input, 69 a needed server is
unavailable, 70 internal error; 1 where a check was made and is not met.";

/// A predictive near-cache: learns which keys are read together and fetches them before they
/// are asked for. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "forewarm", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM or Ctrl-C.
    #[command(after_help = serve::EXAMPLES)]
    Serve(ConfigArguments),
    /// Show what Forewarm does: a store of its own, a generated market or your recording.
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArguments),
    /// Write a trace from a documented model, the same for the same seed.
    #[command(after_help = generate::EXAMPLES)]
    Generate(generate::GenerateArguments),
    /// Backtest on recordings, in virtual time; the same input gives the same answer.
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::ReplayArguments),
    /// Estimate memory, processor and L2 reads for a load.
    #[command(after_help = capacity::EXAMPLES)]
    Capacity(capacity::CapacityArguments),
    /// Ask a running Forewarm whether it is ready.
    #[command(after_help = health::EXAMPLES)]
    Health(health::HealthArguments),
    /// Print the completions of a shell.
    #[command(after_help = pages::COMPLETIONS)]
    Completions(pages::CompletionsArguments),
    /// Print or write the manual pages.
    #[command(after_help = pages::MAN)]
    Man(pages::ManArguments),
    /// Write a live stream down as a trace, to be replayed.
    #[command(after_help = record::EXAMPLES)]
    Record(record::RecordArguments),
    /// Say why a pair is or isn't warmed, by a running service.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArguments),
    /// Save, load or merge what services have learned.
    #[command(subcommand, after_help = model::EXAMPLES)]
    Model(model::ModelCommand),
    /// Check a phase of the roll-out, switch modes, roll back.
    #[command(subcommand, after_help = rollout::EXAMPLES)]
    Rollout(rollout::RolloutCommand),
    /// Say what is normal here and which alerts were right, by a Prometheus.
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArguments),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Where configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArguments {
    /// A TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// Configuration on the command line alone.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Overrides {
    /// A preset: development, shadow, conservative, balanced, aggressive, production.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// One setting, over all others; may be repeated.
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<String>,
}

impl ConfigArguments {
    /// The sources, the environment of this process among them.
    fn sources(&self) -> Sources {
        Sources {
            preset: self.overrides.preset.clone(),
            file: self.config.clone(),
            set: self.overrides.set.clone(),
            ..Sources::default()
        }
        .with_process_env()
    }

    fn load(&self) -> Result<Effective, ConfigError> {
        load(&self.sources())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    exit::guarded(|| exit::report(run(cli)))
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(arguments)) => serve::run(&arguments),
        Some(Command::Demo(arguments)) => demo::run(&arguments),
        Some(Command::Generate(arguments)) => generate::run(&arguments),
        Some(Command::Replay(arguments)) => replay::run(&arguments),
        Some(Command::Capacity(arguments)) => capacity::run(&arguments),
        Some(Command::Health(arguments)) => health::run(&arguments),
        Some(Command::Completions(arguments)) => pages::completions(&arguments, Cli::command()),
        Some(Command::Man(arguments)) => pages::man(&arguments, Cli::command()),
        Some(Command::Record(arguments)) => record::run(&arguments),
        Some(Command::Explain(arguments)) => explain::run(&arguments),
        Some(Command::Model(command)) => model::run(&command),
        Some(Command::Rollout(command)) => rollout::run(&command),
        Some(Command::Report(arguments)) => report::run(&arguments),
        Some(Command::Config(command)) => config::run(&command),
    }
}

/// A duration of the command line: `30s`, `500us`, `1m30s`.
fn duration(text: &str) -> Result<std::time::Duration, crate::config::UnitError> {
    text.parse::<crate::config::Span>().map(|span| span.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_with_the_same_arguments() {
        let cli = Cli::try_parse_from(["forewarm", "--preset", "shadow", "--set", "a.b=c"]);
        let cli = cli.expect("accepted");
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.overrides.preset.as_deref(), Some("shadow"));
        assert_eq!(cli.serve.overrides.set, ["a.b=c"]);
    }
}
