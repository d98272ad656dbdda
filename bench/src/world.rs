//! What is measured: a running Forewarm, its keys, and shared caches of several kinds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use forewarm_application::engine::Update;
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::{Key, Version};
use forewarm_service::Forewarm;

/// A trading pair's state, about as large as one is; on the heap and shared, as what a feed brings.
pub(crate) fn value() -> Bytes {
    let value = Bytes::from(vec![b'7'; 96]);
    drop(value.clone());
    value
}

/// An L2 in this process that answers at once: what is left is Forewarm's own time.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    values: Mutex<HashMap<Key, Bytes>>,
    /// The answer to every key that was never written.
    full: Option<Bytes>,
}

impl Memory {
    /// One that has a value for every key.
    pub(crate) fn full() -> Self {
        Self {
            full: Some(value()),
            ..Self::default()
        }
    }
}

#[async_trait]
impl SharedCache for Memory {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |key| {
            let held = values.get(key).cloned();
            let value = held.or_else(|| self.full.clone())?;
            Some(Stored {
                value,
                version: None,
                ttl: None,
            })
        };
        Ok(keys.iter().map(one).collect())
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(key.clone(), stored.value.clone());
        Ok(Kept::This)
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(values.remove(key).is_some())
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "memory"
    }
}

/// `pairs` keys as the template makes them, their bytes shared.
pub(crate) fn keys(forewarm: &Forewarm, pairs: usize) -> Result<Vec<Key>> {
    let key = |n: usize| {
        let key = forewarm.key("ethereum", &format!("0x{:040x}", n * 7_919))?;
        // Whoever clones it first would pay for sharing it.
        drop(key.clone());
        Ok(key)
    };
    (0..pairs).map(key).collect()
}

/// An update of now; with `version` it carries the value.
pub(crate) fn update(forewarm: &Forewarm, version: Option<u64>) -> Update {
    Update {
        at: forewarm.core().clock.now(),
        version: version.map(Version),
        value: version.map(|_| value()),
        ttl: None,
    }
}

/// A small, fast, seeded source of numbers (xorshift64*), so that what draws costs next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * end as u64) >> 32) as usize
    }
}

/// Waits until nothing is left to be done, at most ten seconds.
pub(crate) async fn settle(forewarm: &Forewarm) {
    for _ in 0..10_000 {
        if forewarm.core().engine.is_idle() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A runtime as the binary's.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}
