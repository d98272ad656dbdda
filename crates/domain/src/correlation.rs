//! A source's row: its partners and how often each followed.

mod association;
mod ghosts;
mod octet;
mod octets;
mod partners;
mod weak;

use std::time::Duration;

use crate::co_occurrence::{Closed, SourceKind};
use crate::decay::Decay;
use crate::history::History;
use crate::number::Octave;
use crate::pair::PairId;
use crate::score::Counts;
use crate::time::Timestamp;

use association::{LEAST_NEW, Others, is_new};
use ghosts::GHOSTS;
use octet::{First, LANES, NONE, Partner};
use octets::Octets;

pub use association::{AsTarget, Association, Detail};
pub use partners::Partners;
use partners::Stranger;

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

/// Octets of a row that are fetched ahead: the usual 32 partners.
const TOUCHED_OCTETS: usize = 4;
/// Parts that [`Row::touch`] can fetch.
pub const TOUCHED_PARTS: usize = TOUCHED_OCTETS + 1;

/// A unit below this is multiplied into the counts, so that they stay in range.
const SMALLEST_UNIT: f32 = 0.25;

/// The partners of one pair in one role, at most `max_partners`.
///
/// Counts are stored in units of the row: decaying all of them is one multiplication, and they
/// are rewritten once in two half-lives.
#[derive(Debug)]
pub struct Row {
    /// Windows closed, in the row's units.
    windows: f32,
    /// What a stored one is worth as of `touched`.
    unit: f32,
    touched: Timestamp,
    /// Windows closed ever; wraps.
    closed: u32,
    /// The first octet of its partners.
    first: u32,
    /// The place of its ghosts, since it is full.
    ghosts: u32,
    /// Partners held.
    len: u16,
    /// Where the next newcomer looks for the weak.
    hand: u8,
    /// Where the next ghost goes, and [`USED`].
    next_ghost: u8,
}

/// In `next_ghost`: counted since [`Row::shrink`] last looked.
const USED: u8 = 0x80;

impl Default for Row {
    fn default() -> Self {
        Self {
            windows: 0.0,
            unit: 1.0,
            touched: Timestamp::ZERO,
            closed: 0,
            first: NONE,
            ghosts: NONE,
            len: 0,
            hand: 0,
            next_ghost: 0,
        }
    }
}

impl Row {
    /// Counts one closed window.
    ///
    /// A follower that has no slot takes that of a partner whose *excess* over chance
    /// (count − windows · chance) is no larger than its own: globally busy pairs, whose company means
    /// nothing, and those seen once, in the order in which they came. If there is none it competes with
    /// the partner of the smallest excess and wins with probability e/(e + v) of the two excesses, so that
    /// one newcomer does not evict a proven partner but a persistent one gets in (randomised admission: Ben
    /// Basat, Einziger, Friedman & Kassner, INFOCOM 2017). Picking the weakest of a random few instead, as
    /// Redis evicts, loses 4 points of the misses removed on a recorded day of DEX trades. `random`
    /// yields uniform 64-bit numbers.
    pub fn count(
        &mut self,
        closed: Closed<'_>,
        now: Timestamp,
        decay: &Decay,
        max_partners: usize,
        partners: &mut Partners,
        mut random: impl FnMut() -> u64,
    ) {
        let Partners {
            octets, strangers, ..
        } = partners;
        octets.open(self.first);
        self.next_ghost |= USED;
        let one = self.age(now, decay, octets);
        octets.index(self.len());
        self.windows += one;
        self.closed = self.closed.wrapping_add(1);
        let number = self.closed;
        let kind = closed.kind.index();
        strangers.clear();
        for follower in closed.followers {
            let chance = follower.chance[kind];
            let lag_ms = follower.at.micros_since(closed.at) as i64 as f32 * 0.001;
            match octets.find(follower.pair) {
                Some(lane) => octets.follow(lane, one, number, chance, lag_ms),
                None => strangers.push(Stranger {
                    pair: follower.pair,
                    chance,
                    lag: Octave::of(lag_ms, 128),
                    returns: false,
                }),
            }
        }
        let settled = self.settle(one, max_partners, partners);
        if settled < partners.strangers.len() && self.len > 0 {
            self.compete(settled, one, max_partners, partners, &mut random);
        }
    }

    /// Gives room to as many strangers as there is room for; how many.
    fn settle(&mut self, one: f32, max_partners: usize, partners: &mut Partners) -> usize {
        let Partners {
            octets, strangers, ..
        } = partners;
        let first = First::of(one, self.closed);
        for (settled, stranger) in strangers.iter().enumerate() {
            let len = usize::from(self.len);
            let mut has_room = || len < octets.room() || octets.extend(&mut self.first);
            if len >= max_partners || !has_room() {
                return settled;
            }
            octets.begin(len, stranger, first);
            self.len += 1;
        }
        strangers.len()
    }

