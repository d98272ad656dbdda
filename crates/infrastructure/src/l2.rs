//! The shared caches: embedded (a file of our own) and Redis.

pub mod embedded;
pub mod redis;

pub use embedded::{EmbeddedConfig, EmbeddedStore, OpenError, Record};
pub use redis::{Encryption, Greeting, RedisConfig, RedisConfigError, RedisStore, encryption_of};
