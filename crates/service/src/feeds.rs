//! Feeds: everything that turns a source of events into calls of the core.

pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod redis_stream;
