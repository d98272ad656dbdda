//! `cargo xtask bench …`: measurements that anyone can repeat, and where their figures go.

mod learning;
mod markers;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace::Workspace;

/// What can be measured.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Bench {
    /// Instructions that learning costs per event, against the number of active pairs
    Learning,
}

pub(crate) fn run(workspace: &Workspace, bench: Bench) -> Result<()> {
    match bench {
        Bench::Learning => learning::run(workspace),
    }
}
