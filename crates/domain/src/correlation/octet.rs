//! Eight partners side by side.
//!
//! A field of all eight lies in one array, so that vector instructions look at eight at a time.

use crate::history::History;
use crate::number::{DROPPED, Octave, SMALLEST, Short};
use crate::pair::PairId;

use super::partners::Stranger;

/// Partners in an octet.
pub(super) const LANES: usize = 8;

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
pub(super) struct Octet {
    /// The lower two bytes of the slots; the third is in `high`: there are at most 2²⁴.
    pub(super) low: [u16; LANES],
    /// The upper part of the counts; the next eight bits are in `count_low`.
    count: [Short; LANES],
    chance: [Short; LANES],
    at: [u16; LANES],
    generation: [u16; LANES],
    lag_ms: [Octave; LANES],
    count_low: [u8; LANES],
    high: [u8; LANES],
    followed: [u8; LANES],
    pub(super) came: [History; LANES],
    /// The row's next octet.
    pub(super) next: u32,
}

impl Octet {
    pub(super) const EMPTY: Self = Self {
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

    pub(super) fn pair(&self, lane: usize) -> PairId {
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

    /// The partner in a lane has followed once more.
    pub(super) fn follow(
        &mut self,
        lane: usize,
        one: f32,
        number: u32,
        chance: Short,
        lag_ms: f32,
    ) {
        let count = self.count(lane) + one;
        // What a rounding would swallow of one window adds up over many.
        let dither = number.wrapping_mul(0x9e37_79b9) >> 24;
        self.set_count(lane, count, dither);
        self.chance[lane] = chance;
        self.followed[lane] = followed_at(self.followed[lane], self.at[lane], number) | 1;
        self.at[lane] = number as u16;
        let mean = self.lag_ms[lane].get();
        let mean = mean + (lag_ms - mean) * (one / count);
        self.lag_ms[lane] = Octave::of(mean, dither);
    }

    pub(super) fn get(&self, lane: usize) -> Partner {
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

    pub(super) fn excesses(&self, windows: f32, closed: u16) -> [i32; LANES] {
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
    pub(super) fn weak(&self, windows: f32, closed: u16, one: f32) -> u8 {
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

    pub(super) fn begin(&mut self, lane: usize, stranger: &Stranger, first: First) -> PairId {
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

    pub(super) fn set(&mut self, lane: usize, partner: &Partner) {
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
