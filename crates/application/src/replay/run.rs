//! One contender playing a recording.

mod flights;
mod reports;
mod tally;
mod told;

use std::collections::VecDeque;

use bytes::Bytes;
use forewarm_domain::{
    Event, Key, Op, SelectionStrategy, Standing, Timestamp, Trigger, Version, WindowStatistics,
};

use flights::Flight;
use tally::Tally;

use super::exposure::Exposure;
use super::future::{Future, NoSelection};
use super::keys::{KeyTable, PairNumbers};
use super::markov::Markov;
use super::off::OffLine;
use super::popularity::Popularity;
use super::timeline::Timeline;
use super::{Contender, ReplayConfig};
use crate::governor::{Governor, Risk};
use crate::learner::{Learner, Offer, Request, horizon, stay};
use crate::ledger::Ledger;
use crate::ports::{Cached, Ending, LocalCache, LocalLookup, Placement};
use crate::trace::TraceEvent;

/// How far `oracle-unlimited` looks ahead, in lines.
const FORESIGHT: usize = 64;

/// What a contender plays a line with.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    /// The keys seen so far.
    pub(super) keys: &'s KeyTable,
    /// Which line.
    pub(super) at: usize,
    /// The number of its key.
    pub(super) key: u32,
    /// The latest time of this and all earlier lines.
    pub(super) now: Timestamp,
    /// What the run without warming did on it; that run itself is told nothing.
    pub(super) off: OffLine<'s>,
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
    config: ReplayConfig,
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
    /// Numbers of the model's pairs.
    numbers: PairNumbers,
    /// Scratch: keys to fetch.
    wanted: Vec<u32>,
    over_budget: u64,
    exposure: Exposure,
    /// What L1 said to the line being played.
    trigger: Trigger,
    /// Whether that line hit L1 and whether it read L2, and what the run without warming holds
    /// since and does not.
    hit: bool,
    fetched: bool,
    changes: Vec<(u32, bool)>,
    /// Entries warmed when it last retreated.
    retreated: u64,
    reported: WindowStatistics,
    next_report: Timestamp,
}

