//! A Redis Stream followed without a consumer group: for whoever only writes it down. Leaves no
//! trace in the server.
//!
//! What is trimmed away before it was read is lost, and counted: `XINFO STREAM` says how many
//! entries were ever added, so that whenever the tail has caught up the difference is exact.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, StreamsInterface};
use fred::types::Value;
use fred::types::config::Options;
use tokio::time::{sleep, timeout};

use super::StreamFields;
use super::entry::{Entry, read_delivered};
use super::info::{Id, StreamInfo, stream_info};
use crate::codec::KeyCodec;
use crate::feeds::FeedEvent;
use crate::l2::redis::{RedisConfig, RedisConfigError, text};

/// Entries per read.
const BATCH: u64 = 1_000;
/// How long a read waits for entries.
const BLOCK: Duration = Duration::from_millis(500);

/// Why a stream cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The settings can never work.
    #[error(transparent)]
    Config(#[from] RedisConfigError),
    /// The server does not answer, or not as a Redis with streams does.
    #[error("cannot follow the stream {stream:?}: {reason}")]
    Server {
        /// Which stream.
        stream: String,
        /// The client's words, without secrets.
        reason: String,
    },
}

/// A stream from now on. Dropping it ends the connection.
#[derive(Debug)]
pub struct StreamTail {
    client: Client,
    _connection: AbortOnDrop,
    stream: String,
    fields: StreamFields,
    codec: KeyCodec,
    /// What had been added when it began.
    began: Option<u64>,
    last_id: String,
    received: u64,
    bad: u64,
    lost: u64,
}

impl StreamTail {
    /// Connects, and begins behind the newest entry there is.
    pub async fn open(
        redis: RedisConfig,
        stream: &str,
        fields: StreamFields,
        codec: KeyCodec,
    ) -> Result<Self, TailError> {
        let settings = redis.client(redis.database()?)?;
        let client = Client::new(
            settings.server,
            Some(settings.performance),
            Some(settings.connection),
            Some(settings.policy),
        );
        let connection = AbortOnDrop(client.connect());
        let failed = |reason: String| TailError::Server {
            stream: stream.to_owned(),
            reason,
        };
        match timeout(redis.connect_timeout * 2, client.wait_for_connect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(text(&error))),
            Err(_) => return Err(failed("no connection in time".to_owned())),
        }
        let state = stream_info(&client, stream)
            .await
            .map_err(|error| failed(text(&error)))?;
        Ok(Self {
            client,
            _connection: connection,
            stream: stream.to_owned(),
            fields,
            codec,
            began: state.added,
            last_id: state.last.to_string(),
            received: 0,
            bad: 0,
            lost: 0,
        })
    }

    /// The next entries as events, after at most half a second (then perhaps none). An entry that
    /// is no event is counted; a lost connection comes back and goes on where it was.
    pub async fn read(&mut self) -> Vec<FeedEvent> {
        let entries = match self.entries().await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(%error, "the stream is not answering");
                sleep(BLOCK).await;
                return Vec::new();
            }
        };
        let mut events = Vec::with_capacity(entries.len());
        if let Some(last) = entries.last() {
            self.last_id.clone_from(&last.id);
        }
        self.received += entries.len() as u64;
        for entry in entries {
            match entry.event(&self.fields, &self.codec) {
                Ok(event) => events.push(event),
                Err(_) => self.bad += 1,
            }
        }
        if let Ok(state) = stream_info(&self.client, &self.stream).await {
            self.account(&state);
        }
        events
    }

    /// Entries that were no events.
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// Entries that were trimmed away before they were read, as far as is known.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether losses can be counted: the server is a Redis 7 or later.
    pub fn counts_losses(&self) -> bool {
        self.began.is_some()
    }

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let options = Options {
            timeout: Some(BLOCK + Duration::from_secs(2)),
            ..Options::default()
        };
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let client = self.client.with_options(&options);
        let (stream, last) = (self.stream.as_str(), self.last_id.as_str());
        let answer: Value = client.xread(Some(BATCH), Some(block), stream, last).await?;
        read_delivered(answer)
    }

    /// Exact when nothing has been added since the last entry read; else it waits.
    fn account(&mut self, state: &StreamInfo) {
        let (Some(began), Some(added)) = (self.began, state.added) else {
            return;
        };
        if Id::parse(&self.last_id) == Some(state.last) {
            self.lost = added.saturating_sub(began).saturating_sub(self.received);
        }
    }
}

/// The client's own task must end with the tail's.
#[derive(Debug)]
struct AbortOnDrop(fred::types::ConnectHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