    /// The strangers from number `settled` on take the places of weaker partners, or do not: nearest first.
    fn compete(
        &mut self,
        settled: usize,
        one: f32,
        max_partners: usize,
        partners: &mut Partners,
        random: &mut impl FnMut() -> u64,
    ) {
        let (len, number) = (self.len(), self.closed);
        if self.ghosts == NONE && len >= max_partners {
            self.ghosts = partners.lend_ghosts();
        }
        let mut ghosts = partners.ghosts.get_mut(self.ghosts as usize);
        let octets = &mut partners.octets;
        let strangers = &mut partners.strangers[settled..];
        let mut weak = octets.weak(len, self.windows, number, one, self.hand);
        let mut next_ghost = self.next_ghost;
        if let Some(ghosts) = &mut ghosts {
            for stranger in strangers.iter_mut() {
                stranger.returns = ghosts.take(stranger.pair);
            }
        }
        let (once, twice) = (First::of(one, number), First::of(2.0 * one, number));
        let mut is_contested = false;
        for stranger in strangers.iter() {
            // The first time of who returns is remembered.
            let (first, count) = match stranger.returns {
                true => (twice, 2.0 * one),
                false => (once, one),
            };
            let mut lane = weak.take();
            if lane.is_none() && !is_contested {
                lane = self.yielding(count, octets, random);
            }
            is_contested |= lane.is_some();
            let left = lane.map_or(stranger.pair, |lane| octets.begin(lane, stranger, first));
            if let Some(ghosts) = &mut ghosts {
                ghosts.remember(left, &mut next_ghost);
            }
        }
        self.next_ghost = (next_ghost % GHOSTS as u8) | USED;
        self.hand = weak.hand();
    }

    /// The weakest partner, if it makes room for a newcomer that has followed so often: where it is the
    /// stronger one, a matter of luck.
    #[cold]
    fn yielding(
        &self,
        count: f32,
        octets: &Octets,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        // The windows before its first are unknown: it is credited with this one alone.
        let gain = (count * 1_024.0) as i32;
        let (lane, held) = octets.weakest(self.len(), self.windows, self.closed);
        if held <= gain {
            return Some(lane);
        }
        let odds = i64::from(gain) + i64::from(held);
        (random() % (odds as u64).max(1) < gain as u64).then_some(lane)
    }

    /// Gives up the weaker half if nothing was counted since the last call, so that others can grow.
    #[cold]
    pub fn shrink(&mut self, partners: &mut Partners) {
        let used = self.next_ghost & USED != 0;
        self.next_ghost &= !USED;
        if used || self.first == NONE {
            return;
        }
        if self.ghosts != NONE {
            partners
                .free
                .push(std::mem::replace(&mut self.ghosts, NONE));
        }
        let octets = &mut partners.octets;
        octets.open(self.first);
        let keep = octets.room() / 2 / LANES * LANES;
        while self.len() > keep {
            let (lane, _) = octets.weakest(self.len(), self.windows, self.closed);
            octets.set(lane, &octets.get(self.len() - 1));
            self.len -= 1;
        }
        octets.shorten(&mut self.first, keep);
    }

    /// Gives everything back.
    pub fn clear(&mut self, partners: &mut Partners) {
        partners.octets.open(self.first);
        partners.octets.shorten(&mut self.first, 0);
        if self.ghosts != NONE {
            partners.free.push(self.ghosts);
        }
        *self = Self::default();
    }

    /// Calls `each` with the live partners that are more frequent than by chance, in no order; `kind`
    /// is this row's, and there are `sources` windows of that kind in all.
    #[inline]
    pub fn associations(
        &self,
        (kind, detail): (SourceKind, Detail),
        (now, sources): (Timestamp, f32),
        decay: &Decay,
        partners: &Partners,
        as_target: impl Fn(PairId) -> Option<AsTarget>,
        mut each: impl FnMut(Association),
    ) {
        let scale = self.unit_at(now, decay);
        let windows = self.windows * scale;
        let others = Others::of(sources, windows);
        partners.octets.each(self.first, self.len(), |partner| {
            let support = partner.count * scale;
            let followed = History::of(partner.followed_at(self.closed), self.closed);
            // Most of a busy pair's row; what is known of them as targets lies elsewhere in memory.
            if Counts::is_too_rare(support, windows) && followed.yes() < LEAST_NEW {
                return;
            }
            let Some(target) = as_target(partner.pair) else {
                return;
            };
            let counts = Counts {
                support,
                windows,
                chance: target.chance(support, others),
            };
            let exceeds = counts.exceeds_chance();
            if !exceeds && !is_new(followed, counts.chance) {
                return;
            }
            let (score, lift) = match detail {
                Detail::Bare => (0.0, 0.0),
                Detail::Scored if exceeds => (counts.score_above_chance(), counts.lift()),
                Detail::Scored => (0.0, counts.lift()),
            };
            let probability = counts.probability().min(1.0);
            each(Association {
                pair: partner.pair,
                kind,
                score,
                probability,
                lift,
                support,
                lag: Duration::from_micros((partner.lag_ms * 1_000.0) as u64),
                last_seen: target.last_seen,
                chance: counts.chance,
                followed,
                came: partner.came,
                popularity: target.entered,
                expected: probability,
            });
        });
    }

