//! Who is the weakest of a row, while newcomers come and go.
//!
//! A tournament: the leaves are the partners, each inner node holds the weaker of its two. One change
//! replays the matches on its way up, five for 32 partners, where a search looks at all.

use super::octet::{LANES, MOST_OCTETS};

/// Leaves at most.
const MOST: usize = MOST_OCTETS * LANES;

/// The most that an excess can be told apart: 4,096 windows.
pub(super) const STRONGEST: i32 = (1 << 22) - 1;

/// What each partner of the row at hand counts above chance, in 1/1024 of a window.
#[derive(Debug)]
pub(super) struct Contest {
    /// `excess << 8 | lane`: among equals the first lane is the weakest. The root is at 1. Of `n`
    /// nodes of one level, from n on, the first and the second half play each other: so whole
    /// vectors do when all matches are played.
    nodes: Box<[i32; 2 * MOST]>,
    /// A power of two; 0 = nobody has entered.
    leaves: usize,
}

impl Contest {
    pub(super) fn new() -> Self {
        Self {
            nodes: Box::new([i32::MAX; 2 * MOST]),
            leaves: 0,
        }
    }

    /// Nobody takes part until [`Self::enter`].
    pub(super) fn clear(&mut self) {
        self.leaves = 0;
    }

    /// Whether anybody takes part.
    pub(super) fn is_clear(&self) -> bool {
        self.leaves == 0
    }

    /// The first `len` lanes of `excesses` take part.
    pub(super) fn enter(&mut self, len: usize, excesses: impl Iterator<Item = [i32; LANES]>) {
        self.leaves = len.next_power_of_two().clamp(LANES, MOST);
        let leaves = &mut self.nodes[self.leaves..2 * self.leaves];
        let mut lanes: [i32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7];
        for (places, excesses) in leaves.as_chunks_mut::<LANES>().0.iter_mut().zip(excesses) {
            for ((place, excess), lane) in places.iter_mut().zip(excesses).zip(&mut lanes) {
                *place = excess << 8 | *lane;
                *lane += LANES as i32;
            }
        }
        leaves[len..].fill(i32::MAX);
        let mut level = self.leaves;
        while level > 1 {
            let half = level / 2;
            let (above, players) = self.nodes[..2 * level].split_at_mut(level);
            let (first, second) = players.split_at(half);
            for ((winner, &a), &b) in above[half..].iter_mut().zip(first).zip(second) {
                *winner = if a < b { a } else { b };
            }
            level = half;
        }
    }

    /// The excess of a lane has changed.
    pub(super) fn change(&mut self, lane: usize, excess: i32) {
        let mut winner = excess << 8 | lane as i32;
        // With the usual size known the loop is unrolled.
        if self.leaves == 32 {
            self.replay(32, lane, &mut winner);
        } else {
            self.replay(self.leaves, lane, &mut winner);
        }
    }

    #[inline(always)]
    fn replay(&mut self, leaves: usize, lane: usize, winner: &mut i32) {
        let (mut level, mut player) = (leaves, lane);
        // The remainders spare the checks of the bounds.
        self.nodes[(level + player) % (2 * MOST)] = *winner;
        while level > 1 {
            let half = level / 2;
            let other = self.nodes[(level + (player ^ half)) % (2 * MOST)];
            *winner = other.min(*winner);
            level = half;
            player &= half - 1;
            self.nodes[(level + player) % (2 * MOST)] = *winner;
        }
    }

    /// The first lane of the smallest excess, and that excess.
    pub(super) fn weakest(&self) -> (usize, i32) {
        let root = self.nodes[1];
        (root as u8 as usize, root >> 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a search.
        #[test]
        fn the_weakest_is_the_first_of_the_smallest_after_any_changes(
            mut excesses in prop::collection::vec(-3_i32..4, 1..=256),
            changes in prop::collection::vec((any::<usize>(), -5_i32..6), 1..50),
            offset in prop::sample::select(vec![0, STRONGEST - 5, 6 - STRONGEST]),
        ) {
            let mut contest = Contest::new();
            let len = excesses.len();
            excesses.iter_mut().for_each(|excess| *excess += offset);
            let padded: Vec<i32> = excesses.iter().copied().chain([-STRONGEST; 7]).collect();
            contest.enter(len, padded.as_chunks::<LANES>().0.iter().copied());
            for (lane, excess) in changes {
                excesses[lane % len] = (excess + offset).min(STRONGEST);
                contest.change(lane % len, excesses[lane % len]);
                let least = *excesses.iter().min().expect("not empty");
                let first = excesses.iter().position(|&e| e == least).expect("it is there");
                prop_assert_eq!(contest.weakest(), (first, least));
            }
        }
    }
}
