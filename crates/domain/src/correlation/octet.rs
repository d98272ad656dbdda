//! Eight partners side by side, and the store that lends such octets to the rows.
//!
//! A field of all eight lies in one array, so that vector instructions look at eight at a time.
//! A row is a chain of octets: it grows without being copied, and what one row gives back fits any
//! other.

use std::hint::black_box;

use crate::history::History;
use crate::number::{DROPPED, Octave, SMALLEST, Short};
use crate::pair::PairId;

use super::partners::Stranger;
use super::weak::Weak;

/// Partners in an octet.
pub(super) const LANES: usize = 8;

/// Octets of the longest row: `max_partners` is 256 at most.
pub(super) const MOST_OCTETS: usize = 32;

/// No octet.
pub(super) const NONE: u32 = u32::MAX;

/// One partner of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partner {
    pub(super) pair: PairId,
    /// Windows in which it followed, in the row's units.
    pub(super) count: f32,
    /// Share of all windows that contain it, as of the last time it followed.
    pub(super) chance: f32,
    /// Mean lag in milliseconds.
    pub(super) lag_ms: f32,
    /// The row's number of closed windows when it last followed; wraps.
    pub(super) at: u16,
    /// As of then, in which of the last windows it followed, newest lowest.
    pub(super) followed: u8,
    /// Which of its last predictions came true.
    pub(super) came: History,
}

/// What strangers that have followed for the first time in one window have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    count: Short,
    count_low: u8,
    at: u16,
}

impl First {
    /// They count so much, in the row's units, in its window `number`.
    pub(super) fn of(count: f32, number: u32) -> Self {
        let (count, count_low) = split(count, 16);
        Self {
            count,
            count_low,
            at: number as u16,
        }
    }
}

/// 128 bytes, two cache lines: what looks for a partner or for the weakest reads the first.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
struct Octet {
    /// The lower two bytes of the slots; the third is in `high`: there are at most 2²⁴.
    low: [u16; LANES],
    /// The upper part of the counts; the next eight bits are in `count_low`.
    count: [Short; LANES],
    chance: [Short; LANES],
    at: [u16; LANES],
    generation: [u16; LANES],
    lag_ms: [Octave; LANES],
    count_low: [u8; LANES],
    high: [u8; LANES],
    followed: [u8; LANES],
    came: [History; LANES],
    /// The row's next octet.
    next: u32,
}

impl Octet {
    const EMPTY: Self = Self {
        low: [0; LANES],
        high: [0; LANES],
        generation: [0; LANES],
        at: [0; LANES],
        count: [Short::ZERO; LANES],
        chance: [Short::ZERO; LANES],
        lag_ms: [Octave(0); LANES],
        count_low: [0; LANES],
        followed: [0; LANES],
        came: [History::NONE; LANES],
        next: NONE,
    };

    fn pair(&self, lane: usize) -> PairId {
        PairId {
            slot: u32::from(self.high[lane]) << 16 | u32::from(self.low[lane]),
            generation: self.generation[lane],
        }
    }

    /// A count, to 2⁻¹⁸ of itself: partners that followed equally often differ by the age of their
    /// windows alone, a thousandth a second.
    fn count(&self, lane: usize) -> f32 {
        let (upper, lower) = (self.count[lane].0, self.count_low[lane]);
        f32::from_bits((u32::from(upper) << DROPPED) + (u32::from(lower) << 5) + SMALLEST)
    }

    fn set_count(&mut self, lane: usize, count: f32, dither: u32) {
        (self.count[lane], self.count_low[lane]) = split(count, dither);
    }

    fn get(&self, lane: usize) -> Partner {
        Partner {
            pair: self.pair(lane),
            count: self.count(lane),
            chance: self.chance[lane].get(),
            lag_ms: self.lag_ms[lane].get(),
            at: self.at[lane],
            followed: self.followed[lane],
            came: self.came[lane],
        }
    }

    fn excesses(&self, windows: f32, closed: u16) -> [i32; LANES] {
        let mut excesses = [0; LANES];
        for (lane, found) in excesses.iter_mut().enumerate() {
            *found = excess(
                self.count(lane) - windows * self.chance[lane].get(),
                closed.wrapping_sub(self.at[lane]),
            );
        }
        excesses
    }

    /// Bits of those that are no stronger than a newcomer: those that did not follow just now and whose
    /// excess is smaller than `one`, and those that followed without any.
    fn weak(&self, windows: f32, closed: u16, one: f32) -> u8 {
        // What vector instructions have: zero for who is not idle, and one for who is.
        const BIT: [i32; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];
        let one = one - 1.0 / 32.0;
        let mut bits = [0; LANES];
        for lane in 0..LANES {
            let above = self.count[lane].get() - windows * self.chance[lane].get();
            let idle = i32::from(closed.wrapping_sub(self.at[lane])) as f32;
            let bound = if idle * 4.0 < one { idle * 4.0 } else { one };
            let is_weak = above - idle * (1.0 / 16.0) < bound;
            bits[lane] = if is_weak { BIT[lane] } else { 0 };
        }
        bits.iter().fold(0, |all, bit| all | bit) as u8
    }

