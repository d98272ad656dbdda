//! The rules of selection: which partners of a pair are worth fetching, one rule per file.
//!
//! Every rule implements [`SelectionStrategy`](forewarm_domain::SelectionStrategy) and *returns*
//! candidates; it fetches nothing, reads no clock and allocates nothing once the caller's vector
//! has grown. In reading order:
//!
//! 1. [`kind`]: their names, and each with its defaults;
//! 2. [`top_n`], [`threshold`], [`conservative`]: a floor and a limit;
//! 3. [`time_based`]: score and recency; [`aggressive`]: partners of partners;
//! 4. [`adaptive`]: a controller on the measured hit rate and precision;
//! 5. [`parameter`]: why a parameter is refused.
//!
//! `select` appends: what the caller's vector held is left as it was, and counts neither
//! against the limit nor as chosen. Hand in an empty one to stay free of allocations.
#![forbid(unsafe_code)]

pub mod adaptive;
pub mod aggressive;
pub mod conservative;
pub mod kind;
pub mod parameter;
pub mod threshold;
pub mod time_based;
pub mod top_n;

mod shortlist;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fixture;

pub use adaptive::{Adaptive, AdaptiveParameters};
pub use aggressive::{Aggressive, AggressiveParameters};
pub use conservative::{Conservative, ConservativeParameters};
pub use kind::{StrategyKind, UnknownStrategy, build_default};
pub use parameter::InvalidParameter;
pub use threshold::{Threshold, ThresholdParameters};
pub use time_based::{TimeBased, TimeBasedParameters};
pub use top_n::{TopN, TopNParameters};
