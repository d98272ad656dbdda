//! What the user did not ask for: worth, capacity, dependencies.

use super::super::panel::{Colours, Kind, PANEL, Panel, Query};
use crate::monitoring::thresholds::Level;

pub(super) const PAYS: &[Panel] = &[
    Panel {
        title: "Outcomes",
        description: "How warmed entries ended. Good: mostly useful; late means that a read was already waiting, harmful that the entry pushed out one that was read.",
        kind: Kind::Stack,
        unit: "ops",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (outcome) (rate(arbitrage_warming_outcomes_total{@c}[$__rate_interval]))",
            legend: "{{outcome}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Precision",
        description: "Share of the warmed entries that were read in time, by chain. Good: above @precision.target.",
        unit: "percentunit",
        size: (8, 8),
        queries: &[Query {
            expr: r#"sum by (chain) (rate(arbitrage_warming_outcomes_total{@c, outcome="useful"}[$__rate_interval])) / (sum by (chain) (rate(arbitrage_warming_outcomes_total{@c}[$__rate_interval])) > 0)"#,
            legend: "{{chain}}",
        }],
        colours: Colours::Levels("precision"),
        range: (Some(0.0), Some(1.0)),
        runbook: Some("WarmingWastesMost"),
        ..PANEL
    },
    Panel {
        title: "Misses removed, on against shadow",
        description: "Share of the misses of L1 that warming removed (on), and that the best strategy in shadow would have removed (shadow). Good: on near what shadow promised before the switch.",
        unit: "percentunit",
        size: (8, 8),
        queries: &[
            Query {
                expr: r#"sum(rate(arbitrage_warming_outcomes_total{@c, outcome="useful"}[$__rate_interval])) / (sum(rate(arbitrage_warming_outcomes_total{@c, outcome="useful"}[$__rate_interval])) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval])) > 0)"#,
                legend: "on",
            },
            Query {
                expr: r#"max(sum by (strategy) (rate(arbitrage_warming_shadow_hits_total{@c}[$__rate_interval]))) / (sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval])) > 0)"#,
                legend: "shadow",
            },
        ],
        range: (Some(0.0), Some(1.0)),
        runbook: Some("HitRateFallsDespiteWarming"),
        ..PANEL
    },
    Panel {
        title: "Extra L2 load against budget",
        description: "Reads of L2 that warming added net of the misses that it removed, against the reads without warming; and the used share of the budget of each process. Good: the budget below 100 %.",
        unit: "percentunit",
        size: (8, 8),
        queries: &[
            Query {
                expr: r#"(sum(rate(arbitrage_warming_pairs_warmed_total{@c}[$__rate_interval])) - sum(rate(arbitrage_warming_outcomes_total{@c, outcome="useful"}[$__rate_interval]))) / (sum(rate(arbitrage_warming_outcomes_total{@c, outcome="useful"}[$__rate_interval])) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval])) > 0)"#,
                legend: "extra reads",
            },
            Query {
                expr: "max by (instance) (arbitrage_warming_budget_used_ratio{@s})",
                legend: "budget used: {{instance}}",
            },
        ],
        ..PANEL
    },
    Panel {
        title: "Mode by chain",
        description: "Whether warming is off, in shadow or on. Good: what you set.",
        kind: Kind::States(&["off", "shadow", "on"]),
        size: (8, 8),
        queries: &[Query {
            expr: "max by (chain) (arbitrage_warming_mode{@c})",
            legend: "{{chain}}",
        }],
        ..PANEL
    },
    Panel {
        title: "Hit ratio and its usual range",
        description: "The hit ratio of L1 averaged over an hour, by chain, and the lower edge of what the same hour of the last days makes likely (from three days of history on). Good: above its edge.",
        unit: "percentunit",
        size: (16, 8),
        queries: &[
            Query {
                expr: r#"job_chain:l1_hit_ratio:avg1h{job="forewarm", chain=~"$chain"}"#,
                legend: "{{chain}}",
            },
            Query {
                expr: r#"job_chain:l1_hit_ratio:seasonal_floor{job="forewarm", chain=~"$chain"}"#,
                legend: "edge of {{chain}}",
            },
        ],
        range: (None, Some(1.0)),
        runbook: Some("CacheHitRateUnseasonal"),
        ..PANEL
    },
    Panel {
        title: "Firing alerts",
        description: "Forewarm's alerts that fire or are about to. Good: none.",
        kind: Kind::Alerts,
        size: (8, 8),
        ..PANEL
    },
];

