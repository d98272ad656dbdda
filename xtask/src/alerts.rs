//! `cargo xtask alerts …`: seeing that rules are tested and that a notification arrives.

mod listen;
mod send;

use anyhow::Result;
use clap::Subcommand;

use crate::monitoring::mutate;
use crate::monitoring::thresholds::Thresholds;

/// What can be done with alerts.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Alerts {
    /// Sends a synthetic alert that resolves itself, to see a route work
    Send(send::Arguments),
    /// Prints the notifications that arrive as webhooks
    Listen(listen::Arguments),
    /// Changes every rule in every small way and counts the changes that no test notices
    Mutate {
        /// Try one mutant in so many
        #[arg(long, default_value_t = 1, value_name = "N")]
        one_in: usize,
    },
}

pub(crate) fn run(alerts: Alerts) -> Result<()> {
    match alerts {
        Alerts::Send(arguments) => send::run(&arguments),
        Alerts::Listen(arguments) => listen::run(&arguments),
        Alerts::Mutate { one_in } => mutate::run(&Thresholds::default(), one_in),
    }
}
