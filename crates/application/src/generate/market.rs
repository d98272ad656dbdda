//! `market`: an arbitrage team's stream.

use forewarm_domain::Op;

use super::graph::Graph;
use super::pending::Pending;
use super::random::Random;
use super::weights::Weights;
use super::{Emitted, Source};

/// Trades in a block, on average (1 to twice this, less one).
const TRADES_PER_BLOCK: usize = 8;
/// Between the trades of a block, on average.
const TRADE_GAP_US: f64 = 5_000.0;
/// Between the hops of one trade.
const HOP_US: u64 = 300;
/// How likely a planted hop takes part in a trade of its route.
const HOP_TAKEN: f64 = 0.85;
/// From an update to the detector's first look, and between its looks.
const REACTION_US: u64 = 3_000;
const LOOK_US: u64 = 50;
/// How likely the detector looks at each other pool (at the updated one always).
const LOOKED_AT: f64 = 0.95;
/// Background reads for each read of the detector: one in ten of all.
const BACKGROUND: f64 = 1.0 / 9.0;
/// Popularity: the weight of rank r is r^−0.9.
const POPULARITY: f64 = 0.9;
/// Every minute this share of a chain's routes is planted anew and as many ranks change hands.
const DRIFT_US: u64 = 60_000_000;
const DRIFT_SHARE: f64 = 0.005;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Block(usize),
    Drift(usize),
    Background,
    Update { chain: usize, pool: u32 },
    Read { chain: usize, pool: u32 },
}

/// What one chain does.
pub(super) struct MarketChain {
    pub(super) graph: Graph,
    /// The pair that each pool is in the recording.
    pub(super) pairs: Vec<u32>,
    /// Time between blocks.
    pub(super) block_us: u64,
}

struct Chain {
    world: MarketChain,
    /// Popularity by rank, and the pool that holds each rank.
    popularity: Weights,
    ranking: Vec<u32>,
    /// The route that starts at each pool.
    routes: Vec<Vec<u32>>,
}

/// The whole market.
pub(super) struct Market {
    random: Random,
    chains: Vec<Chain>,
    pending: Pending<Due>,
    /// Which chain a background read is of: by the detector's reads of each.
    background: Weights,
    background_gap_us: f64,
}

impl Market {
    pub(super) fn new(worlds: Vec<MarketChain>, mut random: Random) -> Self {
        let chains: Vec<Chain> = worlds
            .into_iter()
            .map(|world| Chain::new(world, &mut random))
            .collect();
        let background = Weights::new(chains.iter().map(Chain::reads_per_us));
        let background_gap_us = 1.0 / (background.total() * BACKGROUND);
        let mut pending = Pending::new();
        for (index, chain) in chains.iter().enumerate() {
            let phase = random.below(chain.world.block_us as usize) as u64;
            pending.push(phase, Due::Block(index));
            pending.push(DRIFT_US, Due::Drift(index));
        }
        pending.push(
            random.exponential(background_gap_us) as u64,
            Due::Background,
        );
        Self {
            random,
            chains,
            pending,
            background,
            background_gap_us,
        }
    }

    fn block(&mut self, at_us: u64, index: usize) {
        let chain = &self.chains[index];
        let mut at = at_us as f64;
        for _ in 0..self.random.between(1, 2 * TRADES_PER_BLOCK - 1) {
            let first = chain.ranking[chain.popularity.draw(&mut self.random)];
            for (hop, pool) in chain.routes[first as usize].iter().enumerate() {
                if hop == 0 || self.random.chance(HOP_TAKEN) {
                    let due = Due::Update {
                        chain: index,
                        pool: *pool,
                    };
                    self.pending.push(at as u64 + hop as u64 * HOP_US, due);
                }
            }
            at += self.random.exponential(TRADE_GAP_US);
        }
        // Slots drift by a twentieth either way, as produced blocks do.
        let slot = chain.world.block_us;
        let jitter = self.random.below(slot as usize / 10 + 1) as u64;
        self.pending
            .push(at_us + slot - slot / 20 + jitter, Due::Block(index));
    }

    /// The detector's look-ups after an update.
    fn look(&mut self, at_us: u64, chain: usize, pool: u32) {
        let mut at = at_us + REACTION_US;
        for (n, other) in self.chains[chain].world.graph.follow_ups[pool as usize]
            .iter()
            .enumerate()
        {
            if n == 0 || self.random.chance(LOOKED_AT) {
                self.pending.push(
                    at,
                    Due::Read {
                        chain,
                        pool: *other,
                    },
                );
                at += LOOK_US;
            }
        }
    }

    fn drift(&mut self, index: usize) {
        let chain = &mut self.chains[index];
        let pools = chain.ranking.len();
        for _ in 0..(pools as f64 * DRIFT_SHARE) as usize + 1 {
            let pool = self.random.below(pools);
            chain.routes[pool] = chain.world.graph.route(pool as u32, &mut self.random);
            let (a, b) = (self.random.below(pools), self.random.below(pools));
            chain.ranking.swap(a, b);
        }
    }

    fn background_read(&mut self) -> (usize, u32) {
        let index = self.background.draw(&mut self.random);
        let chain = &self.chains[index];
        (
            index,
            chain.ranking[chain.popularity.draw(&mut self.random)],
        )
    }
}

impl Source for Market {
    fn next(&mut self, _emitted: u64) -> Emitted {
        loop {
            let (at_us, due) = self.pending.pop().expect("each block schedules the next");
            let (chain, pool, op) = match due {
                Due::Block(index) => {
                    self.block(at_us, index);
                    continue;
                }
                Due::Drift(index) => {
                    self.drift(index);
                    self.pending.push(at_us + DRIFT_US, Due::Drift(index));
                    continue;
                }
                Due::Background => {
                    let gap = self.random.exponential(self.background_gap_us);
                    self.pending.push(at_us + gap as u64, Due::Background);
                    let (chain, pool) = self.background_read();
                    (chain, pool, Op::Read)
                }
                Due::Update { chain, pool } => {
                    self.look(at_us, chain, pool);
                    (chain, pool, Op::Update)
                }
                Due::Read { chain, pool } => (chain, pool, Op::Read),
            };
            let pair = self.chains[chain].world.pairs[pool as usize];
            return Emitted { at_us, pair, op };
        }
    }
}

impl Chain {
    fn new(world: MarketChain, random: &mut Random) -> Self {
        let pools = world.pairs.len();
        let routes = (0..pools as u32)
            .map(|pool| world.graph.route(pool, random))
            .collect();
        Self {
            popularity: Weights::zipf(pools, POPULARITY),
            ranking: (0..pools as u32).collect(),
            routes,
            world,
        }
    }

    /// The detector's reads of this chain, as planted.
    fn reads_per_us(&self) -> f64 {
        let looks = |pool: u32| {
            1.0 + (self.world.graph.follow_ups[pool as usize].len() - 1) as f64 * LOOKED_AT
        };
        let per_trade: f64 = (0..self.ranking.len())
            .map(|rank| {
                let route = &self.routes[self.ranking[rank] as usize];
                let later: f64 = route[1..].iter().map(|pool| looks(*pool) * HOP_TAKEN).sum();
                self.popularity.share(rank) * (looks(route[0]) + later)
            })
            .sum();
        per_trade * TRADES_PER_BLOCK as f64 / self.world.block_us as f64
    }
}
