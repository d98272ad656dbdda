//! The adapters of Forewarm: key codec, shared caches, feeds.
#![forbid(unsafe_code)]

pub mod clock;
pub mod codec;
pub mod feeds;
pub mod l1;
pub mod l2;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod trace;
pub mod tracking_link;

pub use codec::{KeyCodec, TemplateError};
