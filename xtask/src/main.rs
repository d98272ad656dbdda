//! `cargo xtask`: the development tasks of this repository.
//!
//! One file per command; this one only names them.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod clock;
mod command;
mod layers;
mod monitoring;
mod setup;
mod steps;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use monitoring::thresholds::Thresholds;
use workspace::Workspace;

/// Development tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that CI runs, cheap first; stops at the first failure
    Ci,
    /// Installs the distribution packages that the tests need, or names them
    Setup,
    /// Checks the layers, the files and the links of the repository
    Tidy,
    /// Writes the generated files: dashboards, rules, their tests, routes, docs
    Gen {
        /// Compare instead, and fail where they differ
        #[arg(long)]
        check: bool,
        /// A TOML file with other levels and addresses for this site
        #[arg(long, value_name = "FILE")]
        thresholds: Option<PathBuf>,
    },
    /// Checks dashboards, rules, routes and runbooks
    #[command(visible_alias = "validate")]
    Check,
    /// Tries the alerts
    #[command(subcommand)]
    Alerts(Alerts),
    /// Measures, and writes the figures into docs/benchmarks.md
    #[command(subcommand)]
    Bench(bench::Bench),
}

#[derive(Subcommand)]
enum Alerts {
    /// Changes every rule in every small way and counts the changes that no test notices
    Mutate {
        /// Try one mutant in so many
        #[arg(long, default_value_t = 1, value_name = "N")]
        one_in: usize,
    },
}

fn main() -> ExitCode {
    let workspace = Workspace::locate();
    let result = match Arguments::parse().task {
        Task::Ci => ci::run(&workspace),
        Task::Setup => setup::run(),
        Task::Tidy => tidy::run(&workspace),
        Task::Gen { check, thresholds } => thresholds
            .map_or_else(
                || Ok(Thresholds::default()),
                |file| Thresholds::from_file(&file),
            )
            .and_then(|thresholds| monitoring::generate::run(&workspace, &thresholds, check)),
        Task::Check => monitoring::check::run(&workspace),
        Task::Alerts(Alerts::Mutate { one_in }) => {
            monitoring::mutate::run(&Thresholds::default(), one_in)
        }
        Task::Bench(bench) => bench::run(&workspace, bench),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
