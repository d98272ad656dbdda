//! Every L2 keeps the same contract; what is special to each stands in a module of its own.

mod contract;
mod dial;
mod embedded;
mod near;
mod records;
mod redis;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::Stored;
use forewarm_domain::{ChainId, Key, Version};

fn key(bytes: impl Into<Bytes>) -> Key {
    Key::new(bytes, 0, ChainId::DEFAULT)
}

fn value(bytes: impl Into<Bytes>) -> Stored {
    Stored {
        value: bytes.into(),
        version: None,
        ttl: None,
    }
}

fn versioned(bytes: &'static str, version: u64) -> Stored {
    Stored {
        version: Some(Version(version)),
        ..value(bytes)
    }
}

/// Waits until a condition holds; 10 s is far beyond any of them.
async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let began = tokio::time::Instant::now();
    while !condition().await {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "not within 10 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
