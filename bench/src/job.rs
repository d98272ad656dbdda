//! The job in small: groups of keys, of which the first one's update is followed by reads of the others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use forewarm_application::engine::{Observed, Status};
use forewarm_domain::Key;
use forewarm_infrastructure::testing::RedisServer;
use forewarm_service::{Builder, Forewarm};
use fred::prelude::{Client, ClientLike, Config, KeysInterface};

use crate::world::{Draw, keys, settle, update, value};

/// A key whose update is followed by reads of the others.
pub(crate) const GROUP: usize = 7;

/// Settings under which warming is held back by nothing but the machine.
pub(crate) fn unbounded() -> Builder {
    Forewarm::builder()
        .set("warming.budget.extra_l2_reads=unlimited")
        .set("warming.strategy=topn")
        .set("warming.topn.top_n=8")
        .set("tracking.max_pairs=20000")
}

/// The same before this Redis.
pub(crate) fn before(redis: &RedisServer) -> Builder {
    unbounded()
        .set("l2.backend=redis")
        .set(format!("l2.redis.url={}", redis.url()))
}

/// A Redis of this run's own.
pub(crate) fn redis() -> Result<RedisServer> {
    RedisServer::start().context("redis-server is not installed; run: cargo xtask setup")
}

/// A connection that nothing stands before.
pub(crate) async fn connect(redis: &RedisServer) -> Result<Client> {
    let client = Client::new(Config::from_url(&redis.url())?, None, None, None);
    client.init().await?;
    Ok(client)
}

/// Puts a value under each key.
pub(crate) async fn fill(redis: &RedisServer, keys: &[Key], value: &Bytes) -> Result<()> {
    let client = connect(redis).await?;
    for some in keys.chunks(1_000) {
        let pairs: Vec<(Bytes, Bytes)> = some
            .iter()
            .map(|key| (key.bytes().clone(), value.clone()))
            .collect();
        let _: () = client.mset(pairs).await?;
    }
    client.quit().await?;
    Ok(())
}

/// Groups of keys, what drives them, and a count of what was sent.
pub(crate) struct Job<'a> {
    forewarm: &'a Forewarm,
    pub(crate) keys: Vec<Key>,
    pub(crate) draw: Draw,
    version: u64,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
}

impl<'a> Job<'a> {
    /// `groups` of [`GROUP`] keys, known to Redis if there is one, and learned.
    pub(crate) async fn new(
        forewarm: &'a Forewarm,
        groups: usize,
        redis: Option<&RedisServer>,
    ) -> Result<Self> {
        let keys = keys(forewarm, groups * GROUP)?;
        if let Some(redis) = redis {
            fill(redis, &keys, &value()).await?;
        }
        let mut job = Self {
            forewarm,
            keys,
            draw: Draw::new(7),
            version: 0,
            sent: 0,
            lost: 0,
        };
        for _ in 0..12 {
            for _ in 0..groups {
                let group = job.draw.below(groups);
                job.teach(group);
            }
            settle(forewarm).await;
        }
        job.sent = 0;
        job.lost = 0;
        Ok(job)
    }

    /// The keys of a group, the one that is updated first.
    pub(crate) fn group(&self, group: usize) -> &[Key] {
        &self.keys[group * GROUP..][..GROUP]
    }

    /// An update and the reads that follow it, as others tell of them.
    pub(crate) fn teach(&mut self, group: usize) {
        self.update(group * GROUP, false);
        let now = self.forewarm.core().clock.now();
        for key in &self.keys[group * GROUP + 1..][..GROUP - 1] {
            let _ = self.forewarm.observe_read(key, now);
        }
    }

    /// An update of the key at `index`, with its value or without.
    pub(crate) fn update(&mut self, index: usize, valued: bool) {
        self.version += 1;
        let update = update(self.forewarm, valued.then_some(self.version));
        let observed = self.forewarm.observe_update(&self.keys[index], update);
        self.sent += 1;
        self.lost += u64::from(observed == Ok(Observed::Dropped));
    }

    /// An update of any key: every second one brings its value, the others make L1's copy stale.
    pub(crate) fn any_update(&mut self) {
        let index = self.draw.below(self.keys.len());
        self.update(index, self.version.is_multiple_of(2));
    }
}

/// Sleeps until `due`; `meanwhile` is asked again and again. A thread that spun instead would have one
/// of two processors, and whoever is woken beside it would wait for the end of its time slice.
pub(crate) fn wait_until(due: Instant, mut meanwhile: impl FnMut()) {
    loop {
        meanwhile();
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(TICK));
    }
}

/// The longest that a generator sleeps between two looks. It wakes some 60 µs late, and then makes up
/// for what was due meanwhile.
const TICK: Duration = Duration::from_micros(100);

/// The time between two of `pace` events a second.
pub(crate) fn gap(pace: u64) -> Duration {
    Duration::from_nanos(1_000_000_000 / pace)
}

/// What happened between two looks at the engine.
pub(crate) struct Since {
    before: Status,
    started: Instant,
}

/// Per second, but for the ratio.
pub(crate) struct Rates {
    pub(crate) learned: f64,
    pub(crate) operations: f64,
    pub(crate) warmed: f64,
    /// Of the operations that were sent to L2.
    pub(crate) error_ratio: f64,
}

impl Since {
    pub(crate) fn now(forewarm: &Forewarm) -> Self {
        Self {
            before: forewarm.stats(),
            started: Instant::now(),
        }
    }

    pub(crate) fn rates(&self, forewarm: &Forewarm) -> Rates {
        let (now, before) = (forewarm.stats(), &self.before);
        let seconds = self.started.elapsed().as_secs_f64();
        let success = now.operations.success - before.operations.success;
        let failed = now.operations.error + now.operations.timeout
            - before.operations.error
            - before.operations.timeout;
        Rates {
            learned: (now.events.1 - before.events.1) as f64 / seconds,
            operations: (now.operations.total() - before.operations.total()) as f64 / seconds,
            warmed: (now.pairs_warmed - before.pairs_warmed) as f64 / seconds,
            error_ratio: failed as f64 / ((success + failed).max(1)) as f64,
        }
    }
}
