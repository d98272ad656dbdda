//! L2 with a stop-watch: latencies and errors of every call, for the metrics.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use forewarm_application::metrics::{CacheOp, Level, Metrics};
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::Key;
use tokio::time::Instant;

/// A shared cache whose calls are timed.
pub(crate) struct Timed {
    inner: Arc<dyn SharedCache>,
    metrics: Arc<Metrics>,
}

impl Timed {
    pub(crate) fn new(inner: Arc<dyn SharedCache>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    async fn time<T>(
        &self,
        op: CacheOp,
        call: impl Future<Output = Result<T, SharedCacheError>>,
    ) -> Result<T, SharedCacheError> {
        let started = Instant::now();
        let answer = call.await;
        self.metrics.cache_latency(op, Level::L2, started.elapsed());
        if answer.is_err() {
            self.metrics.cache_error(op, Level::L2);
        }
        answer
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timed({})", self.inner.backend())
    }
}

#[async_trait]
impl SharedCache for Timed {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let op = if keys.len() == 1 {
            CacheOp::Get
        } else {
            CacheOp::GetMany
        };
        self.time(op, self.inner.get_many(keys)).await
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        self.time(CacheOp::Set, self.inner.put(key, stored)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError> {
        self.inner.remove(key).await
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        self.inner.ping().await
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }
}