    fn begin(&mut self, lane: usize, stranger: &Stranger, first: First) -> PairId {
        let gone = self.pair(lane);
        self.low[lane] = stranger.pair.slot as u16;
        self.high[lane] = (stranger.pair.slot >> 16) as u8;
        self.generation[lane] = stranger.pair.generation;
        self.count[lane] = first.count;
        self.count_low[lane] = first.count_low;
        self.chance[lane] = stranger.chance;
        self.lag_ms[lane] = stranger.lag;
        self.at[lane] = first.at;
        self.followed[lane] = 1;
        self.came[lane] = History::NONE;
        gone
    }

    fn set(&mut self, lane: usize, partner: &Partner) {
        self.low[lane] = partner.pair.slot as u16;
        self.high[lane] = (partner.pair.slot >> 16) as u8;
        self.generation[lane] = partner.pair.generation;
        self.set_count(lane, partner.count, 16);
        self.chance[lane] = Short::of(partner.chance);
        self.lag_ms[lane] = Octave::of(partner.lag_ms, 128);
        self.at[lane] = partner.at;
        self.followed[lane] = partner.followed;
        self.came[lane] = partner.came;
    }
}

/// The octets of all rows.
#[derive(Debug)]
pub(super) struct Octets {
    octets: Vec<Octet>,
    /// As many as there may be.
    limit: usize,
    /// The first of those given back, chained by `next`.
    free: u32,
    /// The row at hand: the places of its octets.
    places: [u32; MOST_OCTETS],
    open: usize,
    /// A hash table over the partners that the row had when it was taken to hand, by the lowest
    /// bits of their slots: the last lane of each bucket, and before each lane the one before it.
    buckets: [u16; BUCKETS],
    before: [u16; MOST_OCTETS * LANES],
    /// Partners in it; what lies in the lanes behind them is nobody's.
    indexed: usize,
}

/// Four for each of the usual 32 partners: most strangers meet an empty one.
const BUCKETS: usize = 128;

/// No lane.
const NOBODY: u16 = u16::MAX;

