//! Exponential decay without touching what has not changed.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava & Xu, ICDE 2009): instead of ageing every
//! counter as time passes, a newer event is given a larger weight. Weights are measured from
//! the start of the current half-life (an *epoch*) and lie in [1, 2); a counter that is touched
//! in a later epoch is first scaled by an exact power of two. So a counter costs one multiply
//! per half-life, never drifts and never overflows.

use std::time::Duration;

use crate::time::Timestamp;

/// The half-life and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Decay {
    half_life_us: u64,
}

/// A moment on the decay's own scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instant {
    epoch: u32,
    /// 2^(fraction of the half-life that has passed), in [1, 2).
    weight: f32,
}

impl Decay {
    /// Half of a count is forgotten after `half_life` (at least 1 ms).
    pub fn new(half_life: Duration) -> Self {
        let half_life_us = u64::try_from(half_life.as_micros()).unwrap_or(u64::MAX);
        Self {
            half_life_us: half_life_us.max(1_000),
        }
    }

    /// The share of a count that is left after so many microseconds, in (0, 1].
    pub fn over_micros(&self, passed: u64) -> f32 {
        (-(passed as f32) / self.half_life_us as f32).exp2()
    }

    /// Where `at` lies: its epoch and the weight of an event then.
    pub fn at(&self, at: Timestamp) -> Instant {
        let micros = at.as_micros();
        let fraction = (micros % self.half_life_us) as f32 / self.half_life_us as f32;
        Instant {
            // Wrapping is harmless: only differences are used, and 2^32 half-lives apart
            // everything is zero either way.
            epoch: (micros / self.half_life_us) as u32,
            weight: fraction.exp2(),
        }
    }
}

impl Instant {
    /// The epoch's number.
    pub fn epoch(self) -> u32 {
        self.epoch
    }

    /// The weight of an event at this moment, in [1, 2).
    pub fn weight(self) -> f32 {
        self.weight
    }

    /// By what a stored value of `epoch` is multiplied to be at home in this moment's epoch.
    pub fn rescale(self, epoch: u32) -> f32 {
        match self.epoch.wrapping_sub(epoch) {
            0 => 1.0,
            // A moment of an earlier epoch than the value's: late events count as now.
            age if age > u32::MAX / 2 => 1.0,
            age if age > 126 => 0.0,
            age => f32::from_bits((127 - age) << 23),
        }
    }

    /// By what a stored value of `epoch` is multiplied to read as "events, as of this moment".
    pub fn read(self, epoch: u32) -> f32 {
        self.rescale(epoch) / self.weight
    }

    /// To read many counts as of this moment, with one division for all.
    pub fn reader(self) -> Reader {
        Reader {
            now: self,
            one: self.weight.recip(),
        }
    }
}

/// Reads counts as of one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    now: Instant,
    /// What a stored one is worth.
    one: f32,
}

impl Reader {
    /// The count as of the moment, in events.
    pub fn get(&self, count: &Decayed) -> f32 {
        count.value * self.now.rescale(count.epoch) * self.one
    }
}

/// One decaying count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decayed {
    value: f32,
    epoch: u32,
}

impl Decayed {
    /// Adds `events` at `now`.
    pub fn add(&mut self, events: f32, now: Instant) {
        self.value = self.value * now.rescale(self.epoch) + events * now.weight;
        self.epoch = now.epoch;
    }

    /// The count as of `now`, in events.
    pub fn get(&self, now: Instant) -> f32 {
        self.value * now.read(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF_LIFE: Duration = Duration::from_secs(600);

    #[test]
    fn half_is_left_after_one_half_life_wherever_the_epoch_began() {
        let decay = Decay::new(HALF_LIFE);
        for start_s in [0, 1, 299, 599, 601, 1_650_412_853] {
            let start = Timestamp::from_millis(start_s * 1_000);
            let mut count = Decayed::default();
            count.add(8.0, decay.at(start));
            let later = count.get(decay.at(start + HALF_LIFE));
            assert!((later - 4.0).abs() < 1e-3, "from {start_s} s: {later}");
        }
    }

    #[test]
    fn a_count_of_long_ago_is_zero_and_not_an_overflow() {
        let decay = Decay::new(Duration::from_millis(1));
        let mut count = Decayed::default();
        count.add(1e30, decay.at(Timestamp::ZERO));
        assert_eq!(count.get(decay.at(Timestamp::from_millis(10_000))), 0.0);
    }

    proptest! {
        /// The lazy count equals the sum of every event's own exponential.
        #[test]
        fn the_lazy_count_is_the_exact_exponential_sum(
            mut times in prop::collection::vec(0_u64..20_000_000, 1..50)
        ) {
            times.sort_unstable();
            let decay = Decay::new(Duration::from_secs(2));
            let mut count = Decayed::default();
            for &t in &times {
                count.add(1.0, decay.at(Timestamp::from_micros(t)));
            }
            let now = *times.last().unwrap() + 500_000;
            let exact: f64 = times.iter().map(|&t| (-((now - t) as f64) / 2e6).exp2()).sum();
            let lazy = f64::from(count.get(decay.at(Timestamp::from_micros(now))));
            prop_assert!((lazy - exact).abs() <= 1e-3 * exact.max(1e-3), "{lazy} vs {exact}");
        }
    }
}
