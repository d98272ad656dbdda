//! Recording rules: the ratios and rates that alerts and dashboards share.
//!
//! Names are `labels:what:how`. Both sides of a ratio are summed by the same labels (a ratio of
//! single series would be 1 or nothing); `or 0 *` keeps a ratio defined before its first error or
//! hit; `> 0` in the denominator makes 0/0 no sample instead of NaN.

/// A series that Prometheus computes from others at every evaluation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recording {
    /// The name of the series.
    pub(crate) record: &'static str,
    /// What it is, for docs/metrics.md.
    pub(crate) what: &'static str,
    /// PromQL, with `@id.level` for figures of the table.
    pub(crate) expr: &'static str,
}

/// The rules, each after those that it reads: a group is evaluated in order.
pub(crate) const RECORDINGS: &[Recording] = &[
    Recording {
        record: "job_chain:tracking_duration_us:p95_5m",
        what: "95th percentile of the tracking time over 5 minutes, in µs",
        expr: r#"histogram_quantile(0.95, sum by (job, chain, le) (rate(arbitrage_correlation_tracking_duration_us_bucket{job="forewarm"}[5m])))"#,
    },
    Recording {
        record: "job_chain:updates_tracked:rate5m",
        what: "updates tracked a second; exact, where the histogram's count is sampled",
        expr: r#"sum by (job, chain) (rate(arbitrage_correlation_updates_tracked_total{job="forewarm"}[5m]))"#,
    },
    Recording {
        record: "job_chain:warming_duration_ms:p95_5m",
        what: "95th percentile of the duration of a warming operation over 5 minutes, in ms",
        expr: r#"histogram_quantile(0.95, sum by (job, chain, le) (rate(arbitrage_warming_duration_ms_bucket{job="forewarm"}[5m])))"#,
    },
    Recording {
        record: "job_chain:warming_timed:rate5m",
        what: "warming operations a second whose duration was measured",
        expr: r#"sum by (job, chain) (rate(arbitrage_warming_duration_ms_count{job="forewarm"}[5m]))"#,
    },
    Recording {
        record: "job_chain:warming_attempts:rate5m",
        what: "warming operations a second but for the skipped, which attempt nothing",
        expr: r#"sum by (job, chain) (rate(arbitrage_warming_operations_total{job="forewarm", status=~"success|error|timeout"}[5m]))"#,
    },
    Recording {
        record: "job_chain:warming_errors:ratio_rate5m",
        what: "share of the attempts that ended in an error or a timeout",
        expr: r#"(sum by (job, chain) (rate(arbitrage_warming_operations_total{job="forewarm", status=~"error|timeout"}[5m])) or 0 * job_chain:warming_attempts:rate5m) / (job_chain:warming_attempts:rate5m > 0)"#,
    },
    Recording {
        record: "job_chain:warming_successes:rate15m",
        what: "successful warming operations a second, over 15 minutes",
        expr: r#"sum by (job, chain) (rate(arbitrage_warming_operations_total{job="forewarm", status="success"}[15m]))"#,
    },
    Recording {
        record: "job_chain:warming_outcomes:rate15m",
        what: "warmed entries a second that ended, over 15 minutes",
        expr: r#"sum by (job, chain) (rate(arbitrage_warming_outcomes_total{job="forewarm"}[15m]))"#,
    },
    Recording {
        record: "job:warming_requests:rate5m",
        what: "requests a second that were offered to the warm queue, all chains",
        expr: r#"sum by (job) (rate(arbitrage_warming_requests_total{job="forewarm"}[5m]))"#,
    },
    Recording {
        record: "job:updates_received:rate5m",
        what: "updates a second that arrived to be tracked, all chains",
        expr: r#"sum by (job) (rate(arbitrage_correlation_updates_received_total{job="forewarm"}[5m]))"#,
    },
    Recording {
        record: "job_chain_cache_level:lookups:rate5m",
        what: "demand look-ups of a cache level a second",
        expr: r#"(sum by (job, chain, cache_level) (rate(arbitrage_cache_hits_total{job="forewarm"}[5m])) or 0 * sum by (job, chain, cache_level) (rate(arbitrage_cache_misses_total{job="forewarm"}[5m]))) + (sum by (job, chain, cache_level) (rate(arbitrage_cache_misses_total{job="forewarm"}[5m])) or 0 * sum by (job, chain, cache_level) (rate(arbitrage_cache_hits_total{job="forewarm"}[5m])))"#,
    },
    Recording {
        record: "job_chain_cache_level:hits:ratio_rate5m",
        what: "share of the look-ups of a cache level that it answers",
        expr: r#"(sum by (job, chain, cache_level) (rate(arbitrage_cache_hits_total{job="forewarm"}[5m])) or 0 * job_chain_cache_level:lookups:rate5m) / (job_chain_cache_level:lookups:rate5m > 0)"#,
    },
    Recording {
        record: "job_chain:l1_hit_ratio:avg1h",
        what: "L1 hit ratio, averaged over an hour",
        expr: r#"max by (job, chain) (avg_over_time(job_chain_cache_level:hits:ratio_rate5m{cache_level="L1"}[1h]))"#,
    },
    Recording {
        record: "job_chain_day:l1_hit_ratio:same_hour",
        what: "the hour around the same time of day, 1 to 7 days ago (label `day`)",
        expr: r#"label_replace(job_chain:l1_hit_ratio:avg1h offset 1410m, "day", "1", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 2850m, "day", "2", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 4290m, "day", "3", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 5730m, "day", "4", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 7170m, "day", "5", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 8610m, "day", "6", "", "") or label_replace(job_chain:l1_hit_ratio:avg1h offset 10050m, "day", "7", "", "")"#,
    },
    Recording {
        record: "job_chain:l1_hit_ratio:seasonal_floor",
        what: "lower edge of the seasonal band: mean of the same hour less some deviations, from three days of history on",
        expr: r#"avg by (job, chain) (job_chain_day:l1_hit_ratio:same_hour) - @band_deviations.info * clamp_min(stddev by (job, chain) (job_chain_day:l1_hit_ratio:same_hour), 0.01) and count by (job, chain) (job_chain_day:l1_hit_ratio:same_hour) >= 3"#,
    },
];