impl Octets {
    /// None yet, at most as many as fit into `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            octets: Vec::new(),
            limit: (bytes / size_of::<Octet>()).clamp(1, NONE as usize),
            free: NONE,
            places: [NONE; MOST_OCTETS],
            open: 0,
            buckets: [NOBODY; BUCKETS],
            before: [NOBODY; MOST_OCTETS * LANES],
            indexed: 0,
        }
    }

    /// Takes the row that begins at `first` to hand.
    pub(super) fn open(&mut self, first: u32) {
        let mut at = first;
        self.open = 0;
        while at != NONE && self.open < MOST_OCTETS {
            self.places[self.open] = at;
            self.open += 1;
            at = self.octets[at as usize].next;
        }
    }

    /// Reads from both cache lines of the row's octet number `number`; those before it were touched
    /// earlier and have arrived, so that nothing is waited for.
    pub(super) fn touch(&self, first: u32, number: usize) {
        let mut place = first;
        for _ in 0..number {
            place = self
                .octets
                .get(place as usize)
                .map_or(NONE, |octet| octet.next);
        }
        if let Some(octet) = self.octets.get(place as usize) {
            black_box((octet.low[0], octet.next));
        }
    }

    /// Prepares for [`Self::find`] among the first `len` partners of the row at hand.
    pub(super) fn index(&mut self, len: usize) {
        self.buckets = [NOBODY; BUCKETS];
        self.indexed = len;
        let places = &self.places[..self.open.min(len.div_ceil(LANES))];
        let mut lane = 0;
        for (&place, before) in places.iter().zip(self.before.as_chunks_mut::<LANES>().0) {
            let octet = &self.octets[place as usize];
            for (&low, before) in octet.low.iter().zip(before) {
                let bucket = &mut self.buckets[usize::from(low) % BUCKETS];
                *before = *bucket;
                *bucket = lane;
                lane += 1;
            }
        }
    }

    /// Partners for which the row at hand has room.
    pub(super) fn room(&self) -> usize {
        self.open * LANES
    }

    /// The lane of `pair` in the row at hand, if it was there when [`Self::index`] was called and
    /// has stayed.
    pub(super) fn find(&self, pair: PairId) -> Option<usize> {
        let mut lane = self.buckets[pair.index() % BUCKETS];
        while lane != NOBODY {
            let at = usize::from(lane) % (MOST_OCTETS * LANES);
            if self.octet(at).pair(at % LANES) == pair && at < self.indexed {
                return Some(at);
            }
            lane = self.before[at];
        }
        None
    }

    fn octet(&self, lane: usize) -> &Octet {
        &self.octets[self.places[lane / LANES] as usize]
    }

    fn octet_mut(&mut self, lane: usize) -> &mut Octet {
        &mut self.octets[self.places[lane / LANES] as usize]
    }

    /// The partner in a lane of the row at hand.
    pub(super) fn get(&self, lane: usize) -> Partner {
        self.octet(lane).get(lane % LANES)
    }

    /// Puts a partner into a lane of the row at hand.
    pub(super) fn set(&mut self, lane: usize, partner: &Partner) {
        self.octet_mut(lane).set(lane % LANES, partner);
    }

    /// The partner in a lane of the row at hand has followed once more, in window `number`: by so
    /// much its count grows.
    pub(super) fn follow(
        &mut self,
        lane: usize,
        one: f32,
        number: u32,
        chance: Short,
        lag_ms: f32,
    ) {
        let octet = self.octet_mut(lane);
        let lane = lane % LANES;
        let count = octet.count(lane) + one;
        // What a rounding would swallow of one window adds up over many.
        let dither = number.wrapping_mul(0x9e37_79b9) >> 24;
        octet.set_count(lane, count, dither);
        octet.chance[lane] = chance;
        octet.followed[lane] = followed_at(octet.followed[lane], octet.at[lane], number) | 1;
        octet.at[lane] = number as u16;
        let mean = octet.lag_ms[lane].get();
        let mean = mean + (lag_ms - mean) * (one / count);
        octet.lag_ms[lane] = Octave::of(mean, dither);
    }

    /// Takes note of what came of predicting `pair` for the row that begins at `first` and has
    /// `len` partners.
    pub(super) fn feed_back(&mut self, first: u32, len: usize, pair: PairId, useful: bool) {
        let mut at = first;
        for begin in (0..len).step_by(LANES) {
            let Some(octet) = self.octets.get_mut(at as usize) else {
                return;
            };
            let lanes = 0..LANES.min(len - begin);
            if let Some(lane) = lanes.into_iter().find(|&lane| octet.pair(lane) == pair) {
                octet.came[lane].push(useful);
                return;
            }
            at = octet.next;
        }
    }

    /// For each octet of the row at hand, the [`excess`] of each of its lanes.
    fn excesses(&self, windows: f32, closed: u32) -> impl Iterator<Item = [i32; LANES]> {
        let places = self.places[..self.open].iter();
        places.map(move |&place| self.octets[place as usize].excesses(windows, closed as u16))
    }

    /// The first of the first `len` lanes of the smallest excess, and that excess.
    pub(super) fn weakest(&self, len: usize, windows: f32, closed: u32) -> (usize, i32) {
        // `excess << 8 | lane`: among equals the first lane is the weakest.
        let mut least = [i32::MAX; LANES];
        for (begin, excesses) in (0..len).step_by(LANES).zip(self.excesses(windows, closed)) {
            let held = (len - begin).min(LANES);
            for (lane, (least, excess)) in least.iter_mut().zip(excesses).enumerate() {
                let place = excess << 8 | (begin + lane) as i32;
                *least = if place < *least && lane < held {
                    place
                } else {
                    *least
                };
            }
        }
        let least = least.into_iter().fold(i32::MAX, i32::min);
        (least as u8 as usize, least >> 8)
    }

    /// Which of the first `len` lanes are no stronger than a newcomer, from `hand` on.
    pub(super) fn weak(&self, len: usize, windows: f32, closed: u32, one: f32, hand: u8) -> Weak {
        let places = self.places[..self.open].iter();
        let octets = places.map(|&place| &self.octets[place as usize]);
        let bits = octets.map(|octet| octet.weak(windows, closed as u16, one));
        Weak::of(len, bits, hand)
    }

    /// Puts a stranger into a lane of the row at hand; who had it.
    pub(super) fn begin(&mut self, lane: usize, stranger: &Stranger, first: First) -> PairId {
        self.octet_mut(lane).begin(lane % LANES, stranger, first)
    }

    /// Whether none is left.
    pub(super) fn is_short(&self) -> bool {
        self.free == NONE && self.octets.len() >= self.limit
    }

    /// Appends an octet to the row at hand, which begins at `first`, if one is left.
    pub(super) fn extend(&mut self, first: &mut u32) -> bool {
        if self.open >= MOST_OCTETS || self.is_short() {
            return false;
        }
        let place = self.free;
        let place = if place == NONE {
            self.octets.push(Octet::EMPTY);
            (self.octets.len() - 1) as u32
        } else {
            self.free = self.octets[place as usize].next;
            self.octets[place as usize] = Octet::EMPTY;
            place
        };
        match self.open.checked_sub(1) {
            Some(last) => self.octets[self.places[last] as usize].next = place,
            None => *first = place,
        }
        self.places[self.open] = place;
        self.open += 1;
        true
    }

    /// Gives back what the row at hand does not need for `len` partners.
    pub(super) fn shorten(&mut self, first: &mut u32, len: usize) {
        let keep = len.div_ceil(LANES);
        while self.open > keep {
            self.open -= 1;
            let place = self.places[self.open];
            self.octets[place as usize].next = self.free;
            self.free = place;
        }
        match self.open.checked_sub(1) {
            Some(last) => self.octets[self.places[last] as usize].next = NONE,
            None => *first = NONE,
        }
    }

    /// The first `len` partners of the row that begins at `first`, without taking it to hand.
    pub(super) fn iter(&self, first: u32, len: usize) -> impl Iterator<Item = Partner> {
        self.chain(first)
            .flat_map(|octet| (0..LANES).map(|lane| octet.get(lane)))
            .take(len)
    }

    /// Calls `each` with them, which costs less than to iterate: the octets are loops of their own.
    #[inline]
    pub(super) fn each(&self, first: u32, len: usize, mut each: impl FnMut(Partner)) {
        let mut rest = len;
        for octet in self.chain(first) {
            (0..rest.min(LANES)).for_each(|lane| each(octet.get(lane)));
            rest = rest.saturating_sub(LANES);
        }
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = &Octet> {
        let mut at = first;
        std::iter::from_fn(move || {
            let octet = self.octets.get(at as usize)?;
            at = octet.next;
            Some(octet)
        })
    }

    /// Bytes of all octets, those given back included.
    pub(super) fn memory_bytes(&self) -> usize {
        self.octets.len() * size_of::<Octet>()
    }
}

