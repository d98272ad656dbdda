//! The atomics that metrics are kept in. All are relaxed: each is a figure of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A count that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A figure that is set; unknown until then, and then no sample.
#[derive(Debug)]
pub(super) struct Gauge(AtomicU64);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl Gauge {
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub(super) fn get(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.load(Relaxed));
        (!value.is_nan()).then_some(value)
    }
}

/// Durations in `N` buckets and one above them. A record is a search in a few cache lines and
/// two additions; the count is the sum of the buckets, so that a snapshot agrees with itself.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    above: AtomicU64,
    sum_nanos: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            sum_nanos: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Histogram<N> {
    /// `bounds` are the buckets' inclusive upper ends in nanoseconds.
    pub(super) fn record(&self, bounds: &[u64; N], duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bounds.partition_point(|bound| *bound < nanos);
        self.buckets
            .get(bucket)
            .unwrap_or(&self.above)
            .fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// Cumulative counts by bound, the last one for everything, and the sum in nanoseconds.
    pub(super) fn snapshot(&self) -> (Vec<u64>, u64) {
        let mut total = 0;
        let counts = self.buckets.iter().chain([&self.above]).map(|bucket| {
            total += bucket.load(Relaxed);
            total
        });
        (counts.collect(), self.sum_nanos.load(Relaxed))
    }

    /// How many, and their sum in nanoseconds.
    pub(super) fn total(&self) -> (u64, u64) {
        let counts = self.buckets.iter().chain([&self.above]);
        let count = counts.map(|bucket| bucket.load(Relaxed)).sum();
        (count, self.sum_nanos.load(Relaxed))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets
            .iter()
            .chain([&self.above])
            .all(|bucket| bucket.load(Relaxed) == 0)
    }
}
