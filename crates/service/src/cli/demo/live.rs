//! The demo under way: two engines on one store, fed with the same events.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::engine::{Engine, Found, Level, Update};
use forewarm_application::ports::Stored;
use forewarm_domain::{Key, Mode, Op, Rollout};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::feeds::FeedEvent;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::super::Failure;
use super::source::{Played, Source};
use super::tally::{Tally, ratio};
use super::{end_progress, progress};
use crate::config::Config;
use crate::core::Core;
use crate::service::Forewarm;
use crate::service::Servers;
use crate::wiring;

/// How long a pause that is cut short may still last for the sake of what it was used for.
const LONGEST_SETTLING: Duration = Duration::from_millis(20);
/// Values written to L2 at once: they share a commit.
const SEEDED_AT_ONCE: usize = 512;

pub(super) struct Live {
    forewarm: Forewarm,
    servers: Servers,
    /// The same cache without warming.
    plain: Arc<Engine>,
    source: Source,
    /// The share of the keys that L1 holds.
    l1_share: f64,
    tally: Tally,
}

impl Live {
    /// Starts the service, fills L2 and gives the address of the status page.
    pub(super) async fn start(
        config: Config,
        codec: KeyCodec,
        source: Source,
        l1_share: f64,
    ) -> Result<(Self, SocketAddr), Failure> {
        let entries = ((source.keys.len() as f64 * l1_share) as usize).max(1);
        let options = wiring::Options {
            l1_entries: Some(entries),
            codec: Some(codec),
            ..wiring::Options::default()
        };
        let (forewarm, servers) = Forewarm::serve_with(config, options, true).await?;
        let core = forewarm.core();
        let plain = wiring::plain_engine(core, Rollout::everywhere(Mode::Off), entries)?;
        fill(core, &source.keys).await;
        let addr = servers.http.addr;
        let live = Self {
            forewarm,
            servers,
            plain: Arc::new(plain),
            source,
            l1_share,
            tally: Tally::default(),
        };
        Ok((live, addr))
    }

    /// Plays until the events, the time or the patience end.
    pub(super) async fn run(
        mut self,
        limit: Option<Duration>,
        stop: impl Future<Output = ()>,
    ) -> Self {
        let started = Instant::now();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        seconds.tick().await;
        let mut stop = std::pin::pin!(stop);
        let (mut due, mut last) = (started, None);
        while let Some(event) = self.source.next() {
            let gap = last.map_or(Duration::ZERO, |last| event.at.since(last));
            last = Some(event.at);
            let wait = self.source.pace.wait(gap);
            due += wait;
            loop {
                tokio::select! {
                    biased;
                    () = &mut stop => return self,
                    _ = seconds.tick() => {
                        let second = started.elapsed().as_secs();
                        progress(second, &self.tally.line(second));
                        if limit.is_some_and(|limit| started.elapsed() >= limit) {
                            return self;
                        }
                    }
                    () = sleep_until(due) => break,
                }
            }
            self.pass_over(gap.saturating_sub(wait)).await;
            self.play(event).await;
        }
        self
    }

    /// Leaves `rest` of a pause out. What was learned and fetched in it is learned and fetched
    /// first, and it passes on the clock: windows, half-life and time to live see the recording's
    /// own time, as they would live.
    async fn pass_over(&self, rest: Duration) {
        if rest.is_zero() {
            return;
        }
        let core = self.forewarm.core();
        let (since, most) = (Instant::now(), rest.min(LONGEST_SETTLING));
        while !core.engine.is_idle() && since.elapsed() < most {
            yield_now().await;
        }
        core.clock.skip(rest);
    }

    async fn play(&mut self, event: Played) {
        let core = self.forewarm.core();
        let now = core.clock.now();
        self.tally.events += 1;
        if event.op == Op::Update {
            let update = Update {
                at: now,
                version: None,
                value: None,
                ttl: None,
            };
            let _ = self.plain.observe_update(&event.key, update, now);
            // Through the door of the feeds: timed and counted as what a feed brings. The demo's
            // own clock is never refused.
            let _ = core.take(FeedEvent {
                key: event.key,
                op: Op::Update,
                at: now,
                version: None,
                block: None,
                value: None,
            });
            return;
        }
        let hit = |found: Result<Option<Found>, _>| matches!(found, Ok(Some(found)) if found.level == Level::L1);
        self.tally.reads += 1;
        self.tally.hits_with += u64::from(hit(core.get(&event.key).await.map_err(drop)));
        let plain = self.plain.get(&event.key, now).await;
        self.tally.hits_without += u64::from(hit(plain.map_err(drop)));
    }

    /// The result, for people.
    pub(super) fn summary(&self) -> String {
        end_progress();
        let status = self.forewarm.stats();
        let outcomes = status.outcomes;
        let ended = outcomes.useful + outcomes.late + outcomes.wasted + outcomes.harmful;
        let tally = &self.tally;
        let misses = tally.reads - tally.hits_without;
        // Every miss and every warm is one key read.
        let (reads_with, reads_without) = (status.demand.1 + status.pairs_warmed, misses);
        format!(
            "\n{} events, {} of them reads; L1 holds {:.0} % of {} keys\n\n\
             L1 hit ratio        {:.3} with warming, {:.3} without\n\
             misses removed      {:.1} %\n\
             warmed              {} entries: {} useful, {} late, {} wasted, {} harmful\n\
             precision           {:.3}\n\
             L2 reads            {} with warming, {} without ({:+.1} %)\n",
            tally.events,
            tally.reads,
            self.l1_share * 100.0,
            self.source.keys.len(),
            tally.with(),
            tally.without(),
            tally.misses_removed() * 100.0,
            outcomes.warmed,
            outcomes.useful,
            outcomes.late,
            outcomes.wasted,
            outcomes.harmful,
            ratio(outcomes.useful, ended),
            reads_with,
            reads_without,
            (ratio(reads_with, reads_without) - 1.0) * 100.0,
        )
    }

    /// Ends the service.
    pub(super) async fn end(self) {
        self.forewarm
            .stop_serving(self.servers, Duration::from_millis(500))
            .await;
    }
}

/// Gives every key a value in L2.
async fn fill(core: &Arc<Core>, keys: &[Key]) {
    for some in keys.chunks(SEEDED_AT_ONCE) {
        let mut writes = JoinSet::new();
        for key in some {
            let (core, key) = (Arc::clone(core), key.clone());
            writes.spawn(async move {
                let value = Bytes::from(format!("{{\"price\":{}}}", key.bytes().len()));
                let stored = Stored {
                    value,
                    version: None,
                    ttl: None,
                };
                if let Err(error) = core.shared.put(&key, &stored).await {
                    tracing::warn!(%error, "a value could not be written to the demo's store");
                }
            });
        }
        while writes.join_next().await.is_some() {}
    }
}
