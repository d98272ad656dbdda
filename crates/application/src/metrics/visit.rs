//! Reading every metric for a scrape.

use forewarm_domain::{ChainId, Operation, Outcome};

use super::catalogue::{CATALOGUE, LabelValues, Metric, MetricSpec};
use super::cells::{Counter, Gauge, Histogram};
use super::label::{CacheOp, DropReason, EvictionReason, Level, StrategyLabel};
use super::{CacheRow, ChainRow, HITS, Metrics, RECEIVED};

/// One series and its figure now.
#[derive(Debug, PartialEq)]
pub struct Sample<'a> {
    /// Its metric.
    pub spec: &'static MetricSpec,
    /// Its labels in the catalogue's order.
    pub labels: &'a [(&'static str, &'a str)],
    /// The figure.
    pub value: SampleValue,
}

/// What a series says.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// A counter's total.
    Counter(u64),
    /// A gauge's figure.
    Gauge(f64),
    /// A histogram's buckets.
    Histogram {
        /// Cumulative counts for each of the catalogue's bounds.
        buckets: Vec<u64>,
        /// All of them.
        count: u64,
        /// The sum, in the metric's unit.
        sum: f64,
    },
}

type Names<'a> = &'a dyn Fn(ChainId) -> String;
type Sink<'a> = &'a mut dyn FnMut(Sample<'_>);

impl Metrics {
    /// Hands every series that has something to say to `sink`, in the catalogue's order.
    ///
    /// A chain's series appear, all with their zeros, once anything of that chain was counted:
    /// a ratio is defined before its first error. Gauges appear once set. `process_*`, the
    /// memory limit and the build are the exporter's.
    pub fn visit(&self, chain_name: Names<'_>, sink: Sink<'_>) {
        for spec in CATALOGUE {
            self.visit_one(spec.metric, chain_name, sink);
        }
    }

    /// The series of one metric.
    pub fn visit_one(&self, metric: Metric, chain_name: Names<'_>, sink: Sink<'_>) {
        let mut out = Out {
            spec: metric.spec(),
            chain_name,
            sink,
        };
        match metric {
            Metric::TrackingDuration => {
                out.by_chain(self, |row, out, chain| {
                    out.histogram(&row.row.tracking.duration, &[chain], MICRO);
                });
            }
            Metric::UpdatesReceived => out.by_chain(self, |row, out, chain| {
                let asked =
                    row.hits[Level::L1 as usize] + row.row.lookups.misses[Level::L1 as usize].get();
                out.count(row.received + asked, &[chain]);
            }),
            Metric::UpdatesTracked => out.chain_counter(self, |row| &row.tracking.tracked),
            Metric::PairsTracked => out.chain_gauge(self, |row| &row.tracking.pairs),
            Metric::ModelAge => out.gauge(&self.model_age_seconds, &[]),
            Metric::ModelMemory => out.gauge(&self.model_memory_bytes, &[]),
            Metric::WarmingDuration => {
                out.by_chain(self, |row, out, chain| {
                    out.histogram(&row.row.warming.duration, &[chain], MILLI);
                });
            }
            Metric::WarmingOperations => {
                out.chain_counters(self, Operation::ALL.map(Operation::name), |row| {
                    &row.warming.operations
                });
            }
            Metric::WarmingRequests => out.chain_counter(self, |row| &row.tracking.requests),
            Metric::PairsWarmed => out.chain_counter(self, |row| &row.warming.warmed),
            Metric::PairsSelected => {
                out.chain_counters(self, StrategyLabel::ALL.map(StrategyLabel::name), |row| {
                    &row.warming.selected
                });
            }
            Metric::WarmingOutcomes => {
                out.chain_counters(self, Outcome::ALL.map(Outcome::name), |row| {
                    &row.warming.outcomes
                });
            }
            Metric::WarmingDropped => {
                out.chain_counters(self, DropReason::ALL.map(DropReason::name), |row| {
                    &row.warming.dropped
                });
            }
            Metric::QueueDepth => out.gauge(&self.queue_depth, &[]),
            Metric::WarmingMode => out.chain_gauge(self, |row| &row.warming.mode),
            Metric::BudgetUsed => out.gauge(&self.budget_used, &[]),
            Metric::Drift => out.gauge(&self.drift, &[]),
            Metric::TurnedDown => out.gauge(&self.turned_down, &[]),
            Metric::ShadowHits => {
                out.chain_counters(self, StrategyLabel::ALL.map(StrategyLabel::name), |row| {
                    &row.lookups.shadow_hits
                });
            }
            Metric::CacheHits => {
                out.by_chain(self, |row, out, chain| {
                    for level in Level::ALL {
                        out.count(row.hits[level as usize], &[chain, level.name()]);
                    }
                });
            }
            Metric::CacheMisses => {
                out.chain_counters(self, Level::ALL.map(Level::name), |row| &row.lookups.misses);
            }
            Metric::CacheSize => out.level_gauge(self, |row| &row.size_bytes),
            Metric::CacheCapacity => out.level_gauge(self, |row| &row.capacity_bytes),
            Metric::CacheEntries => out.level_gauge(self, |row| &row.entries),
            Metric::CacheEvictions => {
                for (level, row) in self.caches_by_level() {
                    for reason in EvictionReason::ALL {
                        let labels = [level.name(), reason.name()];
                        out.counter(&row.evictions[reason as usize], &labels);
                    }
                }
            }
            Metric::CacheErrors => {
                for (level, row) in self.caches_by_level() {
                    for op in CacheOp::ALL {
                        out.counter(&row.errors[op as usize], &[op.name(), level.name()]);
                    }
                }
            }
            Metric::LookupDuration => {
                out.by_chain(self, |row, out, chain| {
                    for level in Level::ALL {
                        let labels = [chain, level.name()];
                        out.histogram(&row.row.lookups.duration[level as usize], &labels, MICRO);
                    }
                });
            }
            Metric::CacheLatency => {
                for (level, row) in self.caches_by_level() {
                    for op in CacheOp::ALL {
                        let labels = [op.name(), level.name()];
                        out.histogram(&row.latency[op as usize], &labels, MILLI);
                    }
                }
            }
            Metric::L2Up => out.gauge(&self.l2_up, &[]),
            Metric::BreakerState => out.gauge(&self.breaker_state, &[]),
            Metric::Invalidations => out.counter(&self.invalidations, &[]),
            Metric::InvalidationMode => out.gauge(&self.invalidation_mode, &[]),
            Metric::InvalidationLinkUp => out.gauge(&self.invalidation_link_up, &[]),
            Metric::FeedLag => out.gauge(&self.feed_lag_seconds, &[]),
            Metric::MemoryLimit
            | Metric::BuildInfo
            | Metric::ResidentMemory
            | Metric::CpuSeconds
            | Metric::OpenFiles
            | Metric::MaxOpenFiles
            | Metric::StartTime => {}
        }
    }

    fn caches_by_level(&self) -> impl Iterator<Item = (Level, &CacheRow)> {
        Level::ALL.into_iter().zip(&self.caches)
    }
}

/// Nanoseconds in a histogram's unit.
const MICRO: f64 = 1e3;
const MILLI: f64 = 1e6;

/// A chain's figures.
struct Row<'a> {
    row: &'a ChainRow,
    received: u64,
    hits: [u64; Level::ALL.len()],
}

