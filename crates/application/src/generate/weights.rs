//! Choosing by weight: a cumulative table and a binary search.

use super::random::{Random, exp, ln};

/// A fixed distribution over 0..n.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    cumulative: Vec<f64>,
}

impl Weights {
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut total = 0.0;
        let cumulative = weights
            .into_iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Self { cumulative }
    }

    /// Zipf: the weight of rank r (from 1) is r^−`exponent`.
    pub(super) fn zipf(n: usize, exponent: f64) -> Self {
        Self::new((1..=n).map(|rank| exp(-exponent * ln(rank as f64))))
    }

    /// Rates that are log-uniform between `low` and `high`: as many at each order of magnitude.
    pub(super) fn log_uniform(n: usize, low: f64, high: f64, random: &mut Random) -> Self {
        let span = ln(high / low);
        Self::new((0..n).map(|_| low * exp(span * random.unit())))
    }

    pub(super) fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or(0.0)
    }

    /// The share of `index` in the total.
    pub(super) fn share(&self, index: usize) -> f64 {
        let before = if index == 0 {
            0.0
        } else {
            self.cumulative[index - 1]
        };
        (self.cumulative[index] - before) / self.total()
    }

    /// One draw. There must be at least one weight.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.total();
        self.cumulative
            .partition_point(|end| *end <= at)
            .min(self.cumulative.len() - 1)
    }
}
