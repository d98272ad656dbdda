//! A source's row: its partners and how often each followed.

use std::time::Duration;

use crate::co_occurrence::{Closed, SourceKind};
use crate::decay::Decay;
use crate::history::History;
use crate::pair::PairId;
use crate::score::Counts;
use crate::time::Timestamp;

/// What the model says of one partner of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Association {
    /// The partner.
    pub pair: PairId,
    /// After which event of the source it was counted.
    pub kind: SourceKind,
    /// Strength times evidence, in [0, 1], corrected for chance.
    pub score: f32,
    /// P(the partner is read within the window | the source's event), in [0, 1].
    pub probability: f32,
    /// How many times likelier than by chance.
    pub lift: f32,
    /// Windows in which it followed, decayed.
    pub support: f32,
    /// Mean time from the source's event to the read.
    pub lag: Duration,
    /// When the partner was last updated or read.
    pub last_seen: Timestamp,
    /// The share of all windows that contain it, as of the last time it followed.
    pub chance: f32,
    /// In which of the source's last windows it was read.
    pub followed: History,
    /// Which of its last predictions for this source came true.
    pub came: History,
    /// Windows of anybody that contain it, decayed: how popular it is.
    pub popularity: f32,
    /// P(read in time | fetched now), once it has been asked for; until then the probability.
    pub expected: f32,
}

/// What is known of a pair as a target of anybody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsTarget {
    /// Windows of the source's kind that contain it, and how many windows there are.
    pub entered: f32,
    /// All windows of that kind.
    pub windows: f32,
    /// The share of moments that are followed by a read of it within the window's span.
    pub of_time: f32,
    /// When it was last updated or read.
    pub last_seen: Timestamp,
}

impl AsTarget {
    /// The rate to expect by chance for a source with `windows` windows, `support` of them
    /// with this target.
    ///
    /// Two answers, each with a blind spot, and the smaller holds: how often *other* sources'
    /// windows contain the target (blind when one group is the whole stream), and how often a
    /// random moment is followed by it (blind to bursts, in which everything happens at
    /// once). For independent processes both are the truth. Laplace's rule in both: what was
    /// never seen is not impossible.
    fn chance(&self, support: f32, windows: f32) -> f32 {
        let others = (self.windows - windows).max(0.0);
        let with_others = (self.entered - support).clamp(0.0, others);
        let of_windows = (with_others + 1.0) / (others + 2.0);
        of_windows.min(self.of_time)
    }
}

/// One slot of a row; 24 bytes.
#[derive(Debug, Clone, Copy)]
struct Partner {
    pair: PairId,
    /// Windows in which it followed, in the row's units.
    count: f32,
    /// Share of all windows that contain it, as of the last time it followed.
    chance: f32,
    /// Mean lag in milliseconds.
    lag_ms: f32,
    /// The row's number of closed windows when it last followed; wraps.
    at: u16,
    /// As of then, in which of the last windows it followed, newest lowest.
    followed: u8,
    /// Which of its last predictions came true.
    came: History,
}

impl Partner {
    /// The bits of `followed` as of window `closed` of the row.
    fn followed_at(&self, closed: u32) -> u8 {
        let passed = (closed as u16).wrapping_sub(self.at);
        self.followed.checked_shl(u32::from(passed)).unwrap_or(0)
    }

    /// Count minus what chance explains, less a sixteenth for each window since it last followed, in
    /// 1/1024: integers, because their minimum is found by vector instructions.
    ///
    /// The sixteenth puts those that were seen once in the order of their age. So the room that
    /// proven partners leave is a queue, in which a newcomer waits for its second appearance
    /// as long as the others allow.
    fn excess(&self, windows: f32, closed: u32) -> i32 {
        let idle = (closed as u16).wrapping_sub(self.at);
        ((self.count - windows * self.chance) * 1_024.0) as i32 - 64 * i32::from(idle)
    }
}

