//! One contender playing a recording.

mod flights;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::{Event, Key, Op, Timestamp, Trigger, WindowStatistics};

use flights::Flight;

use super::exposure::Exposure;
use super::future::{Future, NoSelection};
use super::markov::Markov;
use super::popularity::Popularity;
use super::report::{RunReport, ratio};
use super::timeline::Timeline;
use super::{Contender, ReplayConfig};
use crate::governor::{Governor, Risk};
use crate::learner::{Learner, Offer, Request, horizon};
use crate::ledger::{Ledger, Outcomes};
use crate::ports::{Cached, LocalCache, LocalLookup, Placement};
use crate::trace::TraceEvent;

/// How far `oracle-unlimited` looks ahead, in lines.
const FORESIGHT: usize = 64;

/// Lines between two retreats without a warm in between.
const RETREATS_EVERY: u32 = 64;

/// How often a strategy is told what happened, in stream time.
const WINDOW: Duration = Duration::from_secs(1);

/// What the run without warming did on each line.
#[derive(Debug, Default)]
pub(super) struct OffSeries {
    /// Bit 0: the read hit L1; bit 1: it read L2.
    lines: Vec<u8>,
    /// Line, key, and whether it has been fresh in L1, or on its way there, since: 12 bytes a change.
    pub(super) changes: Vec<(u32, u32, bool)>,
}

impl OffSeries {
    fn hit(&self, at: usize) -> bool {
        self.lines.get(at).is_some_and(|bits| bits & 1 != 0)
    }

    fn read_l2(&self, at: usize) -> bool {
        self.lines.get(at).is_some_and(|bits| bits & 2 != 0)
    }
}

/// A contender's raw counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    reads: u64,
    hits: u64,
    l2_reads: u64,
    outcomes: Outcomes,
}

impl Tally {
    pub(super) fn report(
        &self,
        strategy: &'static str,
        spent: Duration,
        lines: usize,
    ) -> RunReport {
        RunReport {
            strategy,
            reads: self.reads,
            l1_hits: self.hits,
            l1_hit_ratio: ratio(self.hits as f64, self.reads),
            misses_removed_ratio: 0.0,
            outcomes: self.outcomes,
            l2_reads: self.l2_reads,
            extra_l2_reads_ratio: 0.0,
            ns_per_event: ratio(spent.as_nanos() as f64, lines as u64),
        }
    }
}

