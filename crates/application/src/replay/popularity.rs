//! Prefetch by popularity alone: the baseline that tells association from a cache that forgot
//! what is hot.

use std::collections::BTreeSet;

/// The most popular keys, half as many as L1 has entries, and which of them L1 lacks.
///
/// Half, because a key that hardly belongs among those that fit pushes out one that does.
///
/// Popularity is the number of reads, halved every ten reads per entry of L1 (at least every
/// 1,000). It is kept as a logarithm that grows with time (forward decay: Cormode,
/// Shkapenyuk, Srivastava & Xu, ICDE 2009), so only the key that is read changes its rank: O(log
/// entries) a read.
#[derive(Debug)]
pub(super) struct Popularity {
    most: usize,
    half_life: f64,
    reads: u64,
    /// Per key, log2 of its weighted reads; never read = −∞.
    scores: Vec<f64>,
    held: Vec<bool>,
    /// Ranks of the most popular.
    top: BTreeSet<Rank>,
    /// Those of `top` that are not held.
    absent: BTreeSet<Rank>,
}

/// The bits of a score, which is never negative, and the key.
type Rank = (u64, u32);

impl Popularity {
    pub(super) fn new(keys: usize, entries: usize) -> Self {
        Self {
            most: entries.div_ceil(2),
            half_life: (10.0 * entries as f64).max(1_000.0),
            reads: 0,
            scores: vec![f64::NEG_INFINITY; keys],
            held: vec![false; keys],
            top: BTreeSet::new(),
            absent: BTreeSet::new(),
        }
    }

    /// `key` was read.
    pub(super) fn read(&mut self, key: u32) {
        self.reads += 1;
        let weight = self.reads as f64 / self.half_life;
        let score = &mut self.scores[key as usize];
        let old = (score.to_bits(), key);
        // The weight of a read is never below that of an earlier one, but a sum may be above it.
        let (more, less) = (score.max(weight), score.min(weight));
        *score = more + (less - more).exp2().ln_1p() / std::f64::consts::LN_2;
        let new = (score.to_bits(), key);
        self.absent.remove(&old);
        self.top.remove(&old);
        self.top.insert(new);
        if !self.held[key as usize] {
            self.absent.insert(new);
        }
        if self.top.len() > self.most
            && let Some(least) = self.top.pop_first()
        {
            self.absent.remove(&least);
        }
    }

    /// Whether L1 holds `key` now, or it is on its way.
    pub(super) fn note(&mut self, key: u32, held: bool) {
        self.held[key as usize] = held;
        let rank = (self.scores[key as usize].to_bits(), key);
        if held {
            self.absent.remove(&rank);
        } else if self.top.contains(&rank) {
            self.absent.insert(rank);
        }
    }

    /// Those that L1 lacks, most popular first.
    pub(super) fn absent(&self) -> impl Iterator<Item = u32> + '_ {
        self.absent.iter().rev().map(|&(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popularity(entries: usize, reads: &[(u32, usize)]) -> Popularity {
        let mut popularity = Popularity::new(10, entries);
        for &(key, times) in reads {
            for _ in 0..times {
                popularity.read(key);
            }
        }
        popularity
    }

    fn check(popularity: &Popularity, expected: &[u32]) {
        assert_eq!(popularity.absent().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_most_popular_come_first_and_only_as_many_as_fill_half_of_l1() {
        let mut popularity = popularity(6, &[(1, 5), (2, 1), (3, 9), (4, 3)]);
        check(&popularity, &[3, 1, 4]);
        popularity.read(2);
        check(&popularity, &[3, 1, 4]);
        popularity.read(2);
        popularity.read(2);
        check(&popularity, &[3, 1, 2]);
    }

    #[test]
    fn what_l1_holds_is_not_asked_for_until_it_leaves() {
        let mut popularity = popularity(4, &[(1, 5), (2, 3), (3, 1)]);
        popularity.note(1, true);
        popularity.read(1);
        check(&popularity, &[2]);
        popularity.note(1, false);
        popularity.note(3, false);
        check(&popularity, &[1, 2]);
    }

    #[test]
    fn reads_of_long_ago_count_less() {
        let mut popularity = popularity(1, &[(1, 100), (2, 20_000)]);
        check(&popularity, &[2]);
        // Two half-lives: 20,000 reads weigh as much as 361 of today.
        for _ in 0..2_000 {
            popularity.read(3);
        }
        check(&popularity, &[3]);
    }
}
