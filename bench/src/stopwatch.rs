//! Quantiles, medians of rounds, and what a stopwatch itself costs.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Times in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    nanos: Vec<u32>,
}

impl Times {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            nanos: Vec::with_capacity(capacity),
        }
    }

    pub(crate) fn push(&mut self, took: Duration) {
        self.nanos
            .push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    pub(crate) fn append(&mut self, mut others: Self) {
        self.nanos.append(&mut others.nanos);
    }

    pub(crate) fn len(&self) -> usize {
        self.nanos.len()
    }

    /// The value that a share of `q` of the times does not exceed, in nanoseconds; NaN of nothing.
    pub(crate) fn quantile(&mut self, q: f64) -> f64 {
        if self.nanos.is_empty() {
            return f64::NAN;
        }
        let at = ((self.nanos.len() - 1) as f64 * q).round() as usize;
        f64::from(*self.nanos.select_nth_unstable(at).1)
    }
}

/// The middle one; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Processor time of this thread in nanoseconds: what a call costs, whoever else wants the processor
/// meanwhile.
pub(crate) fn processor_time() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64
}

/// Nanoseconds of processor time a call, of `calls` in a row.
pub(crate) fn per_call(calls: u64, mut call: impl FnMut()) -> f64 {
    let started = processor_time();
    for _ in 0..calls {
        call();
    }
    (processor_time() - started) / calls as f64
}

/// What timing nothing shows, in nanoseconds: it is in every single time of a quantile.
pub(crate) fn empty_reading() -> f64 {
    let mut times = Times::with_capacity(100_000);
    for _ in 0..100_000 {
        let started = Instant::now();
        black_box(());
        times.push(started.elapsed());
    }
    times.quantile(0.5)
}

/// `240 ns`, `1.3 µs`, `2.4 ms`, `1.2 s`.
pub(crate) fn shown(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

/// `3.2 M/s`, `41 k/s`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 1e6 => format!("{:.2} M/s", r / 1e6),
        r if r >= 1e4 => format!("{:.1} k/s", r / 1e3),
        r => format!("{r:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_medians_are_values_that_were_measured() {
        let mut times = Times::default();
        for nanos in (1..=100).rev() {
            times.push(Duration::from_nanos(nanos));
        }
        assert_eq!(times.quantile(0.5), 51.0);
        assert_eq!(times.quantile(0.95), 95.0);
        assert_eq!(times.quantile(1.0), 100.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan() && Times::default().quantile(0.5).is_nan());
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(shown(250.4), "250 ns");
        assert_eq!(shown(1_300.0), "1.30 µs");
        assert_eq!(shown(2_400_000.0), "2.40 ms");
        assert_eq!(rate(3_210_000.0), "3.21 M/s");
        assert_eq!(rate(35_000.0), "35.0 k/s");
        assert_eq!(rate(995.0), "995/s");
    }
}
