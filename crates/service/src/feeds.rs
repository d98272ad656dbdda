//! Feeds: the configured sources of events, started and watched.

pub(crate) mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forewarm_infrastructure::feeds::{EventSink, RedisStreamConfig, RedisStreamFeed, StreamFields};
use tokio::task::JoinHandle;

use crate::config::{Feed, FeedFields, FeedKind};
use crate::core::{Core, Sink};
use crate::service::StartError;

/// How long a stream's read may take beyond its wait for entries.
const STREAM_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks for entries that are to be taken over, in the time after which they are.
const CLAIMS: u32 = 3;

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
    let mut config = RedisStreamConfig::new(redis.connection(STREAM_TIMEOUT)?);
    config.stream.clone_from(&feed.stream);
    config.group.clone_from(&feed.group);
    config.fields = names(&feed.fields);
    config.claim_idle = feed.claim_after.0;
    config.claim_every = feed.claim_after.0 / CLAIMS;
    config.consumer = match &feed.consumer {
        Some(name) => name.clone(),
        None => consumer(&core.config.http.addr),
    };
    let sink: Arc<dyn EventSink> = Arc::new(Sink(Arc::clone(core)));
    Ok(RedisStreamFeed::start(config, core.codec.clone(), sink)?)
}

fn names(fields: &FeedFields) -> StreamFields {
    let FeedFields {
        chain,
        pair,
        key,
        op,
        ts_ms,
        value,
        version,
        block,
    } = fields.clone();
    StreamFields {
        chain,
        pair,
        key,
        op,
        ts_ms,
        value,
        version,
        block,
    }
}

/// A name that no other process has and that is the same after a restart, so that what this one
/// was given and has not acknowledged is given to it again: the host and the port that it listens
/// on. Where any port will do only the process id tells two of them apart; what it leaves behind
/// the others of the group take over.
pub(crate) fn consumer(addr: &str) -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    match addr.rsplit_once(':') {
        Some((_, port)) if port != "0" => format!("{host}:{port}"),
        _ => format!("{host}:{}", std::process::id()),
    }
}

fn recording(core: &Arc<Core>, feed: &Feed) -> Result<JoinHandle<()>, StartError> {
    let path: PathBuf = match feed.kind {
        FeedKind::Stdin => Path::new("-").to_owned(),
        _ => feed.path.clone().unwrap_or_default(),
    };
    file::start(Arc::clone(core), path, feed.speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_of_a_host_has_a_name_of_its_own_that_survives_a_restart() {
        let first = consumer("127.0.0.1:9464");
        assert_eq!(first, consumer("0.0.0.0:9464"));
        assert_ne!(first, consumer("127.0.0.1:9465"));
        assert!(first.ends_with(":9464") && first.len() > ":9464".len());
        let pid = format!(":{}", std::process::id());
        assert!(consumer("127.0.0.1:0").ends_with(&pid));
    }
}
