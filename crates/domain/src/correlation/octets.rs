//! The store that lends octets to the rows.
//!
//! A row is a chain of octets: it grows without being copied, and what one row gives back fits any
//! other.

use std::hint::black_box;

use crate::number::Short;
use crate::pair::PairId;

use super::octet::{First, LANES, NONE, Octet, Partner};
use super::partners::Stranger;
use super::weak::Weak;

/// Octets of the longest row: `max_partners` is 256 at most.
pub(super) const MOST_OCTETS: usize = 32;

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
        octet.follow(lane % LANES, one, number, chance, lag_ms);
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