pub(super) const CAPACITY: &[Panel] = &[
    Panel {
        title: "Tracking throughput",
        description: "Updates tracked a second, chosen chains together. Good: @tracking_per_second.target (red is below @tracking_per_second.info), or all that arrives where that is less.",
        kind: Kind::Stat,
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum(rate(arbitrage_correlation_updates_tracked_total{@c}[$__rate_interval]))",
            legend: "tracked",
        }],
        colours: Colours::Traffic("tracking_per_second", Level::Target, Level::Info),
        runbook: Some("TrackingThroughputLow"),
        ..PANEL
    },
    Panel {
        title: "Warming throughput",
        description: "Warming operations a second, chosen chains together. Good: @warming_per_second.target (red is below @warming_per_second.info), or all that is asked for where that is less.",
        kind: Kind::Stat,
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum(rate(arbitrage_warming_operations_total{@c}[$__rate_interval]))",
            legend: "operations",
        }],
        colours: Colours::Traffic("warming_per_second", Level::Target, Level::Info),
        runbook: Some("WarmingThroughputLow"),
        ..PANEL
    },
    Panel {
        title: "Resident memory against limit",
        description: "Resident memory of each process, and what it may use (the control group's limit or the machine's memory). Good: below @memory_used_ratio.warning of the limit.",
        unit: "bytes",
        size: (6, 8),
        queries: &[
            Query {
                expr: "process_resident_memory_bytes{@s}",
                legend: "{{instance}}",
            },
            Query {
                expr: "arbitrage_process_memory_limit_bytes{@s}",
                legend: "limit of {{instance}}",
            },
        ],
        range: (Some(0.0), None),
        runbook: Some("HighMemoryUsage"),
        ..PANEL
    },
    Panel {
        title: "Memory growth per hour",
        description: "Slope of the resident memory over the last hour. Good: near 0 from two hours after the start on; the line is @memory_growth_bytes_per_hour.warning.",
        unit: "bytes",
        size: (6, 8),
        queries: &[Query {
            expr: "deriv(process_resident_memory_bytes{@s}[1h]) * 3600",
            legend: "{{instance}}",
        }],
        colours: Colours::Levels("memory_growth_bytes_per_hour"),
        runbook: Some("MemoryGrowthHigh"),
        ..PANEL
    },
    Panel {
        title: "L1 size against capacity",
        description: "What L1 holds, what it will hold in four hours at the growth of the last hour, and its capacity. Good: full and steady, or growing with room to spare.",
        unit: "bytes",
        size: (8, 8),
        queries: &[
            Query {
                expr: r#"arbitrage_cache_size_bytes{@s, cache_level="L1"}"#,
                legend: "{{instance}}",
            },
            Query {
                expr: r#"predict_linear(arbitrage_cache_size_bytes{@s, cache_level="L1"}[1h], 14400)"#,
                legend: "{{instance}} in 4 h",
            },
            Query {
                expr: r#"arbitrage_cache_capacity_bytes{@s, cache_level="L1"}"#,
                legend: "capacity of {{instance}}",
            },
        ],
        runbook: Some("CacheCapacityWarning"),
        ..PANEL
    },
    Panel {
        title: "Error ratio by chain",
        description: "Share of the attempted operations that ended in an error or a timeout. Good: below @warming_error_ratio.target; grey is the same time yesterday.",
        unit: "percentunit",
        size: (8, 8),
        queries: &[Query {
            expr: r#"sum by (chain) (rate(arbitrage_warming_operations_total{@c, status=~"error|timeout"}[$__rate_interval]%o)) / (sum by (chain) (rate(arbitrage_warming_operations_total{@c, status=~"success|error|timeout"}[$__rate_interval]%o)) > 0)"#,
            legend: "{{chain}}",
        }],
        colours: Colours::Levels("warming_error_ratio"),
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("WarmingErrorRateElevated"),
        ..PANEL
    },
    Panel {
        title: "L2 errors by operation",
        description: "Calls to L2 a second that failed or timed out. Good: none; grey is the same time yesterday.",
        unit: "ops",
        size: (8, 8),
        queries: &[Query {
            expr: r#"sum by (operation) (rate(arbitrage_cache_errors_total{@s, cache_level="L2"}[$__rate_interval]%o))"#,
            legend: "{{operation}}",
        }],
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("L2Unavailable"),
        ..PANEL
    },
];