impl<'a> Run<'a> {
    /// Plays a recording.
    pub(super) fn new(
        timeline: &'a Timeline,
        contender: Contender,
        config: &ReplayConfig,
        l1: Box<dyn LocalCache>,
        l1_entries: usize,
    ) -> Self {
        // What a clairvoyant fetches must live until its read.
        let room = stay(l1_entries as u64, config.l1_share);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let future = || Future::new(timeline, config.l2_latency, room);
        let budgeted = matches!(
            contender,
            Contender::Markov | Contender::Popularity | Contender::Oracle | Contender::Strategy(_)
        );
        let keys = timeline.keys.len();
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
            Contender::Strategy(strategy) => choosing(strategy, config, l1_entries),
        };
        Self::thinking(mind, config, l1, (l1_entries, keys), budgeted)
    }

    /// Plays a stream whose keys and future nobody knows yet, without warming or with a strategy.
    pub(super) fn live(
        strategy: Option<Box<dyn SelectionStrategy>>,
        config: &ReplayConfig,
        l1: Box<dyn LocalCache>,
        l1_entries: usize,
    ) -> Self {
        let budgeted = strategy.is_some();
        let mind = strategy.map_or(Mind::Nothing, |strategy| {
            choosing(strategy, config, l1_entries)
        });
        Self::thinking(mind, config, l1, (l1_entries, 0), budgeted)
    }

    fn thinking(
        mind: Mind<'a>,
        config: &ReplayConfig,
        l1: Box<dyn LocalCache>,
        (l1_entries, keys): (usize, usize),
        budgeted: bool,
    ) -> Self {
        Self {
            config: config.clone(),
            mind,
            l1,
            l1_entries,
            ledger: Ledger::new(),
            governor: Governor::new(config.extra_l2_reads.filter(|_| budgeted)),
            tally: Tally::default(),
            flights: VecDeque::new(),
            departed: 0,
            flight_of: vec![0; keys],
            numbers: PairNumbers::default(),
            wanted: Vec::new(),
            over_budget: 0,
            exposure: Exposure::new(keys),
            trigger: Trigger::default(),
            hit: false,
            fetched: false,
            changes: Vec::new(),
            retreated: 0,
            reported: WindowStatistics::default(),
            next_report: Timestamp::ZERO,
        }
    }

    pub(super) fn play(&mut self, scene: Scene<'_>, event: &TraceEvent) {
        let Scene { keys, key, now, .. } = scene;
        self.begin(scene);
        if event.op == Op::Update {
            self.update(keys, key, event, now);
        } else {
            self.read(scene);
        }
        self.think(scene, event);
        self.give_up(keys, now);
        self.retreat(keys, now);
        self.report_window(now);
    }

    /// Time passes until the scene.
    fn begin(&mut self, scene: Scene<'_>) {
        let keys = scene.keys;
        if keys.len() > self.flight_of.len() {
            self.flight_of.resize(keys.len(), 0);
            self.exposure.make_room(keys.len());
        }
        self.changes.clear();
        (self.hit, self.fetched) = (false, false);
        self.land_until(keys, scene.now);
        self.exposure.follow(scene.off.changes);
    }

    /// What it did on the line played last, for those that are measured against it.
    pub(super) fn line(&self) -> OffLine<'_> {
        OffLine {
            hit: self.hit,
            read_l2: self.fetched,
            changes: &self.changes,
        }
    }

    /// Takes note of whether L1 holds a fresh copy of the key, or one is on its way.
    fn note(&mut self, keys: &KeyTable, key: u32, now: Timestamp) {
        let name = keys.name(key);
        // A read of a key on its way joins, so it costs no more than one of a key that is here.
        let held = self.l1.has(name, now) || self.flight_of[key as usize] != 0;
        if let Mind::Popularity(popularity) = &mut self.mind {
            popularity.note(key, held);
        }
        if self.exposure.note(key, held) && matches!(self.mind, Mind::Nothing) {
            self.changes.push((key, held));
        }
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
    fn retreat(&mut self, keys: &KeyTable, now: Timestamp) {
        let spent = |governor: &Governor, risk| governor.left(risk) == Some(0);
        if self.ledger.unread() == 0 || !spent(&self.governor, self.risk()) {
            return;
        }
        // Those that `off` holds are not looked at again until it lets go of a key or more are
        // warmed.
        let warmed = self.ledger.totals().warmed;
        if self.retreated == warmed && !self.exposure.released {
            return;
        }
        self.retreated = warmed;
        self.exposure.released = false;
        let unread: Vec<u32> = self
            .ledger
            .unread_by_age()
            .filter_map(|key| keys.number(key))
            .filter(|&key| !self.exposure.off_holds(key))
            .collect();
        for key in unread {
            self.drop_unread(keys, key, now);
        }
    }

    /// Takes the key out of L1 if it is an unread warm.
    fn drop_unread(&mut self, keys: &KeyTable, key: u32, now: Timestamp) {
        let name = keys.name(key);
        if self.ledger.is_unread(name) {
            self.l1.remove(name);
            self.end(name, false);
            self.note(keys, key, now);
        }
    }

    #[cfg(test)]
    pub(super) fn l2_reads(&self) -> u64 {
        self.governor.reads()
    }

    /// The counts so far.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            l2_reads: self.governor.reads(),
            outcomes: self.ledger.totals(),
            ..self.tally
        }
    }

    fn update(&mut self, keys: &KeyTable, key: u32, event: &TraceEvent, now: Timestamp) {
        self.trigger = Trigger::Update;
        let name = keys.name(key);
        let held = matches!(self.mind, Mind::Refresh) && self.l1.has(name, now);
        self.discard(key);
        if event.value.is_some() {
            let cached = self.cached(event.version, now);
            let placed = self.l1.place(name, cached, Placement::Refresh);
            self.account(keys, key, &placed, now);
            return;
        }
        self.become_stale(keys, key, event.version, now);
        if held {
            self.wanted.clear();
            self.wanted.push(key);
            self.fetch_wanted(keys, now);
        }
    }

    fn read(&mut self, scene: Scene<'_>) {
        let Scene {
            keys,
            key,
            now,
            off,
            ..
        } = scene;
        self.tally.reads += 1;
        let name = keys.name(key);
        self.ledger.advance(self.tally.reads, |_| {});
        self.trigger = Trigger::Miss;
        match self.l1.get(name, now) {
            LocalLookup::Hit {
                first_read_of_warm, ..
            } => {
                self.hit = true;
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
            .off_would_read(f64::from(u8::from(off.read_l2)));
        self.governor.judge(self.trigger, off.hit, 1.0);
        if !self.hit {
            self.ledger.missed(name, self.tally.reads);
            match self.flight_of[key as usize].checked_sub(1) {
                Some(number) => self.flight_mut(number).awaited = true,
                None => {
                    self.fetched = true;
                    self.governor.demand_reads(1);
                    self.depart(keys, key, false, now);
                }
            }
        }
    }

    /// Learns from the line and fetches what the mind expects next.
    fn think(&mut self, scene: Scene<'_>, event: &TraceEvent) {
        let Scene {
            keys, at, key, now, ..
        } = scene;
        let cap = match self.governor.turned_down() {
            Some(_) => 0,
            None => self.config.max_pairs_per_warm,
        };
        let price = self.governor.price();
        let trigger = self.trigger;
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
                    .filter_map(|id| keys.number(learner.key(id)?))
                    .filter(|&key| !self.l1.has(keys.name(key), now))
                    .filter_map(|key| Some((future.next_use(key, at)?, key)))
                    .collect();
                uses.sort_unstable();
                wanted.extend(uses.into_iter().map(|(_, key)| key).take(cap));
            }
            Mind::Strategy(learner) => {
                let Some(request) = learned(learner) else {
                    return;
                };
                self.choose(keys, request, now, (cap, price));
                return;
            }
        }
        self.fetch_wanted(keys, now);
    }

    /// Fetches what the strategy chooses for `request`, in as many operations as it takes.
    fn choose(
        &mut self,
        keys: &KeyTable,
        request: Request,
        now: Timestamp,
        (cap, price): (usize, f32),
    ) {
        let roomy = self.risk().room >= self.l1_entries / 2;
        let closed = !roomy && !self.governor.may_displace();
        let mut next = Some(request);
        while let Some(request) = next
            && let Mind::Strategy(learner) = &mut self.mind
        {
            let (flights, l1) = (&self.flight_of, &self.l1);
            let numbers = &mut self.numbers;
            let standing = |pair, key: &Key| match numbers.get(pair, key, keys) {
                Some(number) if flights[number as usize] == 0 => match l1.standing(key, now) {
                    Standing::Absent if closed => Standing::Fresh,
                    standing => standing,
                },
                _ => Standing::Fresh,
            };
            learner.select(request, now, cap, price, standing);
            self.wanted.clear();
            for candidate in learner.selected() {
                let pair = candidate.pair;
                let number = learner.key(pair).and_then(|k| numbers.get(pair, k, keys));
                self.wanted.extend(number);
            }
            next = learner.continuation(request);
            self.fetch_wanted(keys, now);
        }
    }

    /// Sends for those wanted that L1 has not, as far as the budget goes.
    fn fetch_wanted(&mut self, keys: &KeyTable, now: Timestamp) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted
            .retain(|&key| self.flight_of[key as usize] == 0 && !self.l1.has(keys.name(key), now));
        let granted = self.governor.grant(wanted.len(), self.risk());
        self.over_budget += (wanted.len() - granted) as u64;
        for &key in &wanted[..granted] {
            self.depart(keys, key, true, now);
        }
        self.wanted = wanted;
    }

    /// A copy of no value: nobody looks at it, and every entry weighs one.
    fn cached(&self, version: Option<Version>, now: Timestamp) -> Cached {
        let ttl = self.config.default_ttl;
        let expires_at = ttl.map_or(Timestamp::MAX, |ttl| now + ttl);
        Cached {
            value: Bytes::new(),
            version,
            loaded_at: now,
            expires_at,
            ending: Ending::Unknown,
        }
    }
}

fn choosing<'a>(
    strategy: Box<dyn SelectionStrategy>,
    config: &ReplayConfig,
    l1_entries: usize,
) -> Mind<'a> {
    let mut learner = Learner::new(config.model, strategy, 1);
    let horizon = horizon(l1_entries as u64, config.l1_share);
    learner.set_bounds(horizon, config.l2_latency);
    Mind::Strategy(learner)
}
