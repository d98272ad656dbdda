//! The user's panels, with the user's titles.

use super::super::panel::{Colours, Kind, PANEL, Panel, Query};
use crate::monitoring::thresholds::Level;

pub(super) const OVERVIEW: &[Panel] = &[
    Panel {
        title: "L1 Cache Hit Rate",
        description: "Share of the demand look-ups that L1 answers, all chosen chains together. Good: above @l1_hit_ratio.target.",
        kind: Kind::Gauge,
        unit: "percentunit",
        size: (6, 7),
        queries: &[Query {
            expr: r#"sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[$__rate_interval])) / (sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[$__rate_interval])) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval])) > 0)"#,
            legend: "L1",
        }],
        colours: Colours::Traffic("l1_hit_ratio", Level::Target, Level::Critical),
        range: (Some(0.0), Some(1.0)),
        detail: Some("Cache Hit Rate (L1 vs L2)"),
        runbook: Some("CacheHitRateDropped"),
        ..PANEL
    },
    Panel {
        title: "Correlation Tracking P95 Latency",
        description: "Time to track one update, 95th percentile (one update in 64 is timed). Good: below @tracking_p95_us.target.",
        kind: Kind::Gauge,
        unit: "µs",
        size: (6, 7),
        queries: &[Query {
            expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval])))",
            legend: "P95",
        }],
        colours: Colours::Traffic("tracking_p95_us", Level::Warning, Level::Critical),
        range: (Some(0.0), Some(150.0)),
        detail: Some("Correlation Tracking Latency Distribution"),
        runbook: Some("CorrelationTrackingSlow"),
        ..PANEL
    },
    Panel {
        title: "Warming Operations P95 Latency",
        description: "Duration of a warming operation, 95th percentile. Good: below @warming_p95_ms.target.",
        kind: Kind::Gauge,
        unit: "ms",
        size: (6, 7),
        queries: &[Query {
            expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{@c}[$__rate_interval])))",
            legend: "P95",
        }],
        colours: Colours::Traffic("warming_p95_ms", Level::Warning, Level::Critical),
        range: (Some(0.0), Some(30.0)),
        detail: Some("Warming Operation Duration"),
        runbook: Some("WarmingOperationsSlow"),
        ..PANEL
    },
    Panel {
        title: "Warming Operations Rate",
        description: "Warming operations a second by status. Good: mostly success; skipped is normal in shadow and while L1 already holds what would be fetched.",
        unit: "ops",
        size: (6, 7),
        queries: &[Query {
            expr: "sum by (status) (rate(arbitrage_warming_operations_total{@c}[$__rate_interval]))",
            legend: "{{status}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
];

pub(super) const CACHE: &[Panel] = &[
    Panel {
        title: "Cache Hit Rate (L1 vs L2)",
        description: "Share of the demand look-ups that each level answers; L2 is asked only for what L1 lacks. Good: L1 above @l1_hit_ratio.target; grey is the same time yesterday.",
        unit: "percentunit",
        queries: &[
            Query {
                expr: r#"sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[$__rate_interval]%o)) / (sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[$__rate_interval]%o)) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval]%o)) > 0)"#,
                legend: "L1 Cache",
            },
            Query {
                expr: r#"sum(rate(arbitrage_cache_hits_total{@c, cache_level="L2"}[$__rate_interval]%o)) / (sum(rate(arbitrage_cache_hits_total{@c, cache_level="L2"}[$__rate_interval]%o)) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L2"}[$__rate_interval]%o)) > 0)"#,
                legend: "L2 Cache",
            },
        ],
        colours: Colours::Levels("l1_hit_ratio"),
        range: (Some(0.0), Some(1.0)),
        yesterday: 2,
        runbook: Some("CacheHitRateDropped"),
        ..PANEL
    },
    Panel {
        title: "Cache Operations (Hits vs Misses)",
        description: "Demand look-ups a second by level and result; a miss of L1 is a look-up of L2. Good: mostly L1 hits.",
        kind: Kind::Stack,
        unit: "ops",
        queries: &[
            Query {
                expr: "sum by (cache_level) (rate(arbitrage_cache_hits_total{@c}[$__rate_interval]))",
                legend: "{{cache_level}} hits",
            },
            Query {
                expr: "sum by (cache_level) (rate(arbitrage_cache_misses_total{@c}[$__rate_interval]))",
                legend: "{{cache_level}} misses",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
];

pub(super) const WARMING: &[Panel] = &[
    Panel {
        title: "Correlation Tracking Latency Distribution",
        description: "Time to track one update. Good: P95 below @tracking_p95_us.target; lines at the target, the warning and the critical level.",
        unit: "µs",
        queries: &[
            Query {
                expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval]%o)))",
                legend: "P95",
            },
            Query {
                expr: "histogram_quantile(0.50, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval]%o)))",
                legend: "P50",
            },
            Query {
                expr: "histogram_quantile(0.99, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval]%o)))",
                legend: "P99",
            },
        ],
        colours: Colours::Levels("tracking_p95_us"),
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("CorrelationTrackingSlow"),
        ..PANEL
    },
    Panel {
        title: "Warming Operation Duration",
        description: "Duration of a warming operation. Good: P95 below @warming_p95_ms.target; lines at the target, the warning and the critical level.",
        unit: "ms",
        queries: &[
            Query {
                expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{@c}[$__rate_interval]%o)))",
                legend: "P95",
            },
            Query {
                expr: "histogram_quantile(0.50, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{@c}[$__rate_interval]%o)))",
                legend: "P50",
            },
            Query {
                expr: "histogram_quantile(0.99, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{@c}[$__rate_interval]%o)))",
                legend: "P99",
            },
        ],
        colours: Colours::Levels("warming_p95_ms"),
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("WarmingOperationsSlow"),
        ..PANEL
    },
    Panel {
        title: "Pairs Warmed per Operation",
        description: "Pairs that a successful operation brings into L1, by chain. Good: @pairs_per_warming.info or more; what L1 already holds is not fetched and not counted.",
        queries: &[Query {
            expr: r#"sum by (chain) (rate(arbitrage_warming_pairs_warmed_total{@c}[$__rate_interval])) / (sum by (chain) (rate(arbitrage_warming_operations_total{@c, status="success"}[$__rate_interval])) > 0)"#,
            legend: "{{chain}}",
        }],
        colours: Colours::Levels("pairs_per_warming"),
        range: (Some(0.0), None),
        runbook: Some("LowPairsPerWarming"),
        ..PANEL
    },
    Panel {
        title: "Correlation Pairs Tracked",
        description: "Pairs that the models hold, by chain, and those of the fullest process. Good: no process above @pairs_tracked.warning.",
        queries: &[
            Query {
                expr: "sum by (chain) (arbitrage_correlation_pairs_tracked{@c})",
                legend: "{{chain}}",
            },
            Query {
                expr: "max(sum by (instance) (arbitrage_correlation_pairs_tracked{@c}))",
                legend: "fullest process",
            },
        ],
        colours: Colours::Levels("pairs_tracked"),
        range: (Some(0.0), None),
        runbook: Some("TooManyPairsTracked"),
        ..PANEL
    },
];