/// Whether the last windows alone say that a partner follows, whatever all of them say: it has
/// begun to. Twice what chance explains, and more than once.
fn is_new(followed: History, chance: f32) -> bool {
    let (yes, len) = (followed.yes() as f32, followed.len() as f32);
    yes >= 2.0 && yes > 2.0 * chance * len
}

/// A past as it is on average when `support` of `windows` contained the partner: a snapshot holds
/// counts, not their order.
fn likely_past(support: f32, windows: f32) -> u8 {
    let of_seven = (support / windows.max(1.0) * History::LONGEST as f32).round();
    ((1_u32 << (of_seven as u32).min(History::LONGEST)) - 1) as u8
}

/// Time alone does not refute: a row decays with the half-life until this many windows are
/// left of it and then waits for new ones. Without it a pair that moves twice an hour would be
/// forgotten between its moves (on a recorded day of DEX trades the misses removed fall by a
/// third).
const RETAINED_WINDOWS: f32 = 4.0;

/// A unit below this is multiplied into the counts, so that they stay in range.
const SMALLEST_UNIT: f32 = 0.25;

/// A set of pairs that may err towards "yes": 256 bits instead of a search.
struct Members([u64; 4]);

impl Members {
    fn of(partners: &[Partner]) -> Self {
        let mut members = Self([0; 4]);
        partners
            .iter()
            .for_each(|partner| members.add(partner.pair));
        members
    }

    fn add(&mut self, pair: PairId) {
        self.0[pair.index() >> 6 & 3] |= 1 << (pair.index() & 63);
    }

    fn may_hold(&self, pair: PairId) -> bool {
        self.0[pair.index() >> 6 & 3] & 1 << (pair.index() & 63) != 0
    }
}

/// Fingerprints of partners that had to go or found no room: 2 bytes instead of 24.
///
/// Who comes back while its fingerprint is here is credited with its first time, as ghost lists
/// do for caches (Megiddo & Modha, FAST '03). It triples the time that a partner has for its
/// second appearance; one stranger in a thousand is mistaken for one that was here.
#[derive(Debug)]
struct Ghosts {
    prints: [u16; GHOSTS],
    next: u8,
}

/// Fingerprints kept by a row that is full.
const GHOSTS: usize = 64;

impl Ghosts {
    fn new() -> Box<Self> {
        Box::new(Self {
            prints: [0; GHOSTS],
            next: 0,
        })
    }

    /// Never zero: zero is an empty place.
    fn print(pair: PairId) -> u16 {
        let mixed = (pair.slot ^ u32::from(pair.generation) << 20).wrapping_mul(0x9e37_79b9);
        ((mixed >> 16) as u16).max(1)
    }

    fn remember(&mut self, pair: PairId) {
        self.prints[usize::from(self.next)] = Self::print(pair);
        self.next = (self.next + 1) % GHOSTS as u8;
    }

    /// Whether the pair was here lately; it is forgotten then.
    fn take(&mut self, pair: PairId) -> bool {
        let print = Self::print(pair);
        // All of them are looked at, so that vector instructions do it.
        let found = self
            .prints
            .iter()
            .fold(false, |found, &held| found | (held == print));
        if found && let Some(at) = self.prints.iter().position(|&held| held == print) {
            self.prints[at] = 0;
        }
        found
    }
}

/// The partners of one pair in one role, at most `max_partners`.
///
/// Counts are stored in units of the row: decaying all of them is one multiplication, and they
/// are rewritten once in two half-lives.
#[derive(Debug)]
pub struct Row {
    partners: Vec<Partner>,
    /// Since the row is full.
    ghosts: Option<Box<Ghosts>>,
    /// Windows closed, in the row's units.
    windows: f32,
    /// Windows closed ever; wraps.
    closed: u32,
    /// What a stored one is worth as of `touched`.
    unit: f32,
    touched: Timestamp,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            partners: Vec::new(),
            ghosts: None,
            windows: 0.0,
            closed: 0,
            unit: 1.0,
            touched: Timestamp::ZERO,
        }
    }
}

