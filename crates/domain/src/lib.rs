//! The pure core of Forewarm: pairs, keys, time as a value, the model of what is read
//! together, and the vocabulary of selection and accounting.
//!
//! Nothing here reads a clock, does I/O or takes a lock; `now` is always an argument. In reading
//! order:
//!
//! 1. [`key`], [`pair`], [`chain`]: what things are called, inside and outside;
//! 2. [`event`], [`co_occurrence`], [`correlation`], [`score`], [`decay`], [`model`]: learning;
//! 3. [`selection`], [`usefulness`], [`expectation`]: the trait that turns associations into
//!    candidates, how likely each is to be read in time, and whether it was;
//! 4. [`mode`], [`outcome`], [`version`]: who is warmed, what became of it, what is newer.
#![forbid(unsafe_code)]

pub mod chain;
pub mod co_occurrence;
mod compact;
pub mod correlation;
pub mod decay;
pub mod event;
pub mod expectation;
pub mod history;
pub mod key;
pub mod mode;
pub mod model;
mod number;
pub mod outcome;
pub mod pair;
pub mod score;
pub mod selection;
pub mod time;
pub mod usefulness;
pub mod version;

pub use chain::{ChainId, Chains};
pub use co_occurrence::{SourceKind, WindowConfig};
pub use compact::compact;
pub use correlation::{Association, Detail};
pub use event::{Event, Op};
pub use expectation::{Expectations, Horizon, Verdict, Vote};
pub use history::History;
pub use key::{Key, KeyRef, PairName, PairNameError};
pub use mode::{ChainMode, Mode, Rollout};
pub use model::{Model, ModelConfig, Refused};
pub use outcome::{Attempt, Operation, Outcome};
pub use pair::PairId;
pub use selection::{
    Candidate, Network, Reason, SelectionContext, SelectionStrategy, WindowStatistics,
};
pub use time::Timestamp;
pub use usefulness::{Estimator, Evidence, Remembered, Standing, Trigger};
pub use version::{Version, supersedes};