pub(super) const ERRORS: &[Panel] = &[
    Panel {
        title: "Warming Error Rate",
        description: "Share of the attempted operations that ended in an error or a timeout; skipped ones attempt nothing. Good: below @warming_error_ratio.target.",
        kind: Kind::Gauge,
        unit: "percentunit",
        size: (8, 8),
        queries: &[Query {
            expr: r#"sum(rate(arbitrage_warming_operations_total{@c, status=~"error|timeout"}[$__rate_interval])) / (sum(rate(arbitrage_warming_operations_total{@c, status=~"success|error|timeout"}[$__rate_interval])) > 0)"#,
            legend: "errors",
        }],
        colours: Colours::Traffic("warming_error_ratio", Level::Warning, Level::Critical),
        range: (Some(0.0), Some(0.1)),
        detail: Some("Warming Operations (Success vs Errors)"),
        runbook: Some("WarmingErrorRateHigh"),
        ..PANEL
    },
    Panel {
        title: "Warming Operations (Success vs Errors)",
        description: "Attempted operations a second by chain: those that succeeded, and those that ended in an error or a timeout. Good: no errors; grey is yesterday's errors.",
        kind: Kind::Stack,
        unit: "ops",
        size: (16, 8),
        queries: &[
            Query {
                expr: r#"sum by (chain) (rate(arbitrage_warming_operations_total{@c, status=~"error|timeout"}[$__rate_interval]%o))"#,
                legend: "{{chain}} errors",
            },
            Query {
                expr: r#"sum by (chain) (rate(arbitrage_warming_operations_total{@c, status="success"}[$__rate_interval]%o))"#,
                legend: "{{chain}} success",
            },
        ],
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("WarmingErrorRateHigh"),
        ..PANEL
    },
];