impl Row {
    /// Counts one closed window.
    ///
    /// A follower that has no slot competes with the partner of the smallest *excess* over
    /// chance (count − windows · chance): globally busy pairs, whose company means nothing, go
    /// first. It wins with probability e/(e + v) of the two excesses, so that one newcomer does
    /// not evict a proven partner but a persistent one gets in (randomised admission: Ben Basat,
    /// Einziger, Friedman & Kassner, INFOCOM 2017). Picking the weakest of a random few instead, as
    /// Redis evicts, halves the instructions and loses 4 points of the misses removed on a
    /// recorded day of DEX trades. `random` yields uniform 64-bit numbers; `excess` is scratch.
    pub fn count(
        &mut self,
        closed: &Closed<'_>,
        now: Timestamp,
        decay: &Decay,
        max_partners: usize,
        excess: &mut Vec<i32>,
        mut random: impl FnMut() -> u64,
    ) {
        let one = self.age(now, decay);
        self.windows += one;
        self.closed = self.closed.wrapping_add(1);
        let number = self.closed;
        let kind = closed.kind.index();
        let mut members = Members::of(&self.partners);
        excess.clear();
        excess.extend(
            self.partners
                .iter()
                .map(|partner| partner.excess(self.windows, number)),
        );
        for follower in closed.followers {
            let chance = follower.chance[kind];
            let lag_ms = follower.at.since(closed.at).as_micros() as f32 / 1_000.0;
            if members.may_hold(follower.pair)
                && let Some(at) = self.partners.iter().position(|p| p.pair == follower.pair)
            {
                let partner = &mut self.partners[at];
                partner.count += one;
                partner.chance = chance;
                partner.followed = partner.followed_at(number) | 1;
                partner.at = number as u16;
                let share = one / partner.count;
                partner.lag_ms += (lag_ms - partner.lag_ms) * share;
                excess[at] = partner.excess(self.windows, number);
                continue;
            }
            let full = self.partners.len() >= max_partners;
            let known = |ghosts: &mut Box<Ghosts>| ghosts.take(follower.pair);
            let again = full && self.ghosts.as_mut().is_some_and(known);
            let newcomer = Partner {
                pair: follower.pair,
                count: if again { 2.0 * one } else { one },
                chance,
                lag_ms,
                at: number as u16,
                followed: 1,
                came: History::default(),
            };
            // Its own windows so far are unknown: it is credited with this one alone.
            let gain = newcomer.excess(one, number);
            if !full {
                self.partners.push(newcomer);
                excess.push(gain);
            } else {
                let held = excess.iter().copied().fold(i32::MAX, i32::min);
                if held > gain
                    && random() % (i64::from(gain) + i64::from(held)) as u64 >= gain as u64
                {
                    self.ghosts
                        .get_or_insert_with(Ghosts::new)
                        .remember(follower.pair);
                    continue;
                }
                let Some(weakest) = excess.iter().position(|&e| e == held) else {
                    continue;
                };
                self.ghosts
                    .get_or_insert_with(Ghosts::new)
                    .remember(self.partners[weakest].pair);
                self.partners[weakest] = newcomer;
                excess[weakest] = gain;
            }
            members.add(follower.pair);
        }
    }

    /// Appends the live partners that are more frequent than by chance, in no order; `kind` is this
    /// row's.
    pub fn associations(
        &self,
        kind: SourceKind,
        now: Timestamp,
        decay: &Decay,
        as_target: impl Fn(PairId) -> Option<AsTarget>,
        out: &mut Vec<Association>,
    ) {
        let scale = self.unit_at(now, decay);
        let windows = self.windows * scale;
        for partner in &self.partners {
            let Some(target) = as_target(partner.pair) else {
                continue;
            };
            let support = partner.count * scale;
            let counts = Counts {
                support,
                windows,
                chance: target.chance(support, windows),
            };
            let score = counts.score();
            let followed = History::of(partner.followed_at(self.closed), self.closed);
            if score <= 0.0 && !is_new(followed, counts.chance) {
                continue;
            }
            let probability = counts.probability().min(1.0);
            out.push(Association {
                pair: partner.pair,
                kind,
                score,
                probability,
                lift: counts.lift(),
                support: counts.support,
                lag: Duration::from_micros((partner.lag_ms * 1_000.0) as u64),
                last_seen: target.last_seen,
                chance: counts.chance,
                followed,
                came: partner.came,
                popularity: target.entered,
                expected: probability,
            });
        }
    }

