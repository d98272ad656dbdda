//! In-memory ports for tests: exact, small, scriptable.

mod local;
mod shared;

pub(crate) use local::MemoryCache;
pub(crate) use shared::{Call, Fault, Shelf, stored};

use forewarm_domain::{ChainId, Key, Timestamp};

pub(crate) fn key(n: u32) -> Key {
    on_chain(n, ChainId::DEFAULT)
}

pub(crate) fn on_chain(n: u32, chain: ChainId) -> Key {
    Key::new(format!("k{n}"), 0, chain)
}

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}