    /// Takes note of what came of predicting `partner` for this row's source.
    pub fn feed_back(&self, partner: PairId, useful: bool, partners: &mut Partners) {
        let octets = &mut partners.octets;
        octets.feed_back(self.first, self.len(), partner, useful);
    }

    fn partners(&self, partners: &Partners) -> impl Iterator<Item = Partner> {
        partners.octets.iter(self.first, self.len())
    }

    /// Partners held, dead ones included until their slots are needed.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Reads from a part of what counting will read, so that it has arrived by then: parts 0 to 3 are
    /// octets, each of which is found by the one before it, and 4 is the ghosts.
    pub fn touch(&self, part: usize, partners: &Partners) {
        if part < TOUCHED_OCTETS {
            partners.octets.touch(self.first, part);
        } else if let Some(ghosts) = partners.ghosts.get(self.ghosts as usize) {
            ghosts.touch();
        }
    }

    /// Whether nothing has been counted.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Windows counted, as of `now`.
    pub fn windows(&self, now: Timestamp, decay: &Decay) -> f32 {
        self.windows * self.unit_at(now, decay)
    }

    /// The live partners with their raw parts, for a snapshot: `(pair, support, chance, lag ms)`.
    pub fn parts(
        &self,
        now: Timestamp,
        decay: &Decay,
        partners: &Partners,
    ) -> impl Iterator<Item = (PairId, f32, f32, f32)> {
        let scale = self.unit_at(now, decay);
        self.partners(partners)
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
        partners: &mut Partners,
    ) {
        partners.octets.open(self.first);
        let one = self.age(now, decay, &mut partners.octets);
        self.windows += windows * one;
        self.closed = self.closed.wrapping_add(windows.round() as u32);
        let number = self.closed as u16;
        let mut held: Vec<Partner> = self.partners(partners).collect();
        for (pair, support, chance, lag_ms) in parts {
            let count = support * one;
            match held.iter_mut().find(|p| p.pair == pair) {
                Some(known) => {
                    let share = count / (known.count + count).max(f32::MIN_POSITIVE);
                    known.lag_ms += (lag_ms - known.lag_ms) * share;
                    known.count += count;
                    known.chance = chance;
                }
                None => held.push(Partner {
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
        held.sort_by(|a, b| b.count.total_cmp(&a.count));
        held.truncate(max_partners);
        let octets = &mut partners.octets;
        self.len = 0;
        for (lane, partner) in held.iter().enumerate() {
            if lane >= octets.room() && !octets.extend(&mut self.first) {
                break;
            }
            octets.set(lane, partner);
            self.len += 1;
        }
    }

    /// What a stored one is worth as of `now`.
    fn unit_at(&self, now: Timestamp, decay: &Decay) -> f32 {
        let windows = self.windows * self.unit;
        let least = if windows > RETAINED_WINDOWS {
            RETAINED_WINDOWS / windows
        } else {
            1.0
        };
        self.unit * decay.over_micros(now.micros_since(self.touched)).max(least)
    }

    /// Brings the row, which is at hand, to `now`; what one event is stored as.
    fn age(&mut self, now: Timestamp, decay: &Decay, octets: &mut Octets) -> f32 {
        self.unit = self.unit_at(now, decay);
        self.touched = self.touched.max(now);
        if self.unit < SMALLEST_UNIT {
            self.rewrite(octets);
        }
        1.0 / self.unit
    }

    /// Multiplies the unit into the counts.
    #[cold]
    fn rewrite(&mut self, octets: &mut Octets) {
        self.windows *= self.unit;
        let mut kept = 0;
        for lane in 0..self.len() {
            let mut partner = octets.get(lane);
            partner.count *= self.unit;
            // A partner of which less than a hundredth of an event is left says nothing.
            if partner.count > 0.01 {
                octets.set(kept, &partner);
                kept += 1;
            }
        }
        octets.shorten(&mut self.first, kept);
        self.len = kept as u16;
        self.unit = 1.0;
    }
}

#[cfg(test)]
mod tests;
