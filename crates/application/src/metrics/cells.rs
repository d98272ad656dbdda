//! The atomics that metrics are kept in. All are relaxed: each is a figure of its own.

use std::array;
use std::cell::Cell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use forewarm_domain::Chains;

/// A count that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// [`add`](Self::add) of one where no other thread adds.
    fn add_as_only_writer(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters that every call of the hot path adds to, once for each of some threads: two threads
/// that count in one place take its cache line from each other, 40–100 ns a count.
#[derive(Debug)]
pub(super) struct Striped<const N: usize> {
    stripes: [Stripe<N>; STRIPES],
}

/// So many threads have a stripe each, in which they count without a locked instruction (1 ns in
/// place of 5); all others share one more.
const OWNED: usize = 15;
const SHARED: usize = OWNED;
const STRIPES: usize = OWNED + 1;

/// One thread's counters, by chain.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<const N: usize>([[Counter; Chains::LIMIT]; N]);

/// The stripes that a thread owns, a bit each.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Those from here on have never been anybody's: nothing was counted in them.
static LEASED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's stripe; `UNKNOWN` before its first count.
    static STRIPE: Cell<usize> = const { Cell::new(UNKNOWN) };
    /// Gives it back when the thread ends.
    static LEASE: Lease = const { Lease };
}

const UNKNOWN: usize = usize::MAX;

struct Lease;

impl Drop for Lease {
    fn drop(&mut self) {
        let stripe = STRIPE.replace(SHARED);
        if stripe < OWNED {
            // Release: whoever takes the stripe next sees all that was counted in it.
            TAKEN.fetch_and(!(1 << stripe), Release);
        }
    }
}

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        let row = |_| array::from_fn(|_| Counter::default());
        Self {
            stripes: array::from_fn(|_| Stripe(array::from_fn(row))),
        }
    }
}

impl<const N: usize> Striped<N> {
    /// Counts one in the `of`th group.
    #[inline]
    pub(super) fn count(&self, of: usize, chain: usize) {
        let stripe = STRIPE.get();
        if stripe < OWNED {
            self.stripes[stripe].0[of][chain].add_as_only_writer();
        } else {
            self.count_rarely(of, chain);
        }
    }

    #[cold]
    fn count_rarely(&self, of: usize, chain: usize) {
        if STRIPE.get() == UNKNOWN {
            STRIPE.set(lease());
            self.count(of, chain);
        } else {
            self.stripes[SHARED].0[of][chain].add(1);
        }
    }

    pub(super) fn get(&self, of: usize, chain: usize) -> u64 {
        self.stripes.iter().map(|s| s.0[of][chain].get()).sum()
    }

    /// Over all chains: 64 loads for each thread that counts.
    pub(super) fn sum(&self, of: usize) -> u64 {
        let used = self.stripes[..LEASED.load(Acquire)].iter();
        let groups = used.chain([&self.stripes[SHARED]]);
        let cells = groups.flat_map(|stripe| &stripe.0[of]);
        cells.map(Counter::get).sum()
    }
}

/// A stripe that no living thread owns, else the shared one.
fn lease() -> usize {
    // A thread that is ending already gives nothing back any more.
    if LEASE.try_with(|_| ()).is_err() {
        return SHARED;
    }
    let mut taken = TAKEN.load(Acquire);
    loop {
        let free = taken.trailing_ones() as usize;
        if free >= OWNED {
            return SHARED;
        }
        match TAKEN.compare_exchange_weak(taken, taken | 1 << free, Acquire, Acquire) {
            Ok(_) => {
                LEASED.fetch_max(free + 1, AcqRel);
                return free;
            }
            Err(now) => taken = now,
        }
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
            buckets: array::from_fn(|_| AtomicU64::new(0)),
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
