//! The service: configuration, wiring, loops, the HTTP interface and the command line.
//!
//! In reading order:
//!
//! 1. [`config`]: every setting, its default, its range, its origin;
//! 2. [`core`], [`clock`]: the engine with its names, its time and its wake-ups; how it is put
//!    together and driven is in `wiring` and `loops`;
//! 3. [`service`]: the handle, also for programs that embed Forewarm;
//! 4. [`http`], [`resp`], `feeds`: the surfaces; [`invalidation`]: how L1 learns of changes in L2;
//! 5. [`cli`]: the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
mod explain;
mod feeds;
mod figures;
pub mod http;
pub mod invalidation;
mod loops;
mod pace;
pub mod resp;
pub mod service;
mod shadow;
mod signals;
mod snapshot;
mod timed;
mod wiring;

pub use service::{Builder, Forewarm, StartError};
