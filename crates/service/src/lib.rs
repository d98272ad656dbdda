//! The service: configuration, wiring, loops, the HTTP interface and the command line.
//!
//! In reading order: [`config`], [`clock`], [`cli`].
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
