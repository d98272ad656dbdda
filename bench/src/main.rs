//! The load generator behind `cargo xtask bench`: the whole of Forewarm, timed in one process.
//!
//! Each suite prints one JSON object a row; `cargo xtask bench` makes the tables of them. What is
//! compared is measured in the same run, in alternating rounds, and the medians of the rounds
//! are what counts: a machine that gets busier does so for both sides.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "a stopwatch reads the clock: nothing here is the product"
)]

mod arrival;
mod bare;
mod concurrency;
mod demand;
mod flat_out;
mod hit;
mod job;
mod memory;
mod observe;
mod pieces;
mod row;
mod stability;
mod start;
mod stopwatch;
mod warm;
mod world;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "forewarm-bench")]
struct Arguments {
    #[command(subcommand)]
    suite: Suite,
    /// Shorter runs, for every day
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Suite {
    /// `observe_update` on the caller's thread
    Observe,
    /// A hit of L1 against the bare caches
    Hit,
    /// Where each nanosecond goes, and how that grows
    Pieces,
    /// One warm against the bare commands on a connection
    Warm,
    /// From an update to its partner in L1
    Arrival,
    /// The whole loop flat out
    FlatOut,
    /// Demand reads with warming on and off
    Demand,
    /// From the start of a process to `/readyz`
    Start,
    /// Minutes at a steady pace
    Stability,
    /// Ten times the pace for some seconds
    Spike,
    /// Memory for so many pairs
    Memory {
        /// How many
        #[arg(long, default_value_t = 8_000)]
        pairs: usize,
    },
    /// Fifty readers and warmers at once
    Concurrency,
    /// What `start` measures: a service that ends with its standard input
    #[command(hide = true)]
    Serve {
        /// Its store and its model
        folder: PathBuf,
    },
}

fn main() -> Result<()> {
    let Arguments { suite, quick } = Arguments::parse();
    match suite {
        Suite::Observe => observe::run(quick),
        Suite::Hit => hit::run(quick),
        Suite::Pieces => pieces::run(quick),
        Suite::Warm => warm::run(quick),
        Suite::Arrival => arrival::run(quick),
        Suite::FlatOut => flat_out::run(quick),
        Suite::Demand => demand::run(quick),
        Suite::Start => start::run(quick),
        Suite::Stability => stability::run(quick),
        Suite::Spike => stability::spike(quick),
        Suite::Memory { pairs } => memory::run(pairs),
        Suite::Concurrency => concurrency::run(quick),
        Suite::Serve { folder } => start::serve(&folder),
    }
}
