#![forbid(unsafe_code)]
//! The use cases of Forewarm.
pub mod attempts;
pub mod blocks;
pub mod breaker;
pub mod engine;
pub mod flights;
pub mod freshness;
pub mod generate;
pub mod governor;
pub mod learner;
pub mod ledger;
pub mod metrics;
pub mod ports;
pub mod replay;
pub mod rollout;
mod sync;
#[cfg(test)]
mod testing;
pub mod trace;