impl Partner {
    /// The bits of `followed` as of window `closed` of the row.
    pub(super) fn followed_at(&self, closed: u32) -> u8 {
        followed_at(self.followed, self.at, closed)
    }
}

/// A count in three bytes; a few of the lowest bits that are dropped are dithered.
fn split(count: f32, dither: u32) -> (Short, u8) {
    let largest = SMALLEST + (u32::from(u16::MAX) << DROPPED);
    let bits = (count.to_bits() as i32).saturating_add((dither & 31) as i32);
    let bits = bits.clamp(SMALLEST as i32, largest as i32) as u32 - SMALLEST;
    (Short((bits >> DROPPED) as u16), (bits >> 5) as u8)
}

fn followed_at(followed: u8, at: u16, closed: u32) -> u8 {
    let passed = (closed as u16).wrapping_sub(at);
    followed.checked_shl(u32::from(passed)).unwrap_or(0)
}

/// What is counted above chance, less a sixteenth for each window since it last followed, in 1/1024:
/// integers, because they are compared together with their lanes.
///
/// The sixteenth puts those that were seen once in the order of their age. So the room that
/// proven partners leave is a queue, in which a newcomer waits for its second appearance
/// as long as the others allow.
fn excess(above_chance: f32, idle: u16) -> i32 {
    /// 1.5 · 2²³: in the sum the whole part of a small number is in the lowest bits. Where vector
    /// instructions have no conversion that saturates this is an addition.
    const WHOLE: f32 = 12_582_912.0;
    const MOST: f32 = 4_194_303.0;
    // A half less, as the sum is rounded and the whole part is wanted.
    let above = above_chance * 1_024.0 - 0.5;
    let above = if above < MOST { above } else { MOST };
    let above = if above > -MOST { above } else { -MOST };
    let above = (above + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32;
    // Within ±2²³: beside it the lane fits into an `i32`.
    above - 64 * i32::from(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_windows_add_up_in_a_large_count() {
        let mut octet = Octet::EMPTY;
        octet.set_count(3, 900_000.0, 16);
        for number in 0..100_000_u32 {
            let dither = number.wrapping_mul(0x9e37_79b9) >> 24;
            octet.set_count(3, octet.count(3) + 1.0, dither);
        }
        let count = octet.count(3);
        assert!((count - 1_000_000.0).abs() < 2_000.0, "{count}");
        for small in 1_u8..=255 {
            octet.set_count(0, f32::from(small), u32::from(small));
            assert_eq!(octet.count(0), f32::from(small));
        }
    }

    #[test]
    fn an_octet_has_the_size_that_the_bounds_are_made_of() {
        assert_eq!(size_of::<Octet>(), 128);
    }
}
