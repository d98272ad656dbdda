//! The model: which reads follow an event, learned from the live stream.
//!
//! Per event it touches the event's own pair, the two rings of [`Window`] and the rows of at
//! most four sources whose windows close: O(1), whatever the number of pairs. Memory is bounded
//! by `max_pairs` × about 200 bytes and the keys' own, and what [`Partners`] allows itself for all rows
//! together: 128 MiB, or 176 bytes a pair if that is more.

pub mod snapshot;

use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use crate::co_occurrence::{CLOSED_PER_EVENT, LastTarget, SourceKind, Window, WindowConfig};
use crate::correlation::{AsTarget, Association, Detail, Partners, Row, TOUCHED_PARTS};
use crate::decay::{Decay, Decayed, Instant};
use crate::event::{Event, Op};
use crate::key::Key;
use crate::pair::{Interned, PairId, PairTable};
use crate::time::Timestamp;

/// The model's bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelConfig {
    /// How far apart cause and effect may lie, in time and in reads.
    pub window: WindowConfig,
    /// After which half of a count is forgotten.
    pub half_life: Duration,
    /// Pairs tracked.
    pub max_pairs: usize,
    /// Partners kept for each pair in each role.
    pub max_partners: usize,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            window: WindowConfig {
                span: Duration::from_secs(1),
                events: 20,
            },
            half_life: Duration::from_secs(600),
            max_pairs: 10_000,
            max_partners: 32,
        }
    }
}

/// Why an event is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The event's clock is ahead of ours.
    #[error(
        "timestamp lies {ahead:?} in the future, at most {:?} are allowed",
        MAX_AHEAD
    )]
    TooFarAhead {
        /// By how much.
        ahead: Duration,
    },
    /// The event is old news.
    #[error("timestamp is {age:?} old, at most {:?} are allowed", MAX_AGE)]
    TooOld {
        /// How old.
        age: Duration,
    },
}

/// How far an event's time may lie in the future.
pub const MAX_AHEAD: Duration = Duration::from_secs(60);
/// How old an event may be.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Checks an event's time against the clock.
pub fn check_time(at: Timestamp, now: Timestamp) -> Result<(), Refused> {
    let (ahead, age) = (at.since(now), now.since(at));
    if ahead > MAX_AHEAD {
        return Err(Refused::TooFarAhead { ahead });
    }
    if age > MAX_AGE {
        return Err(Refused::TooOld { age });
    }
    Ok(())
}

/// 128 bytes: what a target needs in the first cache line, the rows in the second.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct PairState {
    /// Of the pair that has the slot.
    generation: u16,
    last_target: LastTarget,
    last_seen: Timestamp,
    /// When it was last a target.
    last_entered: Timestamp,
    /// Seconds that lay within a window's span before one of its reads.
    covered: Decayed,
    /// Windows of each kind that this pair entered as a target.
    entered: [Decayed; 2],
    rows: [Row; 2],
}

/// The model.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    decay: Decay,
    pairs: PairTable,
    states: Vec<PairState>,
    window: Window,
    /// Sources seen, by kind: the denominator of chance.
    sources: [Decayed; 2],
    /// Seconds of stream seen: the denominator of coverage.
    elapsed: Decayed,
    /// Latest time seen; late events are taken as of now.
    clock: Timestamp,
    /// The moment of `clock`, kept because events share milliseconds.
    moment: Instant,
    reads_seen: bool,
    random: u64,
    partners: Partners,
    /// The pair whose rows are looked at next when room is short.
    hand: usize,
    last_closed: Timestamp,
    /// When the stream began.
    began: Option<Timestamp>,
    late: u64,
}

impl Model {
    /// An empty model.
    pub fn new(config: ModelConfig) -> Self {
        let decay = Decay::new(config.half_life);
        Self {
            config,
            decay,
            pairs: PairTable::new(config.max_pairs),
            states: Vec::new(),
            window: Window::new(config.window),
            sources: [Decayed::default(); 2],
            elapsed: Decayed::default(),
            clock: Timestamp::ZERO,
            moment: decay.at(Timestamp::ZERO),
            reads_seen: false,
            random: 0x9e37_79b9_7f4a_7c15,
            partners: Partners::new(config.max_pairs),
            hand: 0,
            last_closed: Timestamp::ZERO,
            began: None,
            late: 0,
        }
    }

