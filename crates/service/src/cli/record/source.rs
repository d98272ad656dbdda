//! Where the lines come from.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::anyhow;
use bytes::Bytes;
use forewarm_domain::{Op, Timestamp, Version};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::feeds::{StreamFields, StreamTail, TailError};
use forewarm_infrastructure::trace::TraceReader;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use super::super::Failure;
use super::super::client::{Access, Client};
use super::monitor;
use crate::clock::Clock;
use crate::config::{Config, ServerUrl, Span};

/// Messages under way from a source to the file.
const AHEAD: usize = 64;
/// Lines that travel together, at most.
pub(super) const BATCH: usize = 1_024;

/// One event on its way to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) key: Bytes,
    pub(super) op: Op,
    pub(super) version: Option<Version>,
    pub(super) valued: bool,
    pub(super) database: u16,
    pub(super) teller: Teller,
}

/// Whose word a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Teller {
    /// The source's own: it was read or written there.
    Here,
    /// A feed's, with the time of whoever fills it.
    Feed,
    /// L2's, that a key was changed: the same change may have been told, or be told yet.
    L2,
}

/// What did not become a line, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Events that were lost on the way.
    pub(super) lost: u64,
    /// Losses cannot be counted.
    pub(super) uncounted: bool,
    /// What was no event.
    pub(super) bad: u64,
    /// Keys that the source has no words for.
    pub(super) left_out: u64,
    /// Commands of which nobody knows the keys.
    pub(super) unplaced: u64,
    /// The text had no times.
    pub(super) untimed: bool,
    /// Whether entries were trimmed, not dropped.
    pub(super) trimmed: bool,
}

impl Counts {
    /// Why events were lost.
    pub(super) fn why(self) -> &'static str {
        match self.trimmed {
            true => "trimmed from the stream before they could be read",
            false => "they came faster than they could be sent here",
        }
    }
}

/// What a source has to say.
#[derive(Debug)]
pub(super) enum Message {
    Lines(Vec<Line>),
    Counts(Counts),
    /// It ended, and not because there was no more.
    Failed(Failure),
}

/// Where the stream comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Forewarm(String),
    RedisStream { url: ServerUrl, stream: String },
    Stdin,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forewarm(url) => write!(f, "what the Forewarm at {url} hears of"),
            Self::RedisStream { url, stream } => write!(f, "the stream {stream:?} of {url}"),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Forewarm(text.trim_end_matches('/').to_owned()));
        }
        let expected = "expected redis-stream:URL/STREAM, http://HOST:PORT or -";
        let Some(rest) = text.strip_prefix("redis-stream:") else {
            return Err(expected.to_owned());
        };
        let parted = rest.rsplit_once('/');
        let Some((url, stream)) =
            parted.filter(|(url, _)| url.contains("://") && !url.ends_with('/'))
        else {
            return Err(format!("no stream is named; {expected}"));
        };
        let stream = percent_decode_str(stream).decode_utf8_lossy().into_owned();
        if stream.is_empty() {
            return Err(format!("no stream is named; {expected}"));
        }
        Ok(Self::RedisStream {
            url: ServerUrl::new(url),
            stream,
        })
    }
}

impl Source {
    /// Begins; an error when there is nobody to hear.
    pub(super) async fn start(
        &self,
        codec: KeyCodec,
        config: &Config,
        access: &Access,
    ) -> Result<Receiver<Message>, Failure> {
        let (to, messages) = channel(AHEAD);
        match self {
            Self::Forewarm(url) => {
                let client = Client::new("--from", url, access)?;
                let opened = spawn_blocking(move || {
                    let body = client.stream("/v1/events")?;
                    Ok::<_, Failure>((client.base().to_owned(), body))
                });
                let (base, body) = opened
                    .await
                    .map_err(|error| Failure::Internal(error.into()))??;
                spawn_blocking(move || follow(&base, body, &to));
            }
            Self::RedisStream { url, stream } => {
                let mut redis = config.l2.redis.clone();
                (redis.user, redis.password) = (None, None);
                (redis.url, redis.pool_size) = (url.clone(), 1);
                let connection = redis
                    .connection(Span::secs(2).0)
                    .map_err(|error| Failure::Usage(error.into()))?;
                let names = StreamFields::default();
                let database = connection.database().unwrap_or(0);
                let codec = codec.with_database(database);
                let opened = StreamTail::open(connection, stream, names, codec).await;
                let tail = opened.map_err(|error| match error {
                    TailError::Config(_) => Failure::Usage(error.into()),
                    TailError::Server { .. } => Failure::Unavailable(error.into()),
                })?;
                tokio::spawn(tail_to(tail, to));
            }
            Self::Stdin => {
                let clock = Arc::new(Clock::start());
                spawn_blocking(move || {
                    let input = BufReader::with_capacity(256 << 10, io::stdin());
                    if let Err(failure) = read(input, codec, &clock, &to) {
                        let _ = to.blocking_send(Message::Failed(failure));
                    }
                });
            }
        }
        Ok(messages)
    }
}

