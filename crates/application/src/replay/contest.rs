//! Every strategy side by side on a live stream: replay's own runs, all advancing together.
//!
//! A recording is played once per contender, because its lines can be read again. A stream
//! cannot: here the run without warming plays each event first, and what it did on it is handed to
//! all others. Run for run the code is replay's, so the same events give the same figures.

use std::time::Duration;

use forewarm_domain::{Key, SelectionStrategy, Timestamp, Version};

use super::keys::{KeyTable, RecentKeys};
use super::run::{Run, Scene};
use super::{MakeCache, OffLine, Policy, ReplayConfig, Report, TraceEvent, TraceSummary};

/// One event in so many is timed, for `ns_per_event`: all would cost two looks at a clock per run. A
/// prime, as tables double at powers of two, and those events are not like the others.
const TIMED_ONE_IN: u64 = 61;

struct Contestant {
    name: &'static str,
    run: Run<'static>,
    spent: Duration,
}

/// The run without warming and one run per strategy, in virtual time, each with a ghost L1: keys
/// without values.
///
/// Time is that of the stream: the latest `at` told. An event costs what it costs replay, once per
/// strategy. Memory is bounded: by `max_keys` (about 200 bytes a key and 10 per key and run),
/// L1's entries and the model's bounds, these two once per run. When a key more than `max_keys`
/// comes, the one unseen for longest is forgotten by everybody, L1s included.
pub struct Contest {
    keys: RecentKeys,
    l1_entries: usize,
    off: Contestant,
    others: Vec<Contestant>,
    now: Timestamp,
    /// The earliest time told of.
    first: Option<Timestamp>,
    told: usize,
    events: u64,
    reads: u64,
    timed: u64,
    forgotten: u64,
}

impl std::fmt::Debug for Contest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contest")
            .field("events", &self.events)
            .field("l1_entries", &self.l1_entries)
            .finish_non_exhaustive()
    }
}

impl Contest {
    /// All at the start. L1's size in `config` counts as a share of `max_keys` where it is one.
    pub fn new(
        strategies: Vec<Box<dyn SelectionStrategy>>,
        config: &ReplayConfig,
        max_keys: usize,
        caches: MakeCache<'_>,
    ) -> Self {
        let l1_entries = config.l1.entries(max_keys);
        let contestant = |name, strategy| Contestant {
            name,
            run: Run::live(
                strategy,
                config,
                caches(Policy::Product, l1_entries),
                l1_entries,
            ),
            spent: Duration::ZERO,
        };
        Self {
            keys: RecentKeys::new(max_keys),
            l1_entries,
            off: contestant("off", None),
            others: strategies
                .into_iter()
                .map(|strategy| contestant(strategy.name(), Some(strategy)))
                .collect(),
            now: Timestamp::ZERO,
            first: None,
            told: 0,
            events: 0,
            reads: 0,
            timed: 0,
            forgotten: 0,
        }
    }

    /// An update or a read; `stopwatch` is time since any fixed moment, looked at on one event
    /// in 61.
    pub fn play(&mut self, event: &TraceEvent, stopwatch: &dyn Fn() -> Duration) {
        let at = event.at;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        let key = self.see(&event.key, at);
        let timed = self.events.is_multiple_of(TIMED_ONE_IN);
        self.timed += u64::from(timed);
        self.events += 1;
        self.reads += u64::from(event.op.reads());
        self.each(key, |contestant, scene| {
            if !timed {
                contestant.run.play(scene, event);
                return;
            }
            let started = stopwatch();
            contestant.run.play(scene, event);
            contestant.spent += stopwatch().saturating_sub(started);
        });
    }

    /// The strategies that had warmed what the last event read and the run without warming did
    /// not have: misses turned into hits.
    pub fn gained(&self) -> impl Iterator<Item = &'static str> {
        let missed = !self.off.run.line().hit;
        let gained = move |contestant: &&Contestant| missed && contestant.run.line().hit;
        self.others
            .iter()
            .filter(gained)
            .map(|contestant| contestant.name)
    }

    /// The key's value changed elsewhere, which nobody is to learn from.
    pub fn changed(&mut self, key: &Key, version: Option<Version>, at: Timestamp) {
        if self.keys.table().number(key).is_none() {
            return;
        }
        let key = self.see(key, at);
        self.each(key, |contestant, scene| {
            contestant.run.changed(scene, version);
        });
    }

    /// The key was written through L1.
    pub fn written(&mut self, key: &Key, version: Option<Version>, at: Timestamp) {
        let key = self.see(key, at);
        self.each(key, |contestant, scene| {
            contestant.run.written(scene, version);
        });
    }

    /// L1 was emptied.
    pub fn emptied(&mut self) {
        self.each(0, |contestant, scene| contestant.run.emptied(scene));
    }

    /// L2 answers in another time from now on.
    pub fn set_latency(&mut self, latency: Duration) {
        self.off.run.set_latency(latency);
        for other in &mut self.others {
            other.run.set_latency(latency);
        }
    }

    /// The latest time told of.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The keys known now.
    pub fn keys(&self) -> usize {
        self.keys.table().len()
    }

    /// How many keys had to be forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The figures so far, `off` first. A key that was forgotten and came back counts twice among
    /// the distinct ones.
    pub fn report(&self) -> Report {
        let timed = usize::try_from(self.timed).unwrap_or(usize::MAX);
        let all = std::iter::once(&self.off).chain(&self.others);
        let runs = all.map(|contestant| {
            let tally = contestant.run.tally();
            tally.report(contestant.name, contestant.spent, timed)
        });
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let span = self.first.map_or(Duration::ZERO, |at| self.now.since(at));
        let trace = TraceSummary {
            events: count(self.events),
            reads: count(self.reads),
            updates: count(self.events - self.reads),
            distinct_keys: self.keys() + count(self.forgotten),
            span_ms: u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        };
        Report::new(trace, self.l1_entries, runs.collect())
    }

    /// The key's number; time passes until `at`.
    fn see(&mut self, key: &Key, at: Timestamp) -> u32 {
        self.now = self.now.max(at);
        if let Some(number) = self.keys.in_the_way_of(key) {
            self.forgotten += 1;
            let table = self.keys.table();
            self.off.run.forget(table, number);
            for other in &mut self.others {
                other.run.forget(table, number);
            }
        }
        self.keys.see(key)
    }

    /// Lets the run without warming act, then all others, who are told what it did.
    fn each(&mut self, key: u32, mut act: impl FnMut(&mut Contestant, Scene<'_>)) {
        let at = self.told;
        self.told += 1;
        let (keys, now): (&KeyTable, _) = (self.keys.table(), self.now);
        let scene = |off| Scene {
            keys,
            at,
            key,
            now,
            off,
        };
        act(&mut self.off, scene(OffLine::default()));
        for other in &mut self.others {
            act(other, scene(self.off.run.line()));
        }
    }
}