    /// The bounds in force.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Learns one event and says which pair, in which role, may now be warmed for. Events with
    /// a time before the latest one are taken as of the latest (`late` counts those that were
    /// late by more than a window); an event ahead of `now` as of `now`.
    pub fn observe(&mut self, event: &Event, now: Timestamp) -> (PairId, SourceKind) {
        let at = event.at.min(now);
        if at + self.config.window.span < self.clock {
            self.late += 1;
        }
        self.set_clock(at);
        self.began.get_or_insert(self.clock);
        for _ in 0..CLOSED_PER_EVENT {
            if !self.close_one() {
                break;
            }
        }
        self.touch_upcoming();
        let id = self.intern(&event.key);
        self.states[id.index()].last_seen = self.clock;
        if event.op.reads() && !self.reads_seen {
            // Until now updates stood in for reads; what they taught is another question's answer.
            self.reads_seen = true;
            self.forget_rows();
        }
        if event.op.reads() || !self.reads_seen {
            self.enter(id);
        }
        let kind = if event.op == Op::Read {
            SourceKind::Read
        } else {
            SourceKind::Update
        };
        self.sources[kind.index()].add(1.0, self.moment);
        self.window.push_source(id, kind, self.clock);
        (id, kind)
    }

    /// Closes the windows that time has completed, at most `limit` of them; how many.
    pub fn advance(&mut self, now: Timestamp, limit: usize) -> usize {
        self.set_clock(now);
        (0..limit).take_while(|_| self.close_one()).count()
    }

    /// The id of `key`, if tracked.
    pub fn id(&self, key: &Key) -> Option<PairId> {
        self.pairs.get(key)
    }

    /// The key of `id`, if still tracked.
    pub fn key(&self, id: PairId) -> Option<&Key> {
        self.pairs.key(id)
    }

    /// Appends what is known to be read after `kind` of `id`, in no order.
    pub fn associations(
        &self,
        id: PairId,
        kind: SourceKind,
        now: Timestamp,
        out: &mut Vec<Association>,
    ) {
        self.each_association(id, (kind, Detail::Scored), now, |known| out.push(known));
    }

    /// Calls `each` with what is known to be read after an event of `id`, in no order and in no more
    /// detail than asked for.
    #[inline]
    pub fn each_association(
        &self,
        id: PairId,
        (kind, detail): (SourceKind, Detail),
        now: Timestamp,
        mut each: impl FnMut(Association),
    ) {
        let Some(state) = self.state(id) else {
            return;
        };
        let moment = if now <= self.clock {
            self.moment
        } else {
            self.decay.at(now)
        };
        let reader = moment.reader();
        let span = self.config.window.span;
        let covered = span.as_secs_f32();
        let per_second = (reader.get(&self.elapsed) + covered).recip();
        let as_target = |pair: PairId| {
            let state = self.state(pair)?;
            Some(AsTarget {
                entered: reader.get(&state.entered[kind.index()]),
                of_time: (reader.get(&state.covered) + covered) * per_second,
                last_seen: state.last_seen,
            })
        };
        let sources = reader.get(&self.sources[kind.index()]);
        state.rows[kind.index()].associations(
            (kind, detail),
            (now.max(self.clock), sources),
            &self.decay,
            &self.partners,
            as_target,
            |mut known| {
                // Lags are kept to an eighth of a doubling; none is longer than the window.
                known.lag = known.lag.min(span);
                each(known);
            },
        );
    }

    /// What came of fetching `partner` because of `kind` of `source`.
    pub fn feed_back(&mut self, source: PairId, kind: SourceKind, partner: PairId, useful: bool) {
        if self.state(source).is_some() {
            let row = &self.states[source.index()].rows[kind.index()];
            row.feed_back(partner, useful, &mut self.partners);
        }
    }

    /// Whether anything is known to follow `kind` of `id`; O(1), for the hot path.
    pub fn has_associations(&self, id: PairId, kind: SourceKind) -> bool {
        !self.states[id.index()].rows[kind.index()].is_empty()
    }

    /// Pairs tracked.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether no pair is tracked.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Every tracked key with its id.
    pub fn pairs(&self) -> impl Iterator<Item = (PairId, &Key)> {
        self.pairs.iter()
    }

    /// Places for pairs in use, live and vacated: the range that [`Self::sources`] walks.
    pub fn slots(&self) -> usize {
        self.states.len()
    }

    /// The pairs in a range of [places](Self::slots) after which something was seen, by kind of
    /// their event, with the windows counted (decayed): how busy each is as a source.
    pub fn sources(
        &self,
        slots: Range<usize>,
        now: Timestamp,
    ) -> impl Iterator<Item = (PairId, SourceKind, f32)> {
        let slots = slots.start.min(self.states.len())..slots.end.min(self.states.len());
        let live = slots.filter_map(|slot| self.pairs.at(slot));
        let now = now.max(self.clock);
        live.flat_map(move |id| {
            SourceKind::ALL.into_iter().filter_map(move |kind| {
                let row = &self.states[id.index()].rows[kind.index()];
                (!row.is_empty()).then(|| (id, kind, row.windows(now, &self.decay)))
            })
        })
    }

