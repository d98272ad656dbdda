//! Plays one recording as often as wanted, on the product's own caches.

use std::collections::HashSet;
use std::time::Duration;

use forewarm_application::ports::LocalCache;
use forewarm_application::replay::{
    Contender, L1Size, Mark, Policy, ReplayConfig, Report, Stage, replay_watched,
};
use forewarm_application::trace::TraceEvent;
use forewarm_domain::Key;
use forewarm_infrastructure::l1::{Capacity, LruCache, QuickCache};

use super::progress::Progress;
use crate::clock::Clock;
use crate::config::Effective;

/// The hash of replay's caches: any constant, for ever the same.
const SEED: u64 = 0;

/// A recording with what holds for every run of it.
#[derive(Debug)]
pub(super) struct Player<'a> {
    events: &'a [TraceEvent],
    /// Distinct keys.
    pub(super) keys: usize,
    l1: L1Size,
    l2_latency: Duration,
}

/// A contender's marks, in order.
pub(super) type Course = Vec<Mark>;

impl<'a> Player<'a> {
    pub(super) fn new(events: &'a [TraceEvent], l1: L1Size, l2_latency: Duration) -> Self {
        let keys: HashSet<&Key> = events.iter().map(|event| &event.key).collect();
        Self {
            events,
            keys: keys.len(),
            l1,
            l2_latency,
        }
    }

    /// The lines.
    pub(super) fn events(&self) -> &'a [TraceEvent] {
        self.events
    }

    /// L1's size in entries.
    pub(super) fn l1_entries(&self) -> usize {
        self.l1.entries(self.keys)
    }

    /// What a configuration means for a run.
    pub(super) fn config(&self, effective: &Effective) -> ReplayConfig {
        let config = &effective.config;
        let mut model = config.tracking.model();
        if !effective.is_set("tracking.max_pairs") {
            // As L1 is sized by the recording's keys, so is the model: it need not forget.
            model.max_pairs = self
                .keys
                .clamp(model.max_pairs, model.max_pairs.max(1_000_000));
        }
        ReplayConfig {
            model,
            l1: self.l1,
            max_pairs_per_warm: config.warming.max_pairs_per_warm,
            extra_l2_reads: config.warming.budget.extra_l2_reads.share(),
            l1_share: config.warming.budget.l1_share,
            // Recordings of weeks are played in seconds: entries expire only when that is asked for.
            default_ttl: config
                .default_ttl()
                .filter(|_| effective.is_set("l1.default_ttl")),
            l2_latency: self.l2_latency,
        }
    }

    /// Plays, with a bar of its own.
    pub(super) fn play(&self, contenders: Vec<Contender>, config: &ReplayConfig) -> Report {
        let progress = Progress::playing(contenders.len(), self.events.len());
        let tell = &mut |name, line| progress.playing_at(name, line);
        let report = self.watched(contenders, config, tell, &mut |_, _| {});
        progress.end();
        report
    }

    /// Plays and keeps every contender's marks, `off`'s first.
    pub(super) fn courses(
        &self,
        contenders: Vec<Contender>,
        config: &ReplayConfig,
    ) -> (Report, Vec<(&'static str, Course)>) {
        let mut courses: Vec<(&'static str, Course)> = Vec::new();
        let report =
            self.watched(
                contenders,
                config,
                &mut |_, _| {},
                &mut |name, mark| match courses.last_mut().filter(|(known, _)| *known == name) {
                    Some((_, course)) => course.push(mark),
                    None => courses.push((name, vec![mark])),
                },
            );
        (report, courses)
    }

    fn watched(
        &self,
        contenders: Vec<Contender>,
        config: &ReplayConfig,
        progress: &mut dyn FnMut(&'static str, usize),
        watch: &mut dyn FnMut(&'static str, Mark),
    ) -> Report {
        let clock = Clock::start();
        let mut stage = Stage {
            caches: &|policy, entries| -> Box<dyn LocalCache> {
                match policy {
                    Policy::Product => {
                        Box::new(QuickCache::new(Capacity::Entries(entries as u64), SEED))
                    }
                    Policy::Lru => Box::new(LruCache::new(entries)),
                }
            },
            stopwatch: &|| clock.running(),
            progress,
        };
        replay_watched(self.events, contenders, config, &mut stage, watch)
    }
}
