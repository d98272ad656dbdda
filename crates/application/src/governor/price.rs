//! What a fetch must be worth; [`governor`](super) says why.

use super::FREE_READS;

/// The least probability worth a fetch at a budget of 0.25, in inverse proportion to the budget.
const LEAST_WORTH: f64 = 0.1;
/// The budget it is stated for.
const USUAL_BUDGET: f64 = 0.25;
/// However small the budget, no more than this is asked for before it is used.
const MOST_WORTH: f64 = 0.3;
/// However large the budget, less than this is noise.
const NOISE: f64 = 0.02;
/// The price of scarcity when the allowance is used up, at most.
const DEAREST: f64 = 0.75;
/// In between it rises with this power of the share used, so that the first extra reads are cheap. A
/// steep rise makes it swing between a stream's phases, and the best price is the same throughout.
const STEEPNESS: f64 = 1.5;
/// Pollution is not believed past this: the ghost is a sample.
const MOST_POLLUTION: f64 = 0.3;
/// Fetches after which half of what they did is forgotten.
const FETCHES_REMEMBERED: f64 = 1_024.0;
/// Fetches before which pollution is not known.
const FIRST_FETCHES: f64 = 32.0;

/// What fetches did to L1 lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pollution {
    sent: f64,
    /// Look-ups that missed and would have hit without warming, less those that hit what was not
    /// warmed and would have missed.
    pub(super) displaced: f64,
}

impl Pollution {
    /// Misses that a fetch causes.
    pub(super) fn per_fetch(&self) -> f64 {
        (self.displaced / (self.sent + FIRST_FETCHES)).clamp(0.0, MOST_POLLUTION)
    }

    pub(super) fn sent(&mut self, fetches: usize) {
        self.sent += fetches as f64;
        if self.sent >= FETCHES_REMEMBERED {
            self.sent /= 2.0;
            self.displaced /= 2.0;
        }
    }
}

/// The traffic of late, older reads weighing less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    /// Reads that `off` would have made, by demand, and by warming.
    off: f64,
    pub(super) missed: f64,
    pub(super) warmed: f64,
}

impl Recent {
    /// Reads of `off` after which the past counts half.
    const MEMORY: f64 = 512.0;

    pub(super) fn off(&mut self, keys: f64) {
        self.off += keys;
        if self.off >= 2.0 * Self::MEMORY {
            for count in [&mut self.off, &mut self.missed, &mut self.warmed] {
                *count /= 2.0;
            }
        }
    }

    /// The share of the allowance that extra reads used.
    pub(super) fn used(&self, extra: f64) -> f64 {
        let left = (self.missed / self.off.max(1.0)).min(1.0);
        let allowance = (extra * self.off).max(FREE_READS as f64) * left.sqrt();
        (self.missed + self.warmed - self.off).max(0.0) / allowance.max(1.0)
    }
}

/// The least expected usefulness that a fetch must have, in [0, 0.95]; `extra` is the budget.
pub(super) fn of_a_fetch(extra: Option<f64>, recent: &Recent, pollution: &Pollution) -> f32 {
    let Some(extra) = extra else {
        return (NOISE + pollution.per_fetch()) as f32;
    };
    let worth = LEAST_WORTH * USUAL_BUDGET / extra.max(1e-9);
    let used = recent.used(extra);
    // A fetch read with probability p removes p misses for 1 - p reads in vain. Where the budget lets
    // the one cost as much as it allows of the other, p is this.
    let even = 1.0 / (1.0 + extra);
    let scarcity = used.min(1.0).powf(STEEPNESS) * DEAREST.min(even);
    let least = scarcity.max(worth.clamp(NOISE, MOST_WORTH));
    (least + pollution.per_fetch()).min(0.95) as f32
}
