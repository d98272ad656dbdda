//! A Redis Stream read through a consumer group: at least once, for ever.
//!
//! ```text
//! entry ─► XREADGROUP ─► sink ─► XACK         malformed: counted, logged, acknowledged
//! after a start or an error: first what this consumer was given and never acknowledged (id 0)
//! handed over and not acknowledged because that failed: acknowledged when it comes again, and no more
//! every `claim_every`: what any consumer has held for `claim_idle` (XAUTOCLAIM), and the lag
//! every second, after an error, and oftener while there is more to read: was anything trimmed unread?
//! ```

mod entry;
mod gaps;
mod info;
mod stats;
mod tail;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use forewarm_domain::Timestamp;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, StreamsInterface};
use fred::types::Value;
use fred::types::config::Options;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::EventSink;
use crate::clock;
use crate::codec::KeyCodec;
use crate::l2::redis::{RedisConfig, RedisConfigError, keep_connected, text};
use entry::{Claimed, Entry, read_claimed, read_delivered};
use gaps::{Gaps, Look};
use info::{Id, group_info, stream_info};
pub use stats::StreamStats;
pub use tail::{StreamTail, TailError};

/// Why entries that somebody was given are lost all the same.
const DELETED: &str = "they were deleted after they had been given to a consumer";
/// How often it is looked at what was trimmed unread.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while there is more than one read brings: somebody may be trimming it. Two round trips each.
const LOOK_BEHIND: Duration = Duration::from_millis(100);

/// Which stream, as whom, and how.
#[derive(Debug, Clone)]
pub struct RedisStreamConfig {
    /// The server.
    pub redis: RedisConfig,
    /// The stream's key. Default `price-updates`.
    pub stream: String,
    /// The consumer group; made when missing, beginning with what is added from then on.
    /// Default `forewarm`.
    pub group: String,
    /// This consumer's name in the group: one of its own per process, the same after a restart.
    /// Default `forewarm`.
    pub consumer: String,
    /// What the entry's fields are called.
    pub fields: StreamFields,
    /// Entries per read. Default 256.
    pub batch: u64,
    /// How long a read waits for entries. Default 1 s.
    pub block: Duration,
    /// An entry held this long without acknowledgement is taken over. Default 30 s.
    pub claim_idle: Duration,
    /// How often such entries are looked for. Default 10 s.
    pub claim_every: Duration,
}

/// The names of an entry's fields. Others in the entry are ignored.
#[derive(Debug, Clone)]
pub struct StreamFields {
    /// Default `chain`.
    pub chain: String,
    /// Default `pair`.
    pub pair: String,
    /// In place of chain and pair, the exact key. Default `key`.
    pub key: String,
    /// Default `op`; absent = update.
    pub op: String,
    /// Default `ts_ms`; absent = the time in the entry's id.
    pub ts_ms: String,
    /// Default `value`.
    pub value: String,
    /// Default `version`.
    pub version: String,
    /// Default `block`: the block of the chain that the change was made in.
    pub block: String,
}

impl Default for StreamFields {
    fn default() -> Self {
        Self {
            chain: "chain".to_owned(),
            pair: "pair".to_owned(),
            key: "key".to_owned(),
            op: "op".to_owned(),
            ts_ms: "ts_ms".to_owned(),
            value: "value".to_owned(),
            version: "version".to_owned(),
            block: "block".to_owned(),
        }
    }
}

impl RedisStreamConfig {
    /// The defaults, on a server.
    pub fn new(redis: RedisConfig) -> Self {
        Self {
            redis,
            stream: "price-updates".to_owned(),
            group: "forewarm".to_owned(),
            consumer: "forewarm".to_owned(),
            fields: StreamFields::default(),
            batch: 256,
            block: Duration::from_secs(1),
            claim_idle: Duration::from_secs(30),
            claim_every: Duration::from_secs(10),
        }
    }
}

/// A running feed. Dropping it stops it; what was handed over and not yet acknowledged is
/// delivered again to the next consumer.
#[derive(Debug)]
pub struct RedisStreamFeed {
    stats: Arc<StreamStats>,
    tasks: Vec<JoinHandle<()>>,
}

