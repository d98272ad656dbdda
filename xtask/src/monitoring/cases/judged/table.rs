//! The figures, one row an alert.

use super::super::inputs;
use super::Judged;

const DEFAULT: Judged = Judged {
    alert: "",
    input: inputs::tracking,
    healthy: 0.0,
    near: 0.0,
    fault: 0.0,
    awful: 0.0,
    shown: "",
    floor: 1.0,
    window: 5,
    crossing: 5,
    pending: 10,
    keeps: false,
    never: None,
    label: None,
};

pub(super) const JUDGED: [Judged; 10] = [
    Judged {
        alert: "CorrelationTrackingSlow",
        input: inputs::tracking,
        healthy: 20.0,
        near: 95.0,
        fault: 102.0,
        awful: 235.0,
        shown: "102",
        pending: 5,
        keeps: true,
        ..DEFAULT
    },
    Judged {
        alert: "CorrelationTrackingDegraded",
        input: inputs::tracking,
        healthy: 20.0,
        near: 70.0,
        fault: 76.0,
        awful: 97.0,
        shown: "76",
        ..DEFAULT
    },
    Judged {
        alert: "WarmingOperationsSlow",
        input: inputs::warming,
        healthy: 4.0,
        near: 19.0,
        fault: 20.4,
        awful: 47.0,
        shown: "20.4",
        floor: 0.1,
        pending: 5,
        keeps: true,
        ..DEFAULT
    },
    Judged {
        alert: "WarmingOperationsDegraded",
        input: inputs::warming,
        healthy: 4.0,
        near: 14.0,
        fault: 15.2,
        awful: 19.5,
        shown: "15.2",
        floor: 0.1,
        ..DEFAULT
    },
    Judged {
        alert: "WarmingErrorRateHigh",
        input: inputs::operations,
        healthy: 0.0,
        near: 0.045,
        fault: 0.055,
        awful: 0.2,
        shown: "5.5%",
        floor: 0.1,
        pending: 5,
        keeps: true,
        ..DEFAULT
    },
    Judged {
        alert: "WarmingErrorRateElevated",
        input: inputs::operations,
        healthy: 0.0,
        near: 0.009,
        fault: 0.011,
        awful: 0.04,
        shown: "1.1%",
        floor: 0.1,
        ..DEFAULT
    },
    Judged {
        alert: "CacheHitRateDropped",
        input: inputs::lookups,
        healthy: 0.97,
        near: 0.87,
        fault: 0.83,
        awful: 0.5,
        shown: "83%",
        keeps: true,
        never: Some("arbitrage_cache_hits_total"),
        label: Some(("cache_level", "L1")),
        ..DEFAULT
    },
    Judged {
        alert: "CacheHitRateSuboptimal",
        input: inputs::lookups,
        healthy: 0.97,
        near: 0.92,
        fault: 0.89,
        awful: 0.6,
        shown: "89%",
        pending: 30,
        never: Some("arbitrage_cache_hits_total"),
        label: Some(("cache_level", "L1")),
        ..DEFAULT
    },
    Judged {
        alert: "LowPairsPerWarming",
        input: inputs::pairs,
        never: Some("pairs_warmed_total"),
        healthy: 3.0,
        near: 2.1,
        fault: 1.9,
        awful: 0.1,
        shown: "1.90",
        floor: 0.1,
        window: 15,
        crossing: 14,
        pending: 30,
        ..DEFAULT
    },
    Judged {
        alert: "WarmingWastesMost",
        input: inputs::outcomes,
        never: Some("useful"),
        healthy: 0.4,
        near: 0.28,
        fault: 0.23,
        awful: 0.05,
        shown: "23%",
        window: 15,
        crossing: 14,
        pending: 15,
        ..DEFAULT
    },
];
