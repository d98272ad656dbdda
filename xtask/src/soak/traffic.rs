//! The traffic of a soak: groups of keys that are read together, and a population that moves on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::server::Forewarm;
use crate::clock::since_epoch;

/// Groups alive at once.
const GROUPS: u64 = 400;
/// Names of groups there are: a group that has left comes back under its old name.
const NAMES: u64 = 1_000;
/// Keys of a group: the one that is updated, and those that are read after it.
const KEYS: u64 = 6;
/// One group leaves and another comes in every so many stream seconds: 1 % of them a minute.
const LEAVES_EVERY: u64 = 15;
/// Updates of one request, each followed by the reads of its group.
const AT_ONCE: u64 = 5;
const VALUE: usize = 1_000;

pub(super) struct Traffic<'a> {
    forewarm: &'a Forewarm,
    connection: TcpStream,
    replies: BufReader<TcpStream>,
    /// The first group alive.
    first: u64,
    random: u64,
    request: Vec<u8>,
    expected: usize,
    pub(super) reads: u64,
    pub(super) updates: u64,
    pub(super) writes: u64,
}

impl<'a> Traffic<'a> {
    /// Connects and writes the first population.
    pub(super) fn start(forewarm: &'a Forewarm) -> Result<Self> {
        let connection = TcpStream::connect(&forewarm.resp).context("the Redis port")?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut traffic = Self {
            forewarm,
            replies: BufReader::new(connection.try_clone()?),
            connection,
            first: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            request: Vec::new(),
            expected: 0,
            reads: 0,
            updates: 0,
            writes: 0,
        };
        for group in 0..GROUPS {
            traffic.come_in(group);
            traffic.flush()?;
        }
        Ok(traffic)
    }

    /// One second of the stream.
    pub(super) fn second(&mut self, second: u64) -> Result<()> {
        for _ in 0..2 {
            let groups: Vec<u64> = (0..AT_ONCE).map(|_| self.group()).collect();
            self.update(&groups)?;
            for group in &groups {
                for key in 1..KEYS {
                    self.get(*group, key);
                }
            }
            self.flush()?;
        }
        // A write, and the reads that follow every update.
        let group = self.group();
        self.set(group, 0);
        for key in 1..KEYS {
            self.get(group, key);
        }
        if second % LEAVES_EVERY == LEAVES_EVERY - 1 {
            self.leave(self.first);
            self.first += 1;
            self.come_in(self.first + GROUPS - 1);
        }
        self.flush()
    }

    /// Some groups are asked for more than others.
    fn group(&mut self) -> u64 {
        let mut draw = || {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random % GROUPS
        };
        self.first + draw().min(draw())
    }

    fn update(&mut self, groups: &[u64]) -> Result<()> {
        let now = since_epoch()
            .context("the clock is before 1970")?
            .as_millis() as u64;
        let one = |group: &u64| json!({"ts_ms": now, "key": name(*group, 0)});
        let events: Vec<Value> = groups.iter().map(one).collect();
        let answer = self
            .forewarm
            .http
            .send("POST", "/v1/updates", &Value::Array(events))?;
        let taken = answer.body["accepted"].as_u64();
        if answer.status != 202 || taken != Some(groups.len() as u64) {
            bail!(
                "updates are answered with {}: {}",
                answer.status,
                answer.body
            );
        }
        self.updates += groups.len() as u64;
        Ok(())
    }

    fn come_in(&mut self, group: u64) {
        for key in 0..KEYS {
            self.set(group, key);
        }
    }

    fn leave(&mut self, group: u64) {
        for key in 0..KEYS {
            self.command(&["DEL", &name(group, key)]);
            self.writes += 1;
        }
    }

    fn set(&mut self, group: u64, key: u64) {
        let value = format!("{:0>VALUE$}", self.random);
        self.command(&["SET", &name(group, key), &value]);
        self.writes += 1;
    }

    fn get(&mut self, group: u64, key: u64) {
        self.command(&["GET", &name(group, key)]);
        self.reads += 1;
    }

    fn command(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.request.extend(request.into_bytes());
        self.expected += 1;
    }

    /// Sends what has gathered and reads all answers; an error among them is one.
    fn flush(&mut self) -> Result<()> {
        self.connection
            .write_all(&self.request)
            .context("the Redis port")?;
        self.request.clear();
        for _ in 0..std::mem::take(&mut self.expected) {
            let mut line = String::new();
            self.replies
                .read_line(&mut line)
                .context("the Redis port")?;
            let line = line.trim_end();
            ensure!(
                !line.is_empty() && !line.starts_with('-'),
                "the Redis port says {line:?}"
            );
            if let Some(length) = line.strip_prefix('$')
                && let Ok(length) = length.parse::<u64>()
            {
                ensure!(length == VALUE as u64, "a value of {length} bytes");
                let mut value = vec![0; VALUE + 2];
                self.replies
                    .read_exact(&mut value)
                    .context("the Redis port")?;
            }
        }
        Ok(())
    }
}

fn name(group: u64, key: u64) -> String {
    format!("price:eth:g{}k{key}", group % NAMES)
}