    /// How long ago a window was last counted (or, before the first, when the stream began): the
    /// freshness of what the model says. Zero before the first event.
    pub fn age(&self, now: Timestamp) -> Duration {
        match self.began {
            Some(began) => now.since(self.last_closed.max(began)),
            None => Duration::ZERO,
        }
    }

    /// Events that came more than a window late.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Heap bytes of all of it.
    pub fn memory_bytes(&self) -> usize {
        self.pairs.memory_bytes()
            + self.states.capacity() * size_of::<PairState>()
            + self.window.memory_bytes()
            + self.partners.memory_bytes()
    }

    /// What is known of a pair, if it is still tracked. Does not touch the table of pairs, which lies
    /// elsewhere in memory.
    fn state(&self, id: PairId) -> Option<&PairState> {
        let state = self.states.get(id.index());
        state.filter(|state| state.generation == id.generation)
    }

    fn intern(&mut self, key: &Key) -> PairId {
        let interned = self.pairs.intern(key);
        match interned {
            Interned::Known(_) => {}
            Interned::New(_) => self.states.push(PairState::default()),
            Interned::Replaced(id) => {
                let fresh = PairState {
                    generation: id.generation,
                    ..PairState::default()
                };
                let mut gone = std::mem::replace(&mut self.states[id.index()], fresh);
                for row in &mut gone.rows {
                    row.clear(&mut self.partners);
                }
            }
        }
        interned.id()
    }

    /// The pair arrives as a target: its chance is counted, then it joins the ring.
    fn enter(&mut self, id: PairId) {
        let state = &mut self.states[id.index()];
        let entry = self.window.enter(&mut state.last_target, self.clock);
        let span = self.config.window.span;
        let gap = self.clock.since(state.last_entered).min(span);
        state.covered.add(gap.as_secs_f32(), self.moment);
        state.last_entered = self.clock;
        let mut chance = [0.0; 2];
        for kind in SourceKind::ALL {
            let k = kind.index();
            state.entered[k].add(entry.windows[k] as f32, self.moment);
            // Laplace's rule: a pair never seen before is not impossible.
            let seen = state.entered[k].get(self.moment) + 1.0;
            let windows = self.sources[k].get(self.moment) + 2.0;
            chance[k] = (seen / windows).min(1.0);
        }
        self.window.push_target(id, entry, chance, self.clock);
    }

    fn close_one(&mut self) -> bool {
        let Some(closed) = self.window.close_next(self.clock) else {
            return false;
        };
        self.last_closed = self.clock;
        let state = &mut self.states[closed.pair.index()];
        if state.generation != closed.pair.generation {
            return true;
        }
        let random = &mut self.random;
        let row = &mut state.rows[closed.kind.index()];
        row.count(
            closed,
            self.clock,
            &self.decay,
            self.config.max_partners,
            &mut self.partners,
            || next_random(random),
        );
        if self.partners.is_short() {
            self.shrink_rows();
        }
        true
    }

    /// Begins to fetch from memory what the next windows will be counted in. Past some thousand pairs
    /// hardly any of it is in the processor's own cache, and a row's parts are found one through the other;
    /// but those of the next six windows are fetched side by side, a part of each for each event.
    fn touch_upcoming(&self) {
        let row = |ahead| {
            let (pair, kind) = self.window.upcoming(ahead as u64)?;
            Some(&self.states[pair.index()].rows[kind.index()])
        };
        for part in 0..TOUCHED_PARTS {
            if let Some(row) = row(TOUCHED_PARTS - 1 - part) {
                row.touch(part, &self.partners);
            }
        }
        black_box(row(TOUCHED_PARTS).map(Row::len));
    }

    /// Takes back some room from rows that are not used: the second chance of CLOCK. Looks at two
    /// pairs, so a window costs the same however many rows there are.
    #[cold]
    fn shrink_rows(&mut self) {
        for _ in 0..2 {
            self.hand = (self.hand + 1) % self.states.len();
            for row in &mut self.states[self.hand].rows {
                row.shrink(&mut self.partners);
            }
        }
    }

    fn set_clock(&mut self, at: Timestamp) {
        if at > self.clock {
            let passed = at.since(self.clock);
            self.moment = self.decay.at(at);
            if self.clock != Timestamp::ZERO {
                self.elapsed.add(passed.as_secs_f32(), self.moment);
            }
            self.clock = at;
        }
    }

    fn forget_rows(&mut self) {
        for state in &mut self.states {
            state.rows = Default::default();
            state.entered = [Decayed::default(); 2];
            state.covered = Decayed::default();
        }
        self.partners = Partners::new(self.config.max_pairs);
    }
}

/// The next of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
