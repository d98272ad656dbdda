//! What will run out. A group and a layer; the severity is warning, so that it is routed.

use super::{Alert, Group, Severity};

pub(super) const GROUP: Group = Group {
    name: "forewarm-capacity",
    alerts: &[
        Alert {
            name: "CacheCapacityWarning",
            expr: r#"predict_linear(arbitrage_cache_size_bytes{job="forewarm", cache_level="L1"}[1h], 14400) / on (job, instance, cache_level) last_over_time(arbitrage_cache_capacity_bytes{job="forewarm", cache_level="L1"}[5m]) > @l1_predicted_ratio.warning and on (job, instance, cache_level) deriv(arbitrage_cache_size_bytes{job="forewarm", cache_level="L1"}[1h]) * 14400 > on (job, instance, cache_level) @l1_growth_ratio.warning * last_over_time(arbitrage_cache_capacity_bytes{job="forewarm", cache_level="L1"}[5m]) and on (job, instance) time() - last_over_time(process_start_time_seconds{job="forewarm"}[5m]) > 7200"#,
            pending: "15m",
            severity: Severity::Warning,
            component: "warming",
            layer: "capacity",
            family: "l1-capacity",
            summary: "L1 of {{ .Labels.instance }} is filling up",
            description: "At its present growth L1 of {{ .Labels.instance }} will hold {{ .Value | humanizePercentage }} of its capacity in four hours, more than @l1_predicted_ratio.warning.",
            panel: "L1 size against capacity",
        },
        Alert {
            name: "HighMemoryUsage",
            expr: r#"last_over_time(process_resident_memory_bytes{job="forewarm"}[5m]) / on (job, instance) (last_over_time(arbitrage_process_memory_limit_bytes{job="forewarm"}[5m]) > 0) > @memory_used_ratio.warning"#,
            pending: "10m",
            severity: Severity::Warning,
            component: "warming",
            layer: "capacity",
            family: "memory-usage",
            summary: "{{ .Labels.instance }} nears its memory limit",
            description: "{{ .Labels.instance }} uses {{ .Value | humanizePercentage }} of the memory that it may use, more than @memory_used_ratio.warning.",
            panel: "Resident memory against limit",
        },
    ],
};
