//! The shared caches: embedded (a file of our own) and Redis.

pub mod embedded;
pub mod redis;

pub use embedded::{EmbeddedConfig, EmbeddedStore, OpenError};
pub use redis::{RedisConfig, RedisConfigError, RedisStore};
