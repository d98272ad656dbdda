//! `warming-capacity`: what a month of growth leads to.

use super::panel::{Colours, PANEL, Panel, Query};
use super::{Design, Row};

pub(super) const DESIGN: Design = Design {
    uid: "warming-capacity",
    title: "Warming: capacity",
    description: "Growth of the last week, drawn on for 30 days.",
    tags: &["warming", "cache", "performance"],
    from: "now-30d",
    refresh: "1m",
    one_chain: false,
    rows: &[
        Row {
            title: "In 30 days",
            panels: PROJECTION,
        },
        Row {
            title: "What grows",
            panels: CAUSES,
        },
    ],
};

const PROJECTION: &[Panel] = &[
    Panel {
        title: "Memory",
        description: "Resident memory, its limit, and where the last week's growth leads in 30 days. Good: below @memory_used_ratio.warning of the limit.",
        unit: "bytes",
        queries: &[
            Query {
                expr: "process_resident_memory_bytes{@s}",
                legend: "{{instance}}",
            },
            Query {
                expr: "predict_linear(process_resident_memory_bytes{@s}[7d], 2592000)",
                legend: "{{instance}} in 30 days",
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
        title: "L1",
        description: "What L1 holds, its capacity, and where the last week's growth leads in 30 days. Good: full and steady; a larger L1 pays only while the hit ratio grows with it.",
        unit: "bytes",
        queries: &[
            Query {
                expr: r#"arbitrage_cache_size_bytes{@s, cache_level="L1"}"#,
                legend: "{{instance}}",
            },
            Query {
                expr: r#"predict_linear(arbitrage_cache_size_bytes{@s, cache_level="L1"}[7d], 2592000)"#,
                legend: "{{instance}} in 30 days",
            },
            Query {
                expr: r#"arbitrage_cache_capacity_bytes{@s, cache_level="L1"}"#,
                legend: "capacity of {{instance}}",
            },
        ],
        range: (Some(0.0), None),
        runbook: Some("CacheCapacityWarning"),
        ..PANEL
    },
    Panel {
        title: "Pairs",
        description: "Pairs that each process tracks, and where the last week's growth leads in 30 days. Good: below @pairs_tracked.warning.",
        queries: &[
            Query {
                expr: "sum by (instance) (arbitrage_correlation_pairs_tracked{@c})",
                legend: "{{instance}}",
            },
            Query {
                expr: "sum by (instance) (predict_linear(arbitrage_correlation_pairs_tracked{@c}[7d], 2592000))",
                legend: "{{instance}} in 30 days",
            },
        ],
        colours: Colours::Levels("pairs_tracked"),
        range: (Some(0.0), None),
        runbook: Some("TooManyPairsTracked"),
        ..PANEL
    },
    Panel {
        title: "Load",
        description: "Look-ups and updates a second, averaged over a day. Good: what your market does.",
        unit: "ops",
        queries: &[
            Query {
                expr: r#"sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[1d])) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[1d]))"#,
                legend: "look-ups",
            },
            Query {
                expr: "sum(rate(arbitrage_correlation_updates_received_total{@c}[1d]))",
                legend: "updates and reads to learn from",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
];

const CAUSES: &[Panel] = &[
    Panel {
        title: "Model memory for a pair",
        description: "Memory of the whole model divided by its pairs: choose all chains. Good: below @bytes_per_pair.target.",
        unit: "bytes",
        size: (8, 8),
        queries: &[Query {
            expr: "max by (instance) (arbitrage_correlation_memory_bytes{@s}) / on (instance) (sum by (instance) (arbitrage_correlation_pairs_tracked{@c}) > 0)",
            legend: "{{instance}}",
        }],
        colours: Colours::Levels("bytes_per_pair"),
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Entries",
        description: "Entries that each level holds, where that is known. Good: steady.",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (instance, cache_level) (arbitrage_cache_entries{@s})",
            legend: "{{instance}} {{cache_level}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Evictions by reason",
        description: "Entries a second that left a level. Good: ttl and invalidation; size means that L1 is too small for what is hot, or that warming fills it.",
        unit: "ops",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (cache_level, reason) (rate(arbitrage_cache_evictions_total{@s}[$__rate_interval]))",
            legend: "{{cache_level}} {{reason}}",
        }],
        range: (Some(0.0), None),
        runbook: Some("CacheHitRateDropped"),
        ..PANEL
    },
    Panel {
        title: "CPU",
        description: "Processors that each process uses. Good: below what it may use.",
        size: (8, 8),
        queries: &[Query {
            expr: "rate(process_cpu_seconds_total{@s}[$__rate_interval])",
            legend: "{{instance}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Open files",
        description: "Open file descriptors, and how many there may be. Good: far below.",
        size: (8, 8),
        queries: &[
            Query {
                expr: "process_open_fds{@s}",
                legend: "{{instance}}",
            },
            Query {
                expr: "process_max_fds{@s}",
                legend: "limit of {{instance}}",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Queue, and age of the model",
        description: "Requests that wait to be warmed, and seconds since the model last learned. Good: both near 0 under traffic.",
        size: (8, 8),
        queries: &[
            Query {
                expr: "max by (instance) (arbitrage_warming_queue_depth{@s})",
                legend: "requests waiting: {{instance}}",
            },
            Query {
                expr: "max by (instance) (arbitrage_correlation_model_age_seconds{@s})",
                legend: "seconds since learning: {{instance}}",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
];
