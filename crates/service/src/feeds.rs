//! Feeds: the configured sources of events, started and watched.

pub(crate) mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forewarm_infrastructure::feeds::{EventSink, RedisStreamConfig, RedisStreamFeed};
use tokio::task::JoinHandle;

use crate::config::{Feed, FeedKind};
use crate::core::{Core, Sink};
use crate::service::StartError;

/// How long a stream's read may take beyond its wait for entries.
const STREAM_TIMEOUT: Duration = Duration::from_secs(2);

/// The running feeds. Dropping them stops them.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    streams: Vec<RedisStreamFeed>,
    files: Vec<JoinHandle<()>>,
}

impl Feeds {
    /// Starts what is configured; `http` needs nothing.
    pub(crate) fn start(core: &Arc<Core>) -> Result<Self, StartError> {
        let mut feeds = Self::default();
        for feed in &core.config.feeds {
            match feed.kind {
                FeedKind::Http => {}
                FeedKind::RedisStream => feeds.streams.push(stream(core, feed)?),
                FeedKind::File | FeedKind::Stdin => feeds.files.push(recording(core, feed)?),
            }
        }
        Ok(feeds)
    }

    /// The lag of the slowest stream; `None` without one.
    pub(crate) fn lag(&self) -> Option<Duration> {
        self.streams
            .iter()
            .filter_map(|feed| feed.stats().behind())
            .max()
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        for task in &self.files {
            task.abort();
        }
    }
}

fn stream(core: &Arc<Core>, feed: &Feed) -> Result<RedisStreamFeed, StartError> {
    let mut redis = core.config.l2.redis.clone();
    if let Some(url) = &feed.url {
        // Another server has its own credentials, in its URL.
        (redis.user, redis.password) = (None, None);
        redis.url = url.clone();
    }
    redis.pool_size = 1;
    let mut config = RedisStreamConfig::new(redis.connection(STREAM_TIMEOUT));
    config.stream.clone_from(&feed.stream);
    config.group.clone_from(&feed.group);
    config.consumer = feed.consumer.clone().unwrap_or_else(consumer);
    let sink: Arc<dyn EventSink> = Arc::new(Sink(Arc::clone(core)));
    Ok(RedisStreamFeed::start(config, core.codec.clone(), sink)?)
}

/// A name that stays the same over restarts of this machine's service.
fn consumer() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty());
    host.unwrap_or_else(|| "forewarm".to_owned())
}

fn recording(core: &Arc<Core>, feed: &Feed) -> Result<JoinHandle<()>, StartError> {
    let path: PathBuf = match feed.kind {
        FeedKind::Stdin => Path::new("-").to_owned(),
        _ => feed.path.clone().unwrap_or_default(),
    };
    file::start(Arc::clone(core), path, feed.speed)
}
