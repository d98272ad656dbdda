//! Durations summed over all chains, for people: how long look-ups, warms and tracking took.

use std::time::Duration;

use super::catalogue::{LOOKUP, TRACKING, WARMING};
use super::cells::Histogram;
use super::{ChainRow, Level, Metrics};

/// How long something took, since the start: counts by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// The buckets' inclusive upper ends in nanoseconds; one more bucket lies above the last.
    pub bounds: &'static [u64],
    /// Cumulative counts, one more than bounds; the last counts everything.
    pub counts: Vec<u64>,
}

impl Times {
    /// How many were timed.
    pub fn count(&self) -> u64 {
        self.counts.last().copied().unwrap_or(0)
    }

    /// Within what time the share `q` (0 to 1) ended, interpolated inside its bucket as Prometheus'
    /// `histogram_quantile` does; what lies above the last bound counts as that bound. `None` before the
    /// first.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = q.clamp(0.0, 1.0) * self.count() as f64;
        let bucket = self
            .counts
            .iter()
            .position(|&count| count as f64 >= rank && count > 0)?;
        let last = *self.bounds.last()?;
        let end = self.bounds.get(bucket).copied().unwrap_or(last) as f64;
        let (begin, before) = match bucket.checked_sub(1) {
            Some(below) => (self.bounds[below] as f64, self.counts[below]),
            None => (0.0, 0),
        };
        let within = (self.counts[bucket] - before).max(1) as f64;
        let nanos = begin + (end - begin) * (rank - before as f64) / within;
        Some(Duration::from_nanos(nanos as u64))
    }
}

impl Metrics {
    /// Demand look-ups that `level` answered; a sample of them, one in [`super::SAMPLED_ONE_IN`].
    pub fn lookup_times(&self, level: Level) -> Times {
        self.times(&LOOKUP, |row| &row.lookups.duration[level as usize])
    }

    /// Warming operations, from the request on.
    pub fn warming_times(&self) -> Times {
        self.times(&WARMING, |row| &row.warming.duration)
    }

    /// Tracking one event; a sample, one in [`super::SAMPLED_ONE_IN`].
    pub fn tracking_times(&self) -> Times {
        self.times(&TRACKING, |row| &row.tracking.duration)
    }

    fn times<const N: usize>(
        &self,
        bounds: &'static [u64; N],
        of: impl Fn(&ChainRow) -> &Histogram<N>,
    ) -> Times {
        let mut counts = vec![0; N + 1];
        for row in &self.chains {
            for (sum, count) in counts.iter_mut().zip(of(row).snapshot().0) {
                *sum += count;
            }
        }
        Times { bounds, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forewarm_domain::ChainId;

    #[test]
    fn quantiles_lie_in_their_bucket_and_sum_up_the_chains() {
        let metrics = Metrics::new();
        assert_eq!(metrics.lookup_times(Level::L1).quantile(0.5), None);
        for (chain, micros) in [(1, 4), (2, 4), (3, 4), (3, 900)] {
            let took = Duration::from_micros(micros);
            metrics.lookup_duration(ChainId(chain), Level::L1, took);
        }
        let times = metrics.lookup_times(Level::L1);
        assert_eq!(times.count(), 4);
        let quantile = |q| times.quantile(q).expect("four were timed");
        let half = quantile(0.5);
        assert!(
            half > Duration::from_nanos(2_500) && half <= Duration::from_micros(5),
            "{half:?}"
        );
        assert!(quantile(0.99) > Duration::from_micros(500), "{times:?}");
        assert_eq!(metrics.lookup_times(Level::L2).count(), 0);
    }

    #[test]
    fn what_is_above_every_bound_counts_as_the_last() {
        let metrics = Metrics::new();
        metrics.warming_duration(ChainId(1), Duration::from_secs(3_600));
        let times = metrics.warming_times();
        let last = times.bounds.last().copied().map(Duration::from_nanos);
        assert_eq!(times.quantile(0.5), last);
    }
}
