//! `cargo xtask bench …`: measurements that anyone can repeat, and where their figures go.

pub(crate) mod learning;
pub(crate) mod markers;
mod prefetch;
mod resp;
mod suites;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::workspace::Workspace;
use suites::Suite;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Option<Bench>,
    /// Everything that has a short form, in that form: prints the tables, writes no page
    #[arg(long)]
    quick: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Bench {
    /// Instructions that learning costs per event, against the number of active pairs
    Learning {
        /// Measure a little, write nothing, and fail if the cost grows with the active pairs
        #[arg(long)]
        check: bool,
    },
    /// What prefetching is worth over budgets and sizes of L1, on $FOREWARM_TRACES or generated streams
    Prefetch(prefetch::Options),
    /// Every piece of the hot path and of the whole loop, against its goal and its peers
    Load(suites::Options),
    /// Where each nanosecond goes, and how that grows: the table of docs/performance.md
    Pieces(suites::Options),
    /// Five minutes at 36,000 updates a second
    Stability(suites::Options),
    /// Ten times the pace for some seconds
    Spike(suites::Options),
    /// Memory of the process for 8,000 to 1,000,000 pairs
    Memory(suites::Options),
    /// Fifty readers and warmers at once
    Concurrency(suites::Options),
    /// The Redis port against a Redis: CPU per request, throughput, latency
    Resp(suites::Options),
}

/// Where the figures go.
const PAGE: &str = "docs/benchmarks.md";

pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<()> {
    let Arguments { bench, quick } = arguments;
    match bench {
        Some(bench) => one(workspace, bench, quick),
        None => all(workspace, quick),
    }
}

/// Everything: the suites, then what takes no options.
fn all(workspace: &Workspace, quick: bool) -> Result<()> {
    for suite in SUITES {
        println!("\n## {}\n", suite.name);
        suites::run(workspace, suite, suites::Options { quick })?;
    }
    if quick {
        return Ok(());
    }
    learning::run(workspace)?;
    resp::run(workspace, suites::Options { quick })?;
    prefetch::run(workspace, prefetch::Options::default())
}

const SUITES: [&Suite; 6] = [
    &suites::LOAD,
    &suites::PIECES,
    &suites::STABILITY,
    &suites::SPIKE,
    &suites::MEMORY,
    &suites::CONCURRENCY,
];

fn one(workspace: &Workspace, bench: Bench, quick: bool) -> Result<()> {
    let suite = |suite, options: suites::Options| {
        let quick = quick || options.quick;
        suites::run(workspace, suite, suites::Options { quick })
    };
    match bench {
        Bench::Learning { check: false } => learning::run(workspace),
        Bench::Learning { check: true } => learning::check(workspace),
        Bench::Prefetch(options) => prefetch::run(workspace, options),
        Bench::Load(options) => suite(&suites::LOAD, options),
        Bench::Pieces(options) => suite(&suites::PIECES, options),
        Bench::Stability(options) => suite(&suites::STABILITY, options),
        Bench::Spike(options) => suite(&suites::SPIKE, options),
        Bench::Memory(options) => suite(&suites::MEMORY, options),
        Bench::Concurrency(options) => suite(&suites::CONCURRENCY, options),
        Bench::Resp(options) => {
            let quick = quick || options.quick;
            resp::run(workspace, suites::Options { quick })
        }
    }
}
