//! Random numbers that are the same for ever.
//!
//! A seed must give the same bytes on every machine and after every upgrade, so neither a crate
//! whose algorithms may change nor the platform's `ln` and `exp` (whose last bits differ) are
//! used: only IEEE additions, multiplications and divisions, which are exact everywhere.

/// xoshiro256++ 1.0 (Blackman & Vigna 2019, public domain), seeded by splitmix64 as its authors
/// advise.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut splitmix = seed;
        let state = std::array::from_fn(|_| {
            splitmix = splitmix.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (splitmix ^ (splitmix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    pub(super) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in [0, 1), 53 bits.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in 0..n (0 for n = 0); the bias of n/2⁶⁴ is of no account here.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Uniform in `from..=to`.
    pub(super) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The gap to the next event of a Poisson process with `mean` between its events.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit())
    }

    /// Fisher-Yates.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// ln x for a normal x > 0, to about 1e-15: x = m·2^k with m in [√½, √2), ln m = 2 artanh((m−1)/(m+1)).
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut k = ((bits >> 52) as i64 - 1_023) as f64;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        k += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let series = (0..11)
        .rev()
        .fold(0.0, |sum, i| sum * s2 + 1.0 / f64::from(2 * i + 1));
    k * std::f64::consts::LN_2 + 2.0 * s * series
}

/// e^x for |x| < 700, to about 1e-14: e^x = (e^(x/1024))^1024 with a Taylor series inside.
pub(super) fn exp(x: f64) -> f64 {
    let small = x / 1_024.0;
    let series = (1..=7)
        .rev()
        .fold(1.0, |sum, i| 1.0 + small / f64::from(i) * sum);
    (0..10).fold(series, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // The authors' reference code for the state 1, 2, 3, 4.
        let mut random = Random {
            state: [1, 2, 3, 4],
        };
        let first: [u64; 4] = std::array::from_fn(|_| random.next());
        assert_eq!(
            first,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386
            ]
        );
        // splitmix64's first outputs for 0.
        let seeded = Random::new(0);
        assert_eq!(seeded.state[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(seeded.state[1], 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn the_logarithm_and_the_exponential_are_right() {
        for x in [1e-16, 0.1, 0.5, 0.999, 1.0, 1.5, 2.0, 1e6] {
            assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}");
        }
        for x in [-20.0, -1.0, 0.0, 0.3, 7.0] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12, "exp {x}");
        }
    }

    #[test]
    fn exponential_gaps_have_their_mean_and_uniform_numbers_their_range() {
        let mut random = Random::new(7);
        let mean = (0..100_000).map(|_| random.exponential(3.0)).sum::<f64>() / 100_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        let mut seen = [0_u32; 5];
        for _ in 0..50_000 {
            seen[random.between(2, 6) - 2] += 1;
        }
        assert!(seen.iter().all(|n| n.abs_diff(10_000) < 500), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
