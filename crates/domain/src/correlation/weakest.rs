//! Who is the weakest of a row, while newcomers come and go.
//!
//! A tournament: the leaves are the partners, each inner node holds the weaker of its two. One change
//! replays the matches on its way up, five for 32 partners, where a search looks at all.

/// Leaves at most.
const MOST: usize = 256;

#[derive(Debug)]
pub(super) struct Weakest {
    /// `excess << 32 | lane`: among equals the first lane is the weakest. The root is at 1.
    nodes: Box<[i64; 2 * MOST]>,
    /// A power of two; 0 = nobody has entered.
    leaves: usize,
}

impl Weakest {
    pub(super) fn new() -> Self {
        Self {
            nodes: Box::new([i64::MAX; 2 * MOST]),
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
    pub(super) fn enter<const N: usize>(
        &mut self,
        len: usize,
        excesses: impl Iterator<Item = [i32; N]>,
    ) {
        self.leaves = len.next_power_of_two().clamp(N, MOST);
        let leaves = &mut self.nodes[self.leaves..2 * self.leaves];
        let mut lane = 0;
        for (places, excesses) in leaves.as_chunks_mut::<N>().0.iter_mut().zip(excesses) {
            for (place, excess) in places.iter_mut().zip(excesses) {
                *place = packed(excess, lane);
                lane += 1;
            }
        }
        leaves[len.min(lane)..].fill(i64::MAX);
        let mut level = self.leaves;
        while level > 1 {
            let (above, matches) = self.nodes[..2 * level].split_at_mut(level);
            let winners = &mut above[level / 2..];
            for (winner, [a, b]) in winners.iter_mut().zip(matches.as_chunks::<2>().0) {
                *winner = *a.min(b);
            }
            level /= 2;
        }
    }

    /// The excess of a lane has changed.
    pub(super) fn change(&mut self, lane: usize, excess: i32) {
        if self.leaves == 0 {
            return;
        }
        // The remainders spare the checks of the bounds.
        let mut node = (self.leaves + lane) % (2 * MOST);
        let mut winner = packed(excess, lane);
        self.nodes[node] = winner;
        while node > 1 {
            winner = winner.min(self.nodes[node ^ 1]);
            node /= 2;
            self.nodes[node] = winner;
        }
    }

    /// The lane of the smallest excess, and that excess.
    pub(super) fn get(&self) -> (usize, i32) {
        let root = self.nodes[1];
        (root as u32 as usize, (root >> 32) as i32)
    }
}

fn packed(excess: i32, lane: usize) -> i64 {
    i64::from(excess) << 32 | lane as i64
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
            changes in prop::collection::vec((any::<usize>(), -5_i32..6), 0..50),
        ) {
            let mut weakest = Weakest::new();
            let len = excesses.len();
            let padded: Vec<i32> = excesses.iter().copied().chain([i32::MIN; 7]).collect();
            weakest.enter(len, padded.as_chunks::<8>().0.iter().copied());
            for (lane, excess) in changes {
                excesses[lane % len] = excess;
                weakest.change(lane % len, excess);
                let least = *excesses.iter().min().expect("not empty");
                let first = excesses.iter().position(|&e| e == least).expect("it is there");
                prop_assert_eq!(weakest.get(), (first, least));
            }
        }
    }
}
