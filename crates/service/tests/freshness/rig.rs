//! A Forewarm in this process, a writer that goes past it, and readers.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use forewarm_application::engine::Level;
use forewarm_service::Forewarm;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::history::{Change, History, Read};

/// What L1 is promised to keep to in these tests.
pub(crate) const BOUND: Duration = Duration::from_millis(600);
const KEYS: usize = 12;
/// Between two writes: each key rests for three times the bound now and then.
const BETWEEN_WRITES: Duration = Duration::from_millis(30);

/// Forewarm over a Redis at `url`, with the bound of these tests unless `settings` differ.
pub(crate) async fn forewarm(url: &str, settings: &[&str]) -> Arc<Forewarm> {
    let mut builder = Forewarm::builder()
        .set("l2.backend=redis")
        .set(format!("l2.redis.url={url}"))
        .set("l2.redis.connect_timeout=250ms")
        .set("l2.demand_timeout=250ms")
        .set("invalidation.max_staleness=600ms")
        .set("invalidation.ping_interval=100ms");
    for setting in settings {
        builder = builder.set(*setting);
    }
    Arc::new(builder.build().await.expect("it starts"))
}

/// The link as `/readyz` shows it: its mode and whether L1 may answer.
pub(crate) fn link(forewarm: &Forewarm) -> (String, bool) {
    let core = forewarm.core();
    let now = core.clock.now();
    (
        core.link.mode().to_owned(),
        core.engine.answers_locally(now),
    )
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        // A failover that the sentinel has to try twice on a busy machine takes half a minute.
        assert!(began.elapsed() < Duration::from_secs(90), "in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Readers and a writer at work, until they are told to stop.
pub(crate) struct Traffic {
    pub(crate) history: Arc<History>,
    /// Reads begun, answered or not.
    #[allow(dead_code, reason = "another suite keeps books on it")]
    pub(crate) asked: Arc<AtomicU64>,
    versions: Arc<AtomicU64>,
    /// Where the writer writes.
    port: Arc<AtomicU16>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    writer: Option<thread::JoinHandle<()>>,
}

impl Traffic {
    /// The writer writes to `port`; with `replicas` a write counts as acknowledged when so many have
    /// it.
    pub(crate) fn start(forewarm: &Arc<Forewarm>, port: u16, replicas: usize) -> Self {
        let mut traffic = Self {
            history: Arc::default(),
            asked: Arc::default(),
            versions: Arc::new(AtomicU64::new(0)),
            port: Arc::new(AtomicU16::new(port)),
            stop: Arc::default(),
            tasks: Vec::new(),
            writer: None,
        };
        for reader in 0..3 {
            let (forewarm, history) = (Arc::clone(forewarm), Arc::clone(&traffic.history));
            let (asked, stop) = (Arc::clone(&traffic.asked), Arc::clone(&traffic.stop));
            traffic.tasks.push(tokio::spawn(async move {
                let mut key = reader;
                while !stop.load(Ordering::Relaxed) {
                    key = (key + 5) % KEYS;
                    asked.fetch_add(1, Ordering::Relaxed);
                    read(&forewarm, key, &history).await;
                    sleep(Duration::from_millis(1)).await;
                }
            }));
        }
        let mut writer = Writer {
            history: Arc::clone(&traffic.history),
            versions: Arc::clone(&traffic.versions),
            port: Arc::clone(&traffic.port),
            replicas,
            connections: HashMap::new(),
        };
        let stop = Arc::clone(&traffic.stop);
        traffic.writer = Some(thread::spawn(move || {
            let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
            while !stop.load(Ordering::Relaxed) {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                writer.write((random >> 33) as usize % KEYS, random >> 60);
                thread::sleep(BETWEEN_WRITES);
            }
        }));
        traffic
    }

    /// From now on the writer writes there.
    pub(crate) fn write_to(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Does what removes every key, and notes it.
    pub(crate) fn flush(&self, remove: impl FnOnce()) {
        let begun = Instant::now();
        // Twice: writes that are under way have a version of their own in between.
        let version = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
        remove();
        self.history.changed(Change {
            key: None,
            version,
            removes: true,
            begun,
            acknowledged: Some(Instant::now()),
        });
    }

    /// Ends the traffic and gives what happened.
    pub(crate) async fn stop(mut self) -> Arc<History> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.await.expect("no reader panics");
        }
        let writer = self.writer.take().expect("it was started");
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        joined.expect("it is joined").expect("no writer panics");
        Arc::clone(&self.history)
    }
}

async fn read(forewarm: &Forewarm, key: usize, history: &History) {
    let name = forewarm.key("t", &format!("k{key}")).expect("a name");
    let begun = Instant::now();
    // An error is no answer, so it can't be an old one.
    let Ok(found) = forewarm.get(&name).await else {
        return;
    };
    let ended = Instant::now();
    let from_l1 = found.as_ref().is_some_and(|found| found.level == Level::L1);
    let seen = found.map(|found| {
        let text = String::from_utf8_lossy(&found.value).into_owned();
        text.parse().expect("the writer writes versions")
    });
    history.read(Read {
        key,
        begun,
        ended,
        seen,
        from_l1,
    });
}

struct Writer {
    history: Arc<History>,
    versions: Arc<AtomicU64>,
    port: Arc<AtomicU16>,
    replicas: usize,
    connections: HashMap<u16, BufReader<TcpStream>>,
}

impl Writer {
    fn write(&mut self, key: usize, dice: u64) {
        let name = format!("price:t:k{key}");
        let version = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
        let text = version.to_string();
        let begun = Instant::now();
        let command: Vec<&str> = match dice {
            0 => vec!["DEL", &name],
            _ => vec!["SET", &name, &text],
        };
        let acknowledged = self.acknowledged(&command).then(Instant::now);
        self.history.changed(Change {
            key: Some(key),
            version,
            removes: dice == 0,
            begun,
            acknowledged,
        });
    }

    /// Whether the server (and its replicas) said that it is done.
    fn acknowledged(&mut self, command: &[&str]) -> bool {
        let port = self.port.load(Ordering::Relaxed);
        let Some((by, reply)) = self.followed(port, command) else {
            return false;
        };
        if reply.starts_with('-') || self.replicas == 0 {
            return !reply.starts_with('-');
        }
        let (replicas, wanted) = (self.replicas.to_string(), self.replicas as u64);
        let reply = self.command(by, &["WAIT", &replicas, "100"]);
        let count = reply.and_then(|reply| reply.trim().strip_prefix(':')?.parse::<u64>().ok());
        count.is_some_and(|count| count >= wanted)
    }

    /// A command sent to whom a cluster says; who answered, and what.
    fn followed(&mut self, mut port: u16, command: &[&str]) -> Option<(u16, String)> {
        for _ in 0..4 {
            let reply = self.command(port, command)?;
            let (moved, asked) = (reply.starts_with("-MOVED "), reply.starts_with("-ASK "));
            if !moved && !asked {
                return Some((port, reply));
            }
            port = reply.trim().rsplit(':').next()?.parse().ok()?;
            if asked {
                self.command(port, &["ASKING"])?;
            }
        }
        None
    }

    /// One line of an answer, all that these commands have.
    fn command(&mut self, port: u16, parts: &[&str]) -> Option<String> {
        let mut connection = match self.connections.remove(&port) {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
                let limit = Some(Duration::from_millis(300));
                stream.set_read_timeout(limit).ok()?;
                stream.set_nodelay(true).ok()?;
                BufReader::new(stream)
            }
        };
        let mut out = format!("*{}\r\n", parts.len());
        for part in parts {
            out.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        connection.get_mut().write_all(out.as_bytes()).ok()?;
        let mut line = String::new();
        let read = connection.read_line(&mut line);
        // A connection whose answer is outstanding would answer the next command with it.
        (read.ok()? > 0).then(|| {
            self.connections.insert(port, connection);
            line
        })
    }
}

/// The state of the link as `/readyz` would tell it.
pub(crate) fn report(forewarm: &Forewarm) -> Value {
    let core = forewarm.core();
    core.link.report(core)
}