impl RedisStreamFeed {
    /// Starts reading and returns at once, whether the server is there or not; must be called inside a
    /// tokio runtime. Fails only on a configuration that can never work.
    pub fn start(
        config: RedisStreamConfig,
        codec: KeyCodec,
        sink: Arc<dyn EventSink>,
    ) -> Result<Self, RedisConfigError> {
        let settings = config.redis.client(config.redis.database()?)?;
        let client = Client::new(
            settings.server,
            Some(settings.performance),
            Some(settings.connection),
            Some(settings.policy),
        );
        let stats = Arc::new(StreamStats::default());
        let connection = keep_connected(client.clone(), config.redis.reconnect_min);
        let reader = Reader {
            client,
            codec,
            sink,
            stats: Arc::clone(&stats),
            last_seen: None,
            attached: false,
            unacknowledged: HashSet::new(),
            gaps: Gaps::default(),
            config,
        };
        let tasks = vec![
            tokio::spawn(async move { match connection.await {} }),
            tokio::spawn(reader.run()),
        ];
        Ok(Self { stats, tasks })
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Arc<StreamStats> {
        &self.stats
    }
}

impl Drop for RedisStreamFeed {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Reader {
    client: Client,
    config: RedisStreamConfig,
    codec: KeyCodec,
    sink: Arc<dyn EventSink>,
    stats: Arc<StreamStats>,
    /// The newest entry seen, where a group that was lost begins again.
    last_seen: Option<String>,
    /// The group was there once.
    attached: bool,
    /// Entries that the sink has got and whose acknowledgement failed.
    unacknowledged: HashSet<String>,
    /// What it was given, to know what it was not.
    gaps: Gaps,
}

impl Reader {
    async fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            match self.read_until_error().await {
                Ok(never) => match never {},
                Err(error) => {
                    self.stats.set_up(false);
                    // A group that was lost is made again at once; anything else in a while.
                    pause = if error.details().starts_with("NOGROUP") && pause.is_zero() {
                        Duration::from_millis(1)
                    } else {
                        (pause * 2).clamp(
                            self.config.redis.reconnect_min,
                            self.config.redis.reconnect_max,
                        )
                    };
                    let (stream, reason) = (&self.config.stream, text(&error));
                    if self.stats.may_log() {
                        tracing::warn!(%stream, %reason, "the stream cannot be read, trying again");
                    }
                    if *error.kind() == ErrorKind::Timeout {
                        // The link is silent, or an old read still waits on it and would take
                        // entries for nobody.
                        let again = self.client.force_reconnection();
                        let _ = timeout(self.config.redis.connect_timeout, again).await;
                    }
                    sleep(pause).await;
                }
            }
            if self.stats.take_progress() {
                pause = Duration::ZERO;
            }
        }
    }

    async fn read_until_error(&mut self) -> Result<std::convert::Infallible, Error> {
        self.attach().await?;
        self.stats.set_up(true);
        self.read_own_backlog().await?;
        let mut claim_at = Instant::now();
        let (mut looked, mut pause) = (None, LOOK_EVERY);
        loop {
            if Instant::now() >= claim_at {
                self.claim_stuck().await?;
                claim_at = Instant::now() + self.config.claim_every;
            }
            if looked.is_none_or(|at: Instant| at.elapsed() >= pause) {
                self.look_for_gaps().await?;
                looked = Some(Instant::now());
            }
            let entries = self.read(">").await?;
            pause = match entries.len() as u64 >= self.config.batch {
                true => LOOK_BEHIND,
                false => LOOK_EVERY,
            };
            self.gaps.given(ids(&entries));
            if !entries.is_empty() {
                self.hand_over(entries).await?;
            }
        }
    }

    /// Makes the group unless it is there.
    async fn attach(&mut self) -> Result<(), Error> {
        let from = match (&self.last_seen, self.attached) {
            (Some(id), _) => id.clone(),
            (None, true) => "0".to_owned(),
            (None, false) => "$".to_owned(),
        };
        let (stream, group) = (&*self.config.stream, &*self.config.group);
        let made: Result<Value, _> = self.client.xgroup_create(stream, group, from, true).await;
        match made {
            Err(error) if !error.details().starts_with("BUSYGROUP") => Err(error),
            _ => {
                self.attached = true;
                Ok(())
            }
        }
    }

    /// What this consumer was given before and never acknowledged.
    async fn read_own_backlog(&mut self) -> Result<(), Error> {
        let mut after = "0".to_owned();
        loop {
            let entries = self.read(&after).await?;
            let Some(last) = entries.last() else {
                // What has not come again was acknowledged, or is somebody else's by now.
                self.unacknowledged.clear();
                return Ok(());
            };
            after.clone_from(&last.id);
            self.gaps.given(ids(&entries));
            self.stats.add_claimed(entries.len());
            self.hand_over(entries).await?;
        }
    }