pub(super) const DEPENDENCIES: &[Panel] = &[
    Panel {
        title: "Instances up",
        description: "Processes that Prometheus can scrape. Good: as many as you run.",
        kind: Kind::Stat,
        size: (4, 8),
        queries: &[Query {
            expr: "sum(up{@s})",
            legend: "up",
        }],
        colours: Colours::UpDown,
        runbook: Some("ForewarmDown"),
        ..PANEL
    },
    Panel {
        title: "Dependencies",
        description: "Whether L2 answers probes, and whether invalidations of L2 reach L1 (where that link is configured). Good: up.",
        kind: Kind::States(&["down", "up"]),
        size: (7, 8),
        queries: &[
            Query {
                expr: "min by (instance) (arbitrage_l2_up{@s})",
                legend: "L2 of {{instance}}",
            },
            Query {
                expr: "min by (instance) (arbitrage_invalidation_link_up{@s})",
                legend: "invalidations of {{instance}}",
            },
        ],
        colours: Colours::UpDown,
        runbook: Some("L2Unavailable"),
        ..PANEL
    },
    Panel {
        title: "Circuit breaker",
        description: "The breaker before L2. Good: closed; open means that warming and reads of L2 fail at once until a probe succeeds.",
        kind: Kind::States(&["closed", "half open", "open"]),
        size: (6, 8),
        queries: &[Query {
            expr: "max by (instance) (arbitrage_l2_breaker_state{@s})",
            legend: "{{instance}}",
        }],
        runbook: Some("L2Unavailable"),
        ..PANEL
    },
    Panel {
        title: "Feed lag",
        description: "How far the slowest feed of each process is behind its source. Good: below a second; the line is @feed_lag_seconds.warning.",
        unit: "s",
        size: (7, 8),
        queries: &[Query {
            expr: "max by (instance) (arbitrage_feed_lag_seconds{@s})",
            legend: "{{instance}}",
        }],
        colours: Colours::Levels("feed_lag_seconds"),
        range: (Some(0.0), None),
        runbook: Some("FeedLagging"),
        ..PANEL
    },
    Panel {
        title: "How L1 hears of changes in L2",
        description: "The way in force: client tracking, keyspace notifications, or none (values live until their time to live ends). Good: tracking, or what you set.",
        kind: Kind::States(&["ttl", "keyspace", "tracking"]),
        size: (12, 7),
        queries: &[Query {
            expr: "min by (instance) (arbitrage_invalidation_mode{@s})",
            legend: "{{instance}}",
        }],
        runbook: Some("InvalidationLinkDown"),
        ..PANEL
    },
    Panel {
        title: "Changes that L2 tells of",
        description: "Changes of keys a second that L2 told of, whether L1 held them or not. Good: what your writers do; much more than L1 evicts by invalidation calls for keys.prefixes.",
        unit: "ops",
        size: (12, 7),
        queries: &[
            Query {
                expr: "sum by (instance) (rate(arbitrage_invalidations_total{@s}[$__rate_interval]))",
                legend: "told: {{instance}}",
            },
            Query {
                expr: r#"sum by (instance) (rate(arbitrage_cache_evictions_total{@s, cache_level="L1", reason="invalidation"}[$__rate_interval]))"#,
                legend: "held by L1: {{instance}}",
            },
        ],
        range: (Some(0.0), None),
        runbook: Some("InvalidationLinkDown"),
        ..PANEL
    },
    Panel {
        title: "Drift of the associations",
        description: "Share of the strongest associations that were others an hour ago, from the second hour of a process on. Good: steady, whatever its height; the line is @association_drift.info.",
        unit: "percentunit",
        size: (24, 7),
        queries: &[Query {
            expr: "max by (instance) (arbitrage_correlation_drift_ratio{@s})",
            legend: "{{instance}}",
        }],
        colours: Colours::Levels("association_drift"),
        range: (Some(0.0), Some(1.0)),
        runbook: Some("AssociationsDrift"),
        ..PANEL
    },
];
