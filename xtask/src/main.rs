//! `cargo xtask`: the development tasks of this repository.
//!
//! One file per command; this one only names them.

#![forbid(unsafe_code)]

mod alerts;
mod bench;
mod ci;
mod clock;
mod colour;
mod command;
mod dist;
mod grafana;
mod http;
mod layers;
mod live;
mod monitoring;
mod packaging;
mod picture;
mod setup;
mod soak;
mod stack;
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
    /// Checks dashboards, rules, routes and runbooks; with --prometheus, every panel's query live
    #[command(visible_alias = "validate")]
    Check {
        /// Ask this Prometheus instead, and list the queries without a sample
        #[arg(long, value_name = "URL")]
        prometheus: Option<String>,
        /// What $__rate_interval stands for: four scrape intervals or more
        #[arg(
            long,
            value_name = "DURATION",
            default_value = "1m",
            requires = "prometheus"
        )]
        rate_interval: String,
    },
    /// Measures one thing, or everything, and writes the figures into docs/benchmarks.md
    Bench(bench::Arguments),
    /// Plays hours of traffic against the real service, runs the long tests, writes docs/reliability.md
    Soak(soak::Arguments),
    /// Sends dashboards, alert rules, contact points and policies to a Grafana
    ProvisionGrafana(grafana::Arguments),
    /// Prometheus, Alertmanager and Redis as local processes that scrape a running Forewarm
    #[command(subcommand)]
    Stack(stack::Stack),
    /// Sends a test alert, or shows the notifications that arrive
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Packs the binary with its completions, manual pages, unit, configurations and licences
    Dist(dist::Arguments),
    /// Draws a dashboard from its JSON and the data of a live Prometheus
    Picture(picture::Arguments),
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
        Task::Check {
            prometheus: Some(url),
            rate_interval,
        } => live::run(&url, &rate_interval),
        Task::Check { .. } => monitoring::check::run(&workspace),
        Task::Bench(bench) => bench::run(&workspace, bench),
        Task::Soak(arguments) => soak::run(&workspace, &arguments),
        Task::ProvisionGrafana(arguments) => grafana::run(arguments),
        Task::Stack(stack) => stack::run(&workspace, stack),
        Task::Alerts(alerts) => alerts::run(alerts),
        Task::Dist(arguments) => dist::run(&workspace, &arguments),
        Task::Picture(arguments) => picture::run(&workspace, &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
