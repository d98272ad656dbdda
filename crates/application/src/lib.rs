#![forbid(unsafe_code)]
//! The use cases of Forewarm.
pub mod generate;
pub mod governor;
pub mod learner;
pub mod ledger;
pub mod metrics;
pub mod ports;
pub mod replay;
pub mod trace;
