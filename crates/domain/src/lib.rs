//! The pure core of Forewarm.
#![forbid(unsafe_code)]

pub mod time;
pub mod version;
pub mod chain;
pub mod key;
pub mod event;
pub mod mode;
pub mod outcome;

pub use chain::{ChainId, Chains};
pub use event::{Event, Op};
pub use key::{Key, PairName, PairNameError};
pub use mode::{ChainMode, Mode, Rollout};
pub use outcome::{Attempt, Operation, Outcome};
pub use time::Timestamp;
pub use version::{Version, supersedes};