struct Out<'a> {
    spec: &'static MetricSpec,
    chain_name: Names<'a>,
    sink: Sink<'a>,
}

impl Out<'_> {
    fn by_chain(&mut self, metrics: &Metrics, visit: impl Fn(Row<'_>, &mut Self, &str)) {
        for (index, row) in metrics.chains.iter().enumerate() {
            let row = Row {
                row,
                received: metrics.hot.get(RECEIVED, index),
                hits: [metrics.hot.get(HITS, index), row.lookups.l2_hits.get()],
            };
            if row.is_used() {
                let chain = (self.chain_name)(ChainId(index as u16));
                visit(row, self, &chain);
            }
        }
    }

    fn chain_counter(&mut self, metrics: &Metrics, cell: impl Fn(&ChainRow) -> &Counter) {
        self.by_chain(metrics, |row, out, chain| {
            out.counter(cell(row.row), &[chain])
        });
    }

    fn chain_gauge(&mut self, metrics: &Metrics, cell: impl Fn(&ChainRow) -> &Gauge) {
        self.by_chain(metrics, |row, out, chain| {
            out.gauge(cell(row.row), &[chain])
        });
    }

    fn chain_counters<const N: usize>(
        &mut self,
        metrics: &Metrics,
        names: [&'static str; N],
        cells: impl Fn(&ChainRow) -> &[Counter; N],
    ) {
        self.by_chain(metrics, |row, out, chain| {
            for (name, cell) in names.iter().zip(cells(row.row)) {
                out.counter(cell, &[chain, name]);
            }
        });
    }

    fn level_gauge(&mut self, metrics: &Metrics, cell: impl Fn(&CacheRow) -> &Gauge) {
        for (level, row) in metrics.caches_by_level() {
            self.gauge(cell(row), &[level.name()]);
        }
    }

    fn counter(&mut self, cell: &Counter, labels: &[&str]) {
        self.count(cell.get(), labels);
    }

    fn count(&mut self, total: u64, labels: &[&str]) {
        self.emit(labels, SampleValue::Counter(total));
    }

    fn gauge(&mut self, cell: &Gauge, labels: &[&str]) {
        if let Some(value) = cell.get() {
            self.emit(labels, SampleValue::Gauge(value));
        }
    }

    fn histogram<const N: usize>(&mut self, cell: &Histogram<N>, labels: &[&str], unit: f64) {
        let (mut buckets, sum_nanos) = cell.snapshot();
        let count = buckets.pop().unwrap_or(0);
        let sum = sum_nanos as f64 / unit;
        self.emit(
            labels,
            SampleValue::Histogram {
                buckets,
                count,
                sum,
            },
        );
    }

    fn emit(&mut self, values: &[&str], value: SampleValue) {
        debug_assert_eq!(values.len(), self.spec.labels.len(), "{}", self.spec.name);
        let mut labels = [("", ""); 2];
        for ((label, spec), value) in labels.iter_mut().zip(self.spec.labels).zip(values) {
            debug_assert!(match spec.values {
                LabelValues::Fixed(allowed) => allowed.contains(value),
                _ => true,
            });
            *label = (spec.name, *value);
        }
        let labels = &labels[..values.len()];
        (self.sink)(Sample {
            spec: self.spec,
            labels,
            value,
        });
    }
}

impl Row<'_> {
    /// Whether anything of this chain was ever counted.
    fn is_used(&self) -> bool {
        let ChainRow {
            tracking,
            lookups,
            warming,
        } = self.row;
        let counters = [&tracking.tracked, &tracking.requests, &warming.warmed]
            .into_iter()
            .chain(&lookups.misses)
            .chain(&lookups.shadow_hits)
            .chain(&warming.operations)
            .chain(&warming.outcomes)
            .chain(&warming.dropped)
            .chain(&warming.selected);
        self.received + self.hits.iter().sum::<u64>() > 0
            || counters.into_iter().any(|counter| counter.get() > 0)
            || tracking.pairs.get().is_some()
            || warming.mode.get().is_some()
            || !tracking.duration.is_empty()
            || !warming.duration.is_empty()
            || lookups.duration.iter().any(|levels| !levels.is_empty())
    }
}
