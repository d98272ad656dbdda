//! The adapters of Forewarm: key codec, shared caches, feeds.
#![forbid(unsafe_code)]

pub mod codec;

pub use codec::{KeyCodec, TemplateError};
