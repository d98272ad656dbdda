//! What wakes somebody.

use super::{Alert, Group, Severity};

pub(super) const GROUP: Group = Group {
    name: "forewarm-critical",
    alerts: &[
        Alert {
            name: "CorrelationTrackingSlow",
            expr: "job_chain:tracking_duration_us:p95_5m > @tracking_p95_us.critical and on (job, chain) job_chain:updates_tracked:rate5m > @floor_events.info",
            pending: "5m",
            severity: Severity::Critical,
            component: "warming",
            layer: "hot-path",
            family: "tracking-latency",
            summary: "Tracking of updates is slow on {{ .Labels.chain }}",
            description: "The p95 of tracking an update is {{ .Value | printf \"%.0f\" }} µs on {{ .Labels.chain }}, more than @tracking_p95_us.critical; the target is @tracking_p95_us.target.",
            panel: "Correlation Tracking Latency Distribution",
        },
        Alert {
            name: "WarmingOperationsSlow",
            expr: "job_chain:warming_duration_ms:p95_5m > @warming_p95_ms.critical and on (job, chain) job_chain:warming_timed:rate5m > @floor_warming.info",
            pending: "5m",
            severity: Severity::Critical,
            component: "warming",
            layer: "background",
            family: "warming-latency",
            summary: "Warming operations are slow on {{ .Labels.chain }}",
            description: "The p95 of a warming operation is {{ .Value | printf \"%.1f\" }} ms on {{ .Labels.chain }}, more than @warming_p95_ms.critical; the target is @warming_p95_ms.target.",
            panel: "Warming Operation Duration",
        },
        Alert {
            name: "WarmingErrorRateHigh",
            expr: "job_chain:warming_errors:ratio_rate5m > @warming_error_ratio.critical and on (job, chain) job_chain:warming_attempts:rate5m > @floor_warming.info",
            pending: "5m",
            severity: Severity::Critical,
            component: "warming",
            layer: "background",
            family: "warming-errors",
            summary: "Warming operations fail on {{ .Labels.chain }}",
            description: "{{ .Value | humanizePercentage }} of the attempted warming operations fail on {{ .Labels.chain }}, more than @warming_error_ratio.critical; the target is @warming_error_ratio.target.",
            panel: "Warming Error Rate",
        },
        Alert {
            name: "CacheHitRateDropped",
            expr: "job_chain_cache_level:hits:ratio_rate5m{cache_level=\"L1\"} < @l1_hit_ratio.critical and on (job, chain, cache_level) job_chain_cache_level:lookups:rate5m > @floor_events.info",
            pending: "10m",
            severity: Severity::Critical,
            component: "cache",
            layer: "hot-path",
            family: "hit-ratio",
            summary: "The L1 hit ratio dropped on {{ .Labels.chain }}",
            description: "L1 answers {{ .Value | humanizePercentage }} of the look-ups on {{ .Labels.chain }}, less than @l1_hit_ratio.critical; the target is @l1_hit_ratio.target.",
            panel: "Cache Hit Rate (L1 vs L2)",
        },
    ],
};
