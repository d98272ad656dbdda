//! `null` and `zipf`: events that have nothing to do with each other.

use forewarm_domain::Op;

use super::random::Random;
use super::weights::Weights;
use super::{Emitted, Source};

/// Independent Poisson processes, drawn as their superposition: gaps are exponential with the
/// sum of the rates, and each event belongs to a process with the probability of its rate.
pub(super) struct Independent {
    random: Random,
    /// Events a second; process `i` belongs to pair `pairs[i / ops.len()]`.
    rates: Weights,
    mean_gap_us: f64,
    ops: &'static [Op],
    pairs: Vec<u32>,
    now_us: f64,
}

impl Independent {
    /// Per pair one process of updates and one of reads, their rates independent and
    /// log-uniform in 0.001 … 1 a second.
    pub(super) fn null(pairs: u32, mut random: Random) -> Self {
        let rates = Weights::log_uniform(2 * pairs as usize, 0.001, 1.0, &mut random);
        Self::new(
            rates,
            1.0,
            &[Op::Update, Op::Read],
            (0..pairs).collect(),
            random,
        )
    }

    /// Reads only, 1,000 a second, popularity Zipf 0.9 over a shuffled ranking.
    pub(super) fn zipf(pairs: u32, mut random: Random) -> Self {
        let rates = Weights::zipf(pairs as usize, 0.9);
        let scale = 1_000.0 / rates.total();
        let mut ranking: Vec<u32> = (0..pairs).collect();
        random.shuffle(&mut ranking);
        Self::new(rates, scale, &[Op::Read], ranking, random)
    }

    fn new(
        rates: Weights,
        scale: f64,
        ops: &'static [Op],
        pairs: Vec<u32>,
        random: Random,
    ) -> Self {
        let mean_gap_us = 1e6 / (rates.total() * scale);
        Self {
            random,
            rates,
            mean_gap_us,
            ops,
            pairs,
            now_us: 0.0,
        }
    }
}

impl Source for Independent {
    fn next(&mut self, _emitted: u64) -> Emitted {
        self.now_us += self.random.exponential(self.mean_gap_us);
        let process = self.rates.draw(&mut self.random);
        Emitted {
            at_us: self.now_us as u64,
            pair: self.pairs[process / self.ops.len()],
            op: self.ops[process % self.ops.len()],
        }
    }
}