enum Mind<'a> {
    Nothing,
    Refresh,
    Markov(Markov),
    Popularity(Popularity),
    Oracle(Learner, Future<'a>),
    OracleUnlimited(Future<'a>),
    Strategy(Learner),
}

pub(super) struct Run<'a> {
    timeline: &'a Timeline,
    config: &'a ReplayConfig,
    off: &'a OffSeries,
    series: OffSeries,
    mind: Mind<'a>,
    l1: Box<dyn LocalCache>,
    l1_entries: usize,
    ledger: Ledger,
    governor: Governor,
    tally: Tally,
    /// Every flight takes the same time, so they land in the order of departure.
    flights: VecDeque<Flight>,
    departed: u64,
    /// Per key, the number of its flight plus one; 0 = none.
    flight_of: Vec<u64>,
    /// Scratch: keys to fetch.
    wanted: Vec<u32>,
    over_budget: u64,
    exposure: Exposure,
    /// What L1 said to the line being played.
    trigger: Trigger,
    /// Entries warmed when it last retreated.
    retreated: u64,
    reported: WindowStatistics,
    next_report: Timestamp,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        timeline: &'a Timeline,
        contender: Contender,
        config: &'a ReplayConfig,
        l1: Box<dyn LocalCache>,
        l1_entries: usize,
        off: &'a OffSeries,
    ) -> Self {
        // What a clairvoyant fetches must live until its read: longer than the waiting room it
        // would not.
        let room = horizon(l1_entries as u64, config.l1_share);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let future = || Future::new(timeline, config.l2_latency, room);
        let budgeted = matches!(
            contender,
            Contender::Markov | Contender::Popularity | Contender::Oracle | Contender::Strategy(_)
        );
        let mind = match contender {
            Contender::Off | Contender::Lru => Mind::Nothing,
            Contender::Refresh => Mind::Refresh,
            Contender::Markov => Mind::Markov(Markov::new(timeline.keys.len())),
            Contender::Popularity => {
                Mind::Popularity(Popularity::new(timeline.keys.len(), l1_entries))
            }
            Contender::Oracle => {
                let nobody = Box::new(NoSelection);
                Mind::Oracle(Learner::new(config.model, nobody, 1), future())
            }
            Contender::OracleUnlimited => Mind::OracleUnlimited(future()),
            Contender::Strategy(strategy) => {
                let mut learner = Learner::new(config.model, strategy, 1);
                let horizon = horizon(l1_entries as u64, config.l1_share);
                learner.set_bounds(horizon, config.l2_latency);
                Mind::Strategy(learner)
            }
        };
        Self {
            timeline,
            config,
            off,
            series: OffSeries::default(),
            mind,
            l1,
            l1_entries,
            ledger: Ledger::new(),
            governor: Governor::new(config.extra_l2_reads.filter(|_| budgeted)),
            tally: Tally::default(),
            flights: VecDeque::new(),
            departed: 0,
            flight_of: vec![0; timeline.keys.len()],
            wanted: Vec::new(),
            over_budget: 0,
            exposure: Exposure::new(timeline.keys.len()),
            trigger: Trigger::default(),
            retreated: 0,
            reported: WindowStatistics::default(),
            next_report: Timestamp::ZERO,
        }
    }

    pub(super) fn play(&mut self, at: usize, event: &TraceEvent) {
        let line = self.timeline.lines[at];
        self.exposure.line = at as u32;
        self.land_until(line.now);
        self.exposure.follow(self.off);
        if event.op == Op::Update {
            self.update(line.key, event, line.now);
        } else {
            self.read(at, line.key, line.now);
        }
        self.think(at, event, line.now);
        self.retreat(line.now);
        self.report_window(line.now);
    }

    /// Takes note of whether L1 holds a fresh copy of the key, or one is on its way.
    fn note(&mut self, key: u32, now: Timestamp) {
        let name = &self.timeline.keys[key as usize];
        // A read of a key on its way joins, so it costs no more than one of a key that is here.
        let held = self.l1.peek(name, now).is_some() || self.flight_of[key as usize] != 0;
        match &mut self.mind {
            Mind::Nothing => return self.exposure.log(key, held, &mut self.series),
            Mind::Popularity(popularity) => popularity.note(key, held),
            _ => {}
        }
        self.exposure.note(key, held);
    }

    /// What demand may yet read that it would not have read without warming.
    fn risk(&self) -> Risk {
        let usage = self.l1.usage();
        let free = usage.capacity.saturating_sub(usage.weight) as usize;
        let open = self.exposure.lacking + self.flights.len();
        Risk {
            open,
            // What comes back needs its room.
            room: free.saturating_sub(open),
        }
    }

    /// When what is at risk has used up the budget, the unread warms that L1 would not hold anyway
    /// give up their room: what is read again then pushes nothing else out.
    fn retreat(&mut self, now: Timestamp) {
        let spent = |governor: &Governor, risk| governor.left(risk) == Some(0);
        if self.ledger.unread() == 0 || !spent(&self.governor, self.risk()) {
            return;
        }
        // Nothing is sent while the budget is spent, so those that `off` holds are not looked at
        // again on every line.
        let warmed = self.ledger.totals().warmed;
        if self.retreated == warmed && !self.exposure.line.is_multiple_of(RETREATS_EVERY) {
            return;
        }
        self.retreated = warmed;
        let unread: Vec<u32> = self
            .ledger
            .unread_by_age()
            .filter_map(|key| self.timeline.number(key))
            .filter(|&key| !self.exposure.off_holds(key))
            .collect();
        for key in unread {
            self.drop_unread(key, now);
        }
    }

    /// Takes the key out of L1 if it is an unread warm.
    fn drop_unread(&mut self, key: u32, now: Timestamp) {
        let name = &self.timeline.keys[key as usize];
        if self.ledger.is_unread(name) {
            self.l1.remove(name);
            self.end(name, false);
            self.note(key, now);
        }
    }

    #[cfg(test)]
    pub(super) fn l2_reads(&self) -> u64 {
        self.governor.reads()
    }

    pub(super) fn finish(mut self) -> (Tally, OffSeries) {
        self.tally.l2_reads = self.governor.reads();
        self.tally.outcomes = self.ledger.totals();
        (self.tally, self.series)
    }

    fn update(&mut self, key: u32, event: &TraceEvent, now: Timestamp) {
        self.series.lines.push(0);
        self.trigger = Trigger::Update;
        let name = &self.timeline.keys[key as usize];
        let held = matches!(self.mind, Mind::Refresh) && self.l1.peek(name, now).is_some();
        if let Some(number) = self.flight_of[key as usize].checked_sub(1) {
            self.flight_of[key as usize] = 0;
            self.flight_mut(number).discarded = true;
        }
        let timeline = self.timeline;
        let name = &timeline.keys[key as usize];
        match &event.value {
            Some(value) => {
                let cached = self.cached(value.clone(), event.version, now);
                let placed = self.l1.place(name, cached, Placement::Refresh);
                self.account(key, &placed, now);
            }
            None => {
                if self.l1.mark_stale(name, event.version) {
                    self.end(name, false);
                }
                self.note(key, now);
                if held {
                    self.wanted.clear();
                    self.wanted.push(key);
                    self.fetch_wanted(now);
                }
            }
        }
    }

    fn read(&mut self, at: usize, key: u32, now: Timestamp) {
        self.tally.reads += 1;
        let name = &self.timeline.keys[key as usize];
        self.ledger.advance(self.tally.reads, |_| {});
        let (mut hit, mut fetched) = (false, false);
        self.trigger = Trigger::Miss;
        match self.l1.get(name, now) {
            LocalLookup::Hit {
                first_read_of_warm, ..
            } => {
                hit = true;
                self.tally.hits += 1;
                self.trigger = Trigger::Hit;
                if first_read_of_warm {
                    self.trigger = Trigger::Warmed;
                    self.end(name, true);
                }
            }
            LocalLookup::Expired { unread: true } => {
                self.end(name, false);
            }
            LocalLookup::Expired { unread: false } | LocalLookup::Miss => {}
        }
        // The budget sees what `off` does on this line before what we do.
        self.governor
            .off_would_read(f64::from(u8::from(self.off.read_l2(at))));
        self.governor.judge(self.trigger, self.off.hit(at), 1.0);
        if !hit {
            self.ledger.missed(name, self.tally.reads);
            match self.flight_of[key as usize].checked_sub(1) {
                Some(number) => self.flight_mut(number).awaited = true,
                None => {
                    fetched = true;
                    self.governor.demand_reads(1);
                    self.depart(key, false, now);
                }
            }
        }
        self.series
            .lines
            .push(u8::from(hit) | u8::from(fetched) << 1);
    }

    /// Learns from the line and fetches what the mind expects next.
    fn think(&mut self, at: usize, event: &TraceEvent, now: Timestamp) {
        let cap = match self.governor.turned_down() {
            Some(_) => 0,
            None => self.config.max_pairs_per_warm,
        };
        let price = self.governor.price();
        let trigger = self.trigger;
        let key = self.timeline.lines[at].key;
        let learned = |learner: &mut Learner| -> Option<Request> {
            let seen = Event {
                key: event.key.clone(),
                op: event.op,
                at: event.at,
            };
            let request = learner.observe(&seen, trigger, now);
            (learner.offer(request) == Offer::Queued)
                .then(|| learner.next_request())
                .flatten()
        };
        self.wanted.clear();
        let wanted = &mut self.wanted;
        match &mut self.mind {
            Mind::Nothing | Mind::Refresh => return,
            Mind::Markov(markov) => {
                if event.op.reads() {
                    markov.read(key);
                }
                wanted.extend(markov.successors(key).take(cap));
            }
            Mind::Popularity(popularity) => {
                if event.op.reads() {
                    popularity.read(key);
                }
                wanted.extend(popularity.absent().take(cap));
            }
            Mind::OracleUnlimited(future) => {
                future.next_reads(at, self.config.max_pairs_per_warm, FORESIGHT, wanted);
            }
            Mind::Oracle(learner, future) => {
                let Some(request) = learned(learner) else {
                    return;
                };
                let partners = learner.candidates(request, now);
                let ids: Vec<_> = partners.iter().map(|partner| partner.pair).collect();
                let mut uses: Vec<(u32, u32)> = ids
                    .into_iter()
                    .filter_map(|id| self.timeline.number(learner.key(id)?))
                    .filter(|&key| {
                        self.l1
                            .peek(&self.timeline.keys[key as usize], now)
                            .is_none()
                    })
                    .filter_map(|key| Some((future.next_use(key, at)?, key)))
                    .collect();
                uses.sort_unstable();
                wanted.extend(uses.into_iter().map(|(_, key)| key).take(cap));
            }
            Mind::Strategy(learner) => {
                let Some(request) = learned(learner) else {
                    return;
                };
                let (timeline, flights, l1) = (self.timeline, &self.flight_of, &self.l1);
                let absent = |key: &Key| {
                    timeline
                        .number(key)
                        .is_some_and(|n| flights[n as usize] == 0)
                        && l1.peek(key, now).is_none()
                };
                learner.select(request, now, cap, price, absent);
                for candidate in learner.selected() {
                    let number = learner
                        .key(candidate.pair)
                        .and_then(|k| self.timeline.number(k));
                    wanted.extend(number);
                }
            }
        }
        self.fetch_wanted(now);
    }

    /// Sends for those wanted that L1 has not, as far as the budget goes.
    fn fetch_wanted(&mut self, now: Timestamp) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|&key| {
            self.flight_of[key as usize] == 0
                && self
                    .l1
                    .peek(&self.timeline.keys[key as usize], now)
                    .is_none()
        });
        let granted = self.governor.grant(wanted.len(), self.risk());
        self.over_budget += (wanted.len() - granted) as u64;
        for &key in &wanted[..granted] {
            self.depart(key, true, now);
        }
        self.wanted = wanted;
    }

    /// Once a second of stream time the strategy learns what happened.
    fn report_window(&mut self, now: Timestamp) {
        let Mind::Strategy(learner) = &mut self.mind else {
            return;
        };
        if now < self.next_report {
            return;
        }
        self.next_report = now + WINDOW;
        let totals = self.ledger.totals();
        let all = WindowStatistics {
            lookups: self.tally.reads,
            hits: self.tally.hits,
            warmed: totals.warmed,
            useful: totals.useful,
            late: totals.late,
            wasted: totals.wasted + totals.harmful,
            over_budget: self.over_budget,
        };
        learner.strategy_mut().observe(&all.since(&self.reported));
        self.reported = all;
    }

    fn cached(
        &self,
        value: Bytes,
        version: Option<forewarm_domain::Version>,
        now: Timestamp,
    ) -> Cached {
        let ttl = self.config.default_ttl;
        let expires_at = ttl.map_or(Timestamp::MAX, |ttl| now + ttl);
        Cached {
            value,
            version,
            loaded_at: now,
            expires_at,
        }
    }
}
