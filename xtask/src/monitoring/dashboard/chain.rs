//! `warming-chain`: one chain in depth.

use super::panel::{Colours, Kind, PANEL, Panel, Query};
use super::{Design, Row};

pub(super) const DESIGN: Design = Design {
    uid: "warming-chain",
    title: "Warming: one chain",
    description: "One chain in depth: its look-ups, what is learned of it, what is warmed and dropped, by strategy.",
    tags: &["warming", "cache", "performance"],
    from: "now-1h",
    refresh: "10s",
    one_chain: true,
    rows: &[
        Row {
            title: "Look-ups",
            panels: LOOKUPS,
        },
        Row {
            title: "Learning",
            panels: LEARNING,
        },
        Row {
            title: "Warming",
            panels: WARMING,
        },
    ],
};

const LOOKUPS: &[Panel] = &[
    Panel {
        title: "Hit ratio by level",
        description: "Share of the demand look-ups that each level answers. Good: L1 above @l1_hit_ratio.target; grey is yesterday.",
        unit: "percentunit",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (cache_level) (rate(arbitrage_cache_hits_total{@c}[$__rate_interval]%o)) / (sum by (cache_level) (rate(arbitrage_cache_hits_total{@c}[$__rate_interval]%o)) + sum by (cache_level) (rate(arbitrage_cache_misses_total{@c}[$__rate_interval]%o)) > 0)",
            legend: "{{cache_level}}",
        }],
        colours: Colours::Levels("l1_hit_ratio"),
        range: (Some(0.0), Some(1.0)),
        yesterday: 1,
        runbook: Some("CacheHitRateDropped"),
        ..PANEL
    },
    Panel {
        title: "Look-up time by level, P95",
        description: "Time of a demand look-up as its caller sees it, by the level that answered (one in 64 is timed). Good: L1 in a few µs, L2 in a round trip.",
        unit: "µs",
        size: (8, 8),
        queries: &[Query {
            expr: "histogram_quantile(0.95, sum by (le, cache_level) (rate(arbitrage_lookup_duration_us_bucket{@c}[$__rate_interval]%o)))",
            legend: "{{cache_level}}",
        }],
        range: (Some(0.0), None),
        yesterday: 1,
        ..PANEL
    },
    Panel {
        title: "Look-ups",
        description: "Demand look-ups a second by level and result. Good: mostly L1 hits.",
        kind: Kind::Stack,
        unit: "ops",
        size: (8, 8),
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

const LEARNING: &[Panel] = &[
    Panel {
        title: "Updates received and tracked",
        description: "Events a second that arrived, and that were learned from. Good: the two lines are one; between them lies what was dropped or refused.",
        unit: "ops",
        size: (8, 8),
        queries: &[
            Query {
                expr: "sum(rate(arbitrage_correlation_updates_received_total{@c}[$__rate_interval]))",
                legend: "received",
            },
            Query {
                expr: "sum(rate(arbitrage_correlation_updates_tracked_total{@c}[$__rate_interval]))",
                legend: "tracked",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Tracking time",
        description: "Time to track one update. Good: P95 below @tracking_p95_us.target.",
        unit: "µs",
        size: (8, 8),
        queries: &[
            Query {
                expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval]%o)))",
                legend: "P95",
            },
            Query {
                expr: "histogram_quantile(0.50, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket{@c}[$__rate_interval]%o)))",
                legend: "P50",
            },
        ],
        colours: Colours::Levels("tracking_p95_us"),
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("CorrelationTrackingSlow"),
        ..PANEL
    },
    Panel {
        title: "Pairs tracked",
        description: "Pairs of this chain that each process holds. Good: steady, or growing with the market.",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (instance) (arbitrage_correlation_pairs_tracked{@c})",
            legend: "{{instance}}",
        }],
        range: (Some(0.0), None),
        runbook: Some("TooManyPairsTracked"),
        ..PANEL
    },
];

const WARMING: &[Panel] = &[
    Panel {
        title: "Mode",
        description: "Whether warming of this chain is off, in shadow or on. Good: what you set.",
        kind: Kind::States(&["off", "shadow", "on"]),
        size: (8, 8),
        queries: &[Query {
            expr: "max by (instance) (arbitrage_warming_mode{@c})",
            legend: "{{instance}}",
        }],
        ..PANEL
    },
    Panel {
        title: "Operations by status",
        description: "Warming operations a second. Good: success, and skipped where L1 already holds what would be fetched.",
        kind: Kind::Stack,
        unit: "ops",
        size: (8, 8),
        queries: &[Query {
            expr: "sum by (status) (rate(arbitrage_warming_operations_total{@c}[$__rate_interval]))",
            legend: "{{status}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Operation duration",
        description: "Duration of a warming operation. Good: P95 below @warming_p95_ms.target.",
        unit: "ms",
        size: (8, 8),
        queries: &[Query {
            expr: "histogram_quantile(0.95, sum by (le) (rate(arbitrage_warming_duration_ms_bucket{@c}[$__rate_interval]%o)))",
            legend: "P95",
        }],
        colours: Colours::Levels("warming_p95_ms"),
        range: (Some(0.0), None),
        yesterday: 1,
        runbook: Some("WarmingOperationsSlow"),
        ..PANEL
    },
    Panel {
        title: "Pairs selected by strategy",
        description: "Pairs a second that each strategy chose. Good: no more than are read.",
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum by (strategy) (rate(arbitrage_warming_pairs_selected_total{@c}[$__rate_interval]))",
            legend: "{{strategy}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
    Panel {
        title: "Outcomes",
        description: "How warmed entries ended. Good: mostly useful.",
        kind: Kind::Stack,
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum by (outcome) (rate(arbitrage_warming_outcomes_total{@c}[$__rate_interval]))",
            legend: "{{outcome}}",
        }],
        range: (Some(0.0), None),
        runbook: Some("WarmingWastesMost"),
        ..PANEL
    },
    Panel {
        title: "Dropped by reason",
        description: "Warms a second that were not carried out. Good: few; queue_full and deadline mean that warming does not keep up, over_budget that the budget holds.",
        kind: Kind::Stack,
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum by (reason) (rate(arbitrage_warming_dropped_total{@c}[$__rate_interval]))",
            legend: "{{reason}}",
        }],
        range: (Some(0.0), None),
        runbook: Some("WarmingThroughputLow"),
        ..PANEL
    },
    Panel {
        title: "Hits that shadow promises",
        description: "Misses a second that a strategy in shadow would have turned into hits. Good: many, before you switch warming on.",
        unit: "ops",
        size: (6, 8),
        queries: &[Query {
            expr: "sum by (strategy) (rate(arbitrage_warming_shadow_hits_total{@c}[$__rate_interval]))",
            legend: "{{strategy}}",
        }],
        range: (Some(0.0), None),
        ..PANEL
    },
];
