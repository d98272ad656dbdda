//! `warming-executive`: few big numbers.

use super::panel::{Colours, Kind, PANEL, Panel, Query};
use super::{Design, Row};
use crate::monitoring::thresholds::Level;

pub(super) const DESIGN: Design = Design {
    uid: "warming-executive",
    title: "Warming: what it is worth",
    description: "Few big numbers over the last week: hit ratio, misses removed, load, value.",
    tags: &["warming", "cache"],
    from: "now-7d",
    refresh: "1m",
    one_chain: false,
    rows: &[
        Row {
            title: "Last 24 hours",
            panels: TODAY,
        },
        Row {
            title: "Over time",
            panels: TREND,
        },
    ],
};

const STAT: Panel = Panel {
    kind: Kind::Stat,
    size: (6, 7),
    ..PANEL
};

const TODAY: &[Panel] = &[
    Panel {
        title: "Hit ratio",
        description: "Share of the look-ups of the last 24 hours that were answered from memory. Good: above @l1_hit_ratio.target.",
        unit: "percentunit",
        queries: &[Query {
            expr: r#"sum(increase(arbitrage_cache_hits_total{@c, cache_level="L1"}[1d])) / (sum(increase(arbitrage_cache_hits_total{@c, cache_level="L1"}[1d])) + sum(increase(arbitrage_cache_misses_total{@c, cache_level="L1"}[1d])) > 0)"#,
            legend: "L1",
        }],
        colours: Colours::Traffic("l1_hit_ratio", Level::Target, Level::Critical),
        runbook: Some("CacheHitRateDropped"),
        ..STAT
    },
    Panel {
        title: "Misses removed",
        description: "Share of the misses of the last 24 hours that warming turned into hits. Good: the more the better; the price is beside it.",
        unit: "percentunit",
        queries: &[Query {
            expr: r#"sum(increase(arbitrage_warming_outcomes_total{@c, outcome="useful"}[1d])) / (sum(increase(arbitrage_warming_outcomes_total{@c, outcome="useful"}[1d])) + sum(increase(arbitrage_cache_misses_total{@c, cache_level="L1"}[1d])) > 0)"#,
            legend: "removed",
        }],
        ..STAT
    },
    Panel {
        title: "Reads that did not wait for L2",
        description: "Look-ups of the last 24 hours that were answered at once because their entry had been warmed: the value of warming. Good: growing with traffic.",
        queries: &[Query {
            expr: r#"sum(increase(arbitrage_warming_outcomes_total{@c, outcome="useful"}[1d]))"#,
            legend: "reads",
        }],
        ..STAT
    },
    Panel {
        title: "Extra load on L2",
        description: "Reads of L2 that warming added net of those that it saved, against what would have been read without it, over the last 24 hours. Good: below the budget (a quarter by default); below 0 it saves load.",
        unit: "percentunit",
        queries: &[Query {
            expr: r#"(sum(increase(arbitrage_warming_pairs_warmed_total{@c}[1d])) - sum(increase(arbitrage_warming_outcomes_total{@c, outcome="useful"}[1d]))) / (sum(increase(arbitrage_warming_outcomes_total{@c, outcome="useful"}[1d])) + sum(increase(arbitrage_cache_misses_total{@c, cache_level="L1"}[1d])) > 0)"#,
            legend: "extra",
        }],
        ..STAT
    },
];

const TREND: &[Panel] = &[
    Panel {
        title: "Hit ratio, and its usual range",
        description: "The hit ratio of L1 averaged over an hour, and the lower edge of what the same hour of the last days makes likely. Good: above that edge.",
        unit: "percentunit",
        size: (12, 9),
        queries: &[
            Query {
                expr: r#"avg(job_chain:l1_hit_ratio:avg1h{job="forewarm", chain=~"$chain"})"#,
                legend: "hit ratio",
            },
            Query {
                expr: r#"avg(job_chain:l1_hit_ratio:seasonal_floor{job="forewarm", chain=~"$chain"})"#,
                legend: "lower edge of the usual",
            },
        ],
        range: (None, Some(1.0)),
        runbook: Some("CacheHitRateUnseasonal"),
        ..PANEL
    },
    Panel {
        title: "Look-ups and updates",
        description: "The load: look-ups and updates a second. Good: what your market does.",
        unit: "ops",
        size: (12, 9),
        queries: &[
            Query {
                expr: r#"sum(rate(arbitrage_cache_hits_total{@c, cache_level="L1"}[$__rate_interval])) + sum(rate(arbitrage_cache_misses_total{@c, cache_level="L1"}[$__rate_interval]))"#,
                legend: "look-ups",
            },
            Query {
                expr: "sum(rate(arbitrage_correlation_updates_received_total{@c}[$__rate_interval]))",
                legend: "updates and reads to learn from",
            },
        ],
        range: (Some(0.0), None),
        ..PANEL
    },
];
