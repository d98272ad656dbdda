//! `GET /v1/events`: every event as it happens, one JSON object a line, without an end.
//!
//! Each subscriber has a bounded queue; what it is too slow for is dropped, counted, and told in
//! the stream itself: `{"stream": {"sent": 1200, "dropped": 0, "left_out": 0}}`, once a second and
//! whenever something was lost. Such lines are passed over by `forewarm replay`.

use std::fmt::Write;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forewarm_application::engine::{Listening, Told};
use forewarm_domain::{Op, Timestamp};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::App;
use super::problem::Problem;

/// Subscribers at once: each makes the hot path clone every event once more.
const MOST_SUBSCRIBERS: usize = 8;
/// Events that may wait for one subscriber: 50 ms at a million a second.
const QUEUE: usize = 1 << 16;
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often the counts are told.
const TELL: Duration = Duration::from_secs(1);
/// A chunk of the body ends when it has grown this large.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks on their way to the client. With them full the queue fills, and then events are dropped.
const CHUNKS: usize = 4;

/// The stream. Ends when the service stops.
pub(super) async fn get(State(app): State<App>) -> Result<Response, Problem> {
    let Some(listening) = app.engine.listen(QUEUE, MOST_SUBSCRIBERS) else {
        let detail = format!("{MOST_SUBSCRIBERS} listen already, which is the most");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
        return Err(problem.with(header::RETRY_AFTER, "10"));
    };
    let (chunks, body) = mpsc::channel(CHUNKS);
    tokio::spawn(write(app, listening, chunks));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(Chunks(body))).into_response())
}

/// What was told so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    sent: u64,
    dropped: u64,
    /// Keys that are not UTF-8, for which JSON has no words.
    left_out: u64,
}

async fn write(app: App, listening: Listening, chunks: mpsc::Sender<Bytes>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut counts, mut told, mut told_at) = (Counts::default(), None, Instant::now());
    loop {
        let mut chunk = String::new();
        let mut more = true;
        while more && chunk.len() < CHUNK_BYTES {
            more = match listening.next_event() {
                Some(mut event) => {
                    if event.at == Timestamp::ZERO {
                        event.at = app.clock.now();
                    }
                    push(
                        &mut chunk,
                        &app.codec.chain_name(event.key.chain()),
                        &event,
                        &mut counts,
                    );
                    true
                }
                None => false,
            };
        }
        counts.dropped = listening.dropped();
        let lost = told.is_none_or(|told: Counts| told.dropped != counts.dropped);
        if lost || told_at.elapsed() >= TELL {
            let Counts {
                sent,
                dropped,
                left_out,
            } = counts;
            let _ = writeln!(
                chunk,
                r#"{{"stream":{{"sent":{sent},"dropped":{dropped},"left_out":{left_out}}}}}"#
            );
            (told, told_at) = (Some(counts), Instant::now());
        }
        if !chunk.is_empty() && chunks.send(chunk.into()).await.is_err() {
            // The client went away.
            return;
        }
        if app.vitals.draining.load(Ordering::Acquire) {
            return;
        }
        if !more {
            tokio::select! {
                _ = looks.tick() => {}
                () = chunks.closed() => return,
            }
        }
    }
}

fn push(out: &mut String, chain: &str, event: &Told, counts: &mut Counts) {
    let Ok(key) = std::str::from_utf8(event.key.bytes()) else {
        counts.left_out += 1;
        return;
    };
    counts.sent += 1;
    let _ = write!(out, r#"{{"ts_ms":{},"chain":"#, event.at.as_millis());
    quote(out, chain);
    out.push_str(r#","key":"#);
    quote(out, key);
    out.push_str(match event.op {
        Op::Update => r#","op":"update""#,
        Op::Read | Op::Access => r#","op":"read""#,
    });
    if let Some(version) = event.version {
        let _ = write!(out, r#","version":{}"#, version.0);
    }
    if event.valued {
        // That there was a value matters to a replay; what it was is nobody's business.
        out.push_str(r#","value":"*""#);
    }
    if event.key.database() != 0 {
        let _ = write!(out, r#","database":{}"#, event.key.database());
    }
    let _ = writeln!(out, r#","from":"{}"}}"#, event.origin.name());
}

fn quote(out: &mut String, text: &str) {
    let quoted = serde_json::to_string(text).expect("text is always JSON");
    out.push_str(&quoted);
}

/// The body: chunks as they come.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = self.0.poll_recv(context);
        chunk.map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
