//! Configuration: defaults < preset < TOML file < environment < `--set`, checked as a whole.
//!
//! [`Sources`] says where to look, [`load`] answers with an [`Effective`] configuration that
//! knows where each value came from, or with a [`ConfigError`] that names key, value, source
//! and what is allowed.

mod build;
mod check;
mod contenders;
mod docs;
mod error;
mod layers;
mod presets;
mod resp;
mod section;
mod sections;
mod show;
mod strategies;
mod telemetry;
mod tls;
mod units;

pub use contenders::Contenders;
pub use docs::reference;
pub use error::ConfigError;
pub use layers::{Effective, Sources, load};
pub use presets::PRESETS;
pub use resp::Resp;
pub use section::{Section, Setting, Value};
pub use sections::{
    Backend, Budget, Config, Embedded, ExtraReads, Feed, FeedFields, FeedKind, Http, Invalidation,
    InvalidationMode, Keys, L1, L2, ModeName, ModelFile, Redis, Rollout, RolloutChain, Shadow,
    Tracking, Warming,
};
pub use show::show;
pub use strategies::{Adaptive, Aggressive, Conservative, Strategy, Threshold, TimeBased, TopN};
pub use telemetry::{LogFormat, Telemetry};
pub(crate) use tls::is_local;
pub use tls::{ListenerTls, RedisTls};
pub use units::{Secret, ServerUrl, Size, Span, UnitError};

#[cfg(test)]
mod tests;