    async fn claim_stuck(&mut self) -> Result<(), Error> {
        let RedisStreamConfig {
            stream,
            group,
            consumer,
            batch,
            claim_idle,
            ..
        } = &self.config;
        let idle = u64::try_from(claim_idle.as_millis()).unwrap_or(u64::MAX);
        let (stream, group, consumer, batch) =
            (stream.clone(), group.clone(), consumer.clone(), *batch);
        let mut from = "0-0".to_owned();
        loop {
            let (s, g, c) = (stream.as_str(), group.as_str(), consumer.as_str());
            let answer: Value = self
                .client
                .xautoclaim(s, g, c, idle, from, Some(batch), false)
                .await?;
            let Claimed {
                next,
                entries,
                gone,
            } = read_claimed(answer)?;
            if gone > 0 {
                self.gap(Some(gone as u64), DELETED);
            }
            if !entries.is_empty() {
                self.stats.add_claimed(entries.len());
                self.hand_over(entries).await?;
            }
            if next == "0-0" {
                return Ok(());
            }
            from = next;
        }
    }

    async fn read(&self, from: &str) -> Result<Vec<Entry>, Error> {
        let RedisStreamConfig {
            stream,
            group,
            consumer,
            batch,
            block,
            redis,
            ..
        } = &self.config;
        let options = Options {
            timeout: Some(*block + redis.command_timeout),
            ..Options::default()
        };
        // `BLOCK 0` would wait for ever.
        let block = u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1);
        let (group, consumer, stream) = (group.as_str(), consumer.as_str(), stream.as_str());
        let client = self.client.with_options(&options);
        let answer: Value = client
            .xreadgroup(
                group,
                consumer,
                Some(*batch),
                Some(block),
                false,
                stream,
                from,
            )
            .await?;
        read_delivered(answer)
    }

    /// Sink first, acknowledgement after: a crash in between repeats events, never loses them. A
    /// failed acknowledgement alone does not: this process knows what it has handed over.
    async fn hand_over(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut events = Vec::with_capacity(entries.len());
        let mut ids = Vec::with_capacity(entries.len());
        let mut newest_ms = 0;
        let gone = entries.iter().filter(|entry| entry.is_gone()).count();
        if gone > 0 {
            self.gap(Some(gone as u64), DELETED);
        }
        for entry in entries {
            newest_ms = entry.ms().unwrap_or(0).max(newest_ms);
            if self.unacknowledged.contains(&entry.id) {
                ids.push(entry.id);
                continue;
            }
            match entry.event(&self.config.fields, &self.codec) {
                Ok(event) => events.push(event),
                Err(reason) => self.refuse(&entry.id, &reason),
            }
            ids.push(entry.id);
        }
        let delivered = events.len();
        if !events.is_empty() {
            self.sink.deliver(events);
        }
        self.stats.add_delivered(delivered);
        self.stats
            .set_behind(clock::now().since(Timestamp::from_millis(newest_ms)));
        self.see(ids.last());
        let (stream, group) = (&*self.config.stream, &*self.config.group);
        let acknowledged: Result<Value, _> = self.client.xack(stream, group, ids.clone()).await;
        if let Err(error) = acknowledged {
            self.unacknowledged.extend(ids);
            return Err(error);
        }
        for id in ids {
            self.unacknowledged.remove(&id);
        }
        Ok(())
    }

    fn refuse(&self, id: &str, reason: &str) {
        self.stats.add_bad();
        if self.stats.may_log() {
            let (stream, bad) = (&self.config.stream, self.stats.bad());
            tracing::warn!(%stream, %id, %reason, bad, "a stream entry is not an event, skipping it");
        }
    }

    fn see(&mut self, id: Option<&String>) {
        let parse = |id: &String| Id::parse(id);
        if let Some(id) = id
            && self.last_seen.as_ref().and_then(parse) < parse(id)
        {
            self.last_seen = Some(id.clone());
        }
    }

    /// Where the group stands is asked first: between the two questions nobody but this task moves it.
    async fn look_for_gaps(&mut self) -> Result<(), Error> {
        let stream = &*self.config.stream;
        let groups: Value = self.client.xinfo_groups(stream).await?;
        let Some(group) = group_info(groups, &self.config.group) else {
            return Ok(());
        };
        self.stats.set_lag(group.lag);
        let stream = stream_info(&self.client, stream).await?;
        match self.gaps.look(group.delivered, &stream) {
            Look::Whole => {}
            Look::Lost(lost) => self.gap(Some(lost), "they were trimmed away"),
            Look::Anew => self.gap(None, "the stream was made anew"),
        }
        Ok(())
    }

    fn gap(&self, lost: Option<u64>, why: &'static str) {
        self.stats.add_gap(lost.unwrap_or(0));
        if self.stats.may_log() {
            let (stream, lost_so_far) = (&self.config.stream, self.stats.lost());
            tracing::warn!(%stream, lost, lost_so_far, why, "entries of the stream were lost unread");
        }
        self.sink.gap(lost);
    }
}

fn ids(entries: &[Entry]) -> impl Iterator<Item = Id> {
    entries.iter().filter_map(|entry| Id::parse(&entry.id))
}
