//! What belongs into the weekly look at trends.

use super::{Alert, Group, Severity};

pub(super) const GROUP: Group = Group {
    name: "forewarm-info",
    alerts: &[
        Alert {
            name: "CacheHitRateSuboptimal",
            expr: "job_chain_cache_level:hits:ratio_rate5m{cache_level=\"L1\"} < @l1_hit_ratio.info and on (job, chain, cache_level) job_chain_cache_level:lookups:rate5m > @floor_events.info",
            pending: "30m",
            severity: Severity::Info,
            component: "warming",
            layer: "hot-path",
            family: "hit-ratio",
            summary: "The L1 hit ratio could be better on {{ .Labels.chain }}",
            description: "L1 answers {{ .Value | humanizePercentage }} of the look-ups on {{ .Labels.chain }}, less than @l1_hit_ratio.info; the target is @l1_hit_ratio.target.",
            panel: "Cache Hit Rate (L1 vs L2)",
        },
        Alert {
            name: "WarmingThroughputLow",
            expr: r#"(sum by (job) (rate(arbitrage_warming_operations_total{job="forewarm"}[5m])) or 0 * job:warming_requests:rate5m) < @warming_per_second.info and on (job) job:warming_requests:rate5m >= @warming_per_second.info"#,
            pending: "15m",
            severity: Severity::Info,
            component: "warming",
            layer: "background",
            family: "warming-throughput",
            summary: "Warming does not keep up with what is asked for",
            description: "{{ .Value | printf \"%.1f\" }} warming operations a second are served while at least @warming_per_second.info are asked for; the target is @warming_per_second.target.",
            panel: "Warming throughput",
        },
        Alert {
            name: "TrackingThroughputLow",
            expr: r#"(sum by (job) (rate(arbitrage_correlation_updates_tracked_total{job="forewarm"}[5m])) or 0 * job:updates_received:rate5m) < @tracking_per_second.info and on (job) job:updates_received:rate5m >= @tracking_per_second.info"#,
            pending: "15m",
            severity: Severity::Info,
            component: "warming",
            layer: "hot-path",
            family: "tracking-throughput",
            summary: "Tracking does not keep up with what arrives",
            description: "{{ .Value | printf \"%.0f\" }} updates a second are tracked while at least @tracking_per_second.info arrive; the target is @tracking_per_second.target.",
            panel: "Tracking throughput",
        },
        Alert {
            name: "LowPairsPerWarming",
            expr: r#"(sum by (job, chain) (rate(arbitrage_warming_pairs_warmed_total{job="forewarm"}[15m])) or 0 * job_chain:warming_successes:rate15m) / job_chain:warming_successes:rate15m < @pairs_per_warming.info and on (job, chain) job_chain:warming_successes:rate15m > @floor_warming.info"#,
            pending: "30m",
            severity: Severity::Info,
            component: "warming",
            layer: "background",
            family: "pairs-per-warming",
            summary: "A warm brings few pairs on {{ .Labels.chain }}",
            description: "A successful warming operation on {{ .Labels.chain }} brings {{ .Value | printf \"%.2f\" }} pairs into L1, less than @pairs_per_warming.info.",
            panel: "Pairs Warmed per Operation",
        },
    ],
};
