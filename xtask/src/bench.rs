//! `cargo xtask bench …`: measurements that anyone can repeat, and where their figures go.

pub(crate) mod learning;
mod markers;
mod prefetch;
mod resp;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace::Workspace;

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
    /// The Redis port against a Redis: CPU per request, throughput, latency
    Resp,
}

/// Where the figures go.
const PAGE: &str = "docs/benchmarks.md";

pub(crate) fn run(workspace: &Workspace, bench: Bench) -> Result<()> {
    match bench {
        Bench::Learning { check: false } => learning::run(workspace),
        Bench::Learning { check: true } => learning::check(workspace),
        Bench::Prefetch(options) => prefetch::run(workspace, options),
        Bench::Resp => resp::run(workspace),
    }
}