async fn tail_to(mut tail: StreamTail, to: Sender<Message>) {
    let mut told = None;
    while !to.is_closed() {
        let events = tail.read().await;
        let lines: Vec<Line> = events
            .into_iter()
            .map(|event| Line {
                at: event.at,
                database: event.key.database(),
                key: event.key.bytes().clone(),
                op: event.op,
                version: event.version,
                valued: event.value.is_some(),
                teller: Teller::Here,
            })
            .collect();
        if !lines.is_empty() && to.send(Message::Lines(lines)).await.is_err() {
            return;
        }
        let counts = Counts {
            lost: tail.lost(),
            uncounted: !tail.counts_losses(),
            bad: tail.bad(),
            trimmed: true,
            ..Counts::default()
        };
        if told != Some(counts) {
            told = Some(counts);
            if to.send(Message::Counts(counts)).await.is_err() {
                return;
            }
        }
    }
}

/// A line of `GET /v1/events`.
#[derive(Deserialize)]
struct Heard {
    ts_ms: Option<u64>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    op: String,
    version: Option<u64>,
    value: Option<String>,
    #[serde(default)]
    database: u16,
    #[serde(default)]
    from: String,
    stream: Option<OfStream>,
}

#[derive(Deserialize)]
struct OfStream {
    dropped: u64,
    left_out: u64,
}

/// Reads until the server ends the stream, which it does only when it stops.
fn follow(base: &str, body: Box<dyn Read + Send>, to: &Sender<Message>) {
    let mut input = BufReader::with_capacity(64 << 10, body);
    let (mut text, mut lines, mut counts) = (Vec::new(), Vec::new(), Counts::default());
    let reason = loop {
        text.clear();
        match input.read_until(b'\n', &mut text) {
            Ok(0) => break "the server has stopped".to_owned(),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
        match serde_json::from_slice::<Heard>(&text) {
            Ok(Heard {
                stream: Some(stream),
                ..
            }) => {
                (counts.lost, counts.left_out) = (stream.dropped, stream.left_out);
                let told = to.blocking_send(Message::Lines(std::mem::take(&mut lines)));
                if told.is_err() || to.blocking_send(Message::Counts(counts)).is_err() {
                    return;
                }
            }
            Ok(Heard {
                ts_ms: Some(ts_ms),
                key,
                op,
                version,
                value,
                database,
                from,
                ..
            }) => lines.push(Line {
                at: Timestamp::from_millis(ts_ms),
                key: key.into(),
                op: if op == "read" { Op::Read } else { Op::Update },
                version: version.map(Version),
                valued: value.is_some(),
                database,
                teller: match &*from {
                    "invalidation" => Teller::L2,
                    "feed" => Teller::Feed,
                    _ => Teller::Here,
                },
            }),
            _ => counts.bad += 1,
        }
        let quiet = !input.buffer().contains(&b'\n');
        if lines.len() >= BATCH || (quiet && !lines.is_empty()) {
            let batch = std::mem::take(&mut lines);
            if to.blocking_send(Message::Lines(batch)).is_err() {
                return;
            }
        }
    };
    let error = anyhow!("the stream of {base} ended: {reason}; the file is whole up to there");
    let _ = to.blocking_send(Message::Failed(Failure::Unavailable(error)));
}

/// Standard input, whatever it holds.
fn read(
    mut input: BufReader<io::Stdin>,
    codec: KeyCodec,
    clock: &Clock,
    to: &Sender<Message>,
) -> Result<(), Failure> {
    let first = input.fill_buf().map_err(unreadable)?;
    match first {
        [b'*' | b'#', ..] => return monitor::append_only(input, clock, to),
        [b'R', b'E', b'D', b'I', b'S', ..] => {
            let hint = "standard input is an RDB file, or an append-only file that begins with one; \
                        feed the `.incr.aof` part of it, or set aof-use-rdb-preamble to no";
            return Err(Failure::Input(anyhow!(hint)));
        }
        first if monitor::is_monitor(first) => return monitor::monitor(input, to),
        _ => {}
    }
    let mut reader = TraceReader::from_bytes(Path::new("-"), input, &codec, true)?;
    let mut told = 0;
    while let Some(event) = reader.next() {
        let event = event?;
        let line = Line {
            at: event.at,
            database: event.key.database(),
            key: event.key.bytes().clone(),
            op: event.op,
            version: event.version,
            valued: event.value.is_some(),
            teller: Teller::Here,
        };
        if to.blocking_send(Message::Lines(vec![line])).is_err() {
            return Ok(());
        }
        if reader.skipped() != told {
            told = reader.skipped();
            let counts = Counts {
                bad: told,
                ..Counts::default()
            };
            let _ = to.blocking_send(Message::Counts(counts));
        }
    }
    let counts = Counts {
        bad: reader.skipped(),
        ..Counts::default()
    };
    let _ = to.blocking_send(Message::Counts(counts));
    Ok(())
}

pub(super) fn unreadable(error: io::Error) -> Failure {
    Failure::Input(anyhow::Error::new(error).context("cannot read standard input"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_by_its_beginning_and_a_stream_by_the_last_part_of_its_url() {
        let check = |text: &str, expected: &str| {
            let source: Source = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(source.to_string(), expected);
        };
        check("-", "standard input");
        check("http://h:1/", "what the Forewarm at http://h:1 hears of");
        check(
            "redis-stream:redis://u:secret@h:6379/2/price-updates",
            "the stream \"price-updates\" of redis://u:***@h:6379/2",
        );
        check(
            "redis-stream:redis://h/a%2Fb",
            "the stream \"a/b\" of redis://h",
        );
        for wrong in [
            "",
            "redis://h/s",
            "redis-stream:redis://h",
            "redis-stream:s",
            "redis-stream:redis://h/",
        ] {
            assert!(wrong.parse::<Source>().is_err(), "{wrong:?} was taken");
        }
    }
}
