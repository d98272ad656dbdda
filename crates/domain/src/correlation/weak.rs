//! Who of a full row makes room for newcomers.

use super::octet::LANES;
use super::octets::MOST_OCTETS;

/// Lanes at most.
const MOST: usize = MOST_OCTETS * LANES;
const BITS: usize = u64::BITS as usize;

/// The lanes of the row at hand whose partners are no stronger than a newcomer, as bits.
///
/// Found once for a window, all lanes side by side; each newcomer then takes the next bit from where the
/// last one stopped. As those that were seen once are given lanes in the order of the bits, they leave in the
/// order in which they came: a queue in the room that stronger partners leave.
#[derive(Debug)]
pub(super) struct Weak {
    lanes: [u64; MOST / BITS],
    /// Of them those of the word at hand that are still ahead, and its number.
    ahead: u64,
    word: usize,
    /// Words whose turn comes after it; the first comes again, for what lies behind the hand.
    words_left: usize,
    hand: u8,
}

impl Weak {
    /// Of the first `len` lanes those whose bits are set, an octet in each byte, from `hand` on and around
    /// the end.
    pub(super) fn of(len: usize, octets: impl Iterator<Item = u8>, hand: u8) -> Self {
        let mut lanes = [0; MOST / BITS];
        for (octet, bits) in octets.enumerate() {
            lanes[octet * LANES / BITS % (MOST / BITS)] |=
                u64::from(bits) << (octet * LANES % BITS);
        }
        for (word, lanes) in lanes.iter_mut().enumerate() {
            let held = len.saturating_sub(word * BITS);
            if held < BITS {
                *lanes &= (1 << held) - 1;
            }
        }
        let word = usize::from(hand) / BITS;
        let ahead = lanes[word] & u64::MAX << (usize::from(hand) % BITS);
        lanes[word] &= !ahead;
        Self {
            lanes,
            ahead,
            word,
            words_left: lanes.len(),
            hand,
        }
    }

    /// The next weak lane; it is weak no longer.
    #[inline]
    pub(super) fn take(&mut self) -> Option<usize> {
        if self.ahead == 0 && !self.turn() {
            return None;
        }
        let lane = self.word * BITS + self.ahead.trailing_zeros() as usize;
        self.ahead &= self.ahead - 1;
        self.hand = (lane + 1) as u8;
        Some(lane)
    }

    /// Where the next newcomer looks.
    pub(super) fn hand(&self) -> u8 {
        self.hand
    }

    /// On to the next word that has one.
    fn turn(&mut self) -> bool {
        while self.ahead == 0 && self.words_left > 0 {
            self.words_left -= 1;
            self.word = (self.word + 1) % self.lanes.len();
            self.ahead = self.lanes[self.word];
        }
        self.ahead != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list.
        #[test]
        fn the_weak_are_taken_in_turn_each_once(
            octets in prop::collection::vec(any::<u8>(), 1..=32),
            without in 0_usize..8,
            hand in any::<u8>(),
        ) {
            let len = octets.len() * LANES - without;
            let is_weak = |&lane: &usize| octets[lane / LANES] >> (lane % LANES) & 1 == 1;
            let mut expected: Vec<usize> = (0..len).filter(is_weak).collect();
            let passed = expected.iter().filter(|&&lane| lane < usize::from(hand)).count();
            expected.rotate_left(passed);
            let mut weak = Weak::of(len, octets.iter().copied(), hand);
            let taken: Vec<usize> = std::iter::from_fn(|| weak.take()).collect();
            let after = expected.last().map_or(hand, |&last| (last + 1) as u8);
            prop_assert_eq!(weak.hand(), after);
            prop_assert_eq!(taken, expected);
        }
    }
}