    /// Takes note of what came of predicting `partner` for this row's source.
    pub fn feed_back(&mut self, partner: PairId, useful: bool) {
        if let Some(known) = self.partners.iter_mut().find(|p| p.pair == partner) {
            known.came.push(useful);
        }
    }

    /// Partners held, dead ones included until their slots are needed.
    pub fn len(&self) -> usize {
        self.partners.len()
    }

    /// Whether nothing has been counted.
    pub fn is_empty(&self) -> bool {
        self.partners.is_empty()
    }

    /// Windows counted, as of `now`.
    pub fn windows(&self, now: Timestamp, decay: &Decay) -> f32 {
        self.windows * self.unit_at(now, decay)
    }

    /// Heap bytes.
    pub fn memory_bytes(&self) -> usize {
        let ghosts = self.ghosts.as_ref().map_or(0, |_| size_of::<Ghosts>());
        self.partners.capacity() * size_of::<Partner>() + ghosts
    }

    /// The live partners with their raw parts, for a snapshot: `(pair, support, chance, lag ms)`.
    pub fn parts(
        &self,
        now: Timestamp,
        decay: &Decay,
    ) -> impl Iterator<Item = (PairId, f32, f32, f32)> {
        let scale = self.unit_at(now, decay);
        self.partners
            .iter()
            .map(move |p| (p.pair, p.count * scale, p.chance, p.lag_ms))
    }

    /// Adds what a snapshot says to what is known: counts add up, as of `now`.
    pub fn merge(
        &mut self,
        windows: f32,
        parts: impl Iterator<Item = (PairId, f32, f32, f32)>,
        now: Timestamp,
        decay: &Decay,
        max_partners: usize,
    ) {
        let one = self.age(now, decay);
        self.windows += windows * one;
        self.closed = self.closed.wrapping_add(windows.round() as u32);
        let number = self.closed as u16;
        for (pair, support, chance, lag_ms) in parts {
            let count = support * one;
            match self.partners.iter_mut().find(|p| p.pair == pair) {
                Some(known) => {
                    let share = count / (known.count + count).max(f32::MIN_POSITIVE);
                    known.lag_ms += (lag_ms - known.lag_ms) * share;
                    known.count += count;
                    known.chance = chance;
                }
                None => self.partners.push(Partner {
                    pair,
                    count,
                    chance,
                    lag_ms,
                    at: number,
                    followed: likely_past(support, windows),
                    came: History::default(),
                }),
            }
        }
        self.partners.sort_by(|a, b| b.count.total_cmp(&a.count));
        self.partners.truncate(max_partners);
    }

    /// What a stored one is worth as of `now`.
    fn unit_at(&self, now: Timestamp, decay: &Decay) -> f32 {
        let windows = self.windows * self.unit;
        let least = if windows > RETAINED_WINDOWS {
            RETAINED_WINDOWS / windows
        } else {
            1.0
        };
        self.unit * decay.over(now.since(self.touched)).max(least)
    }

    /// Brings the row to `now`; what one event is stored as.
    fn age(&mut self, now: Timestamp, decay: &Decay) -> f32 {
        self.unit = self.unit_at(now, decay);
        self.touched = self.touched.max(now);
        if self.unit < SMALLEST_UNIT {
            self.windows *= self.unit;
            for partner in &mut self.partners {
                partner.count *= self.unit;
            }
            // A partner of which less than a hundredth of an event is left says nothing.
            self.partners.retain(|p| p.count > 0.01);
            self.unit = 1.0;
        }
        1.0 / self.unit
    }
}
