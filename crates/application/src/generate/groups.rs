//! `bursts` and `flip`: planted groups of pairs that move together.

use forewarm_domain::Op;

use super::pending::Pending;
use super::random::Random;
use super::weights::Weights;
use super::{Emitted, Source};

/// Between blocks, by chain: the chain's number + 1 seconds.
const BLOCK_US: u64 = 1_000_000;
/// Within this a block's updates arrive.
const BLOCK_SPREAD_US: usize = 50_000;
/// Within this a group's updates arrive.
const GROUP_SPREAD_US: usize = 5_000;
/// From the last moment of a group's updates to the reader's pass over the group.
const REACTION_US: u64 = 3_000;
/// Noise events per event of a group: 2/3, so that noise is 40 % of all.
const NOISE: f64 = 2.0 / 3.0;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Block(usize),
    Update(u32),
    Read(u32),
}

struct Chain {
    /// Its pairs, in the order that the groups cut into pieces.
    members: Vec<u32>,
    /// Where each group ends in `members`.
    ends: Vec<usize>,
    popularity: Weights,
    block_us: u64,
}

/// In each block one to three groups (Zipf 0.7 by group) update, each within 5 ms in a shuffled
/// order; 3 ms later all of the group is read, shuffled again. Noise: uniformly drawn pairs, 40 %
/// of the updates and 40 % of the reads.
pub(super) struct Groups {
    random: Random,
    chains: Vec<Chain>,
    pending: Pending<Due>,
    /// After how many events the memberships are dealt anew.
    flip_after: Option<u64>,
}

impl Groups {
    pub(super) fn new(chains: &[Vec<u32>], flip_after: Option<u64>, mut random: Random) -> Self {
        let mut pending = Pending::new();
        let chains: Vec<Chain> = chains
            .iter()
            .enumerate()
            .filter(|(_, pairs)| !pairs.is_empty())
            .map(|(number, pairs)| Chain::new(number, pairs, &mut random))
            .collect();
        for (index, chain) in chains.iter().enumerate() {
            pending.push(chain.block_us, Due::Block(index));
        }
        Self {
            random,
            chains,
            pending,
            flip_after,
        }
    }

    fn block(&mut self, at_us: u64, index: usize) {
        let chain = &self.chains[index];
        let mut events = 0_usize;
        for _ in 0..self.random.between(1, 3) {
            let group = chain.popularity.draw(&mut self.random);
            let start = if group == 0 { 0 } else { chain.ends[group - 1] };
            let mut members = chain.members[start..chain.ends[group]].to_vec();
            let first = at_us + self.random.below(BLOCK_SPREAD_US) as u64;
            self.random.shuffle(&mut members);
            for pair in &members {
                let at = first + self.random.below(GROUP_SPREAD_US) as u64;
                self.pending.push(at, Due::Update(*pair));
            }
            self.random.shuffle(&mut members);
            for (n, pair) in members.iter().enumerate() {
                let at = first + GROUP_SPREAD_US as u64 + REACTION_US + 100 * n as u64;
                self.pending.push(at, Due::Read(*pair));
            }
            events += members.len();
        }
        let noise = (events as f64 * NOISE + self.random.unit()) as usize;
        for _ in 0..noise {
            let mut some = || {
                let pair = chain.members[self.random.below(chain.members.len())];
                (at_us + self.random.below(BLOCK_SPREAD_US) as u64, pair)
            };
            let (at, pair) = some();
            self.pending.push(at, Due::Update(pair));
            let (at, pair) = some();
            self.pending.push(at, Due::Read(pair));
        }
        self.pending.push(at_us + chain.block_us, Due::Block(index));
    }
}

impl Source for Groups {
    fn next(&mut self, emitted: u64) -> Emitted {
        loop {
            let (at_us, due) = self.pending.pop().expect("each block schedules the next");
            let (pair, op) = match due {
                Due::Update(pair) => (pair, Op::Update),
                Due::Read(pair) => (pair, Op::Read),
                Due::Block(index) => {
                    if self.flip_after.is_some_and(|after| emitted >= after) {
                        self.flip_after = None;
                        for chain in &mut self.chains {
                            self.random.shuffle(&mut chain.members);
                        }
                    }
                    self.block(at_us, index);
                    continue;
                }
            };
            return Emitted { at_us, pair, op };
        }
    }
}

impl Chain {
    /// Deals the pairs into groups of 4 to 12.
    fn new(number: usize, pairs: &[u32], random: &mut Random) -> Self {
        let mut members = pairs.to_vec();
        random.shuffle(&mut members);
        let mut ends = Vec::new();
        let mut end = 0;
        while end < members.len() {
            end = (end + random.between(4, 12)).min(members.len());
            ends.push(end);
        }
        let popularity = Weights::zipf(ends.len(), 0.7);
        Self {
            members,
            ends,
            popularity,
            block_us: BLOCK_US * (number as u64 + 1),
        }
    }
}
