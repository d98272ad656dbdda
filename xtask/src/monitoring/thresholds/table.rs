//! The table itself. A site overrides levels with `cargo xtask gen --thresholds FILE`.

use super::Good::{High, Low};
use super::Shown::{Bytes, Count, Micros, Millis, PerSecond, Percent, Seconds};
use super::Threshold;

const NONE: Threshold = Threshold {
    id: "",
    what: "",
    shown: Count,
    good: Low,
    target: None,
    info: None,
    warning: None,
    critical: None,
    why: "",
    measured: "not measured yet",
};

/// The table.
pub(crate) const TABLE: &[Threshold] = &[
    Threshold {
        id: "tracking_p95_us",
        what: "95th percentile of the time to track one update",
        shown: Micros,
        target: Some(50.0),
        warning: Some(75.0),
        critical: Some(100.0),
        why: "1.5 × and 2 × the target. An update that is taken in slowly holds up its feed.",
        measured: "1.0 µs (9,200 events/s over HTTP, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "warming_p95_ms",
        what: "95th percentile of the duration of a warming operation",
        shown: Millis,
        target: Some(10.0),
        warning: Some(15.0),
        critical: Some(20.0),
        why: "1.5 × and 2 × the target. A warm that takes longer than the gap between update and read is late, whatever it fetches.",
        measured: "4.8–18.8 ms by chain (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "warming_error_ratio",
        what: "share of the attempted warming operations that ended in an error or a timeout",
        shown: Percent,
        target: Some(0.001),
        warning: Some(0.01),
        critical: Some(0.05),
        why: "10 × and 50 × the target. Skipped operations attempt nothing and are not counted: a warm cache or a chain in shadow skips nearly all, and would hide that the few attempts fail.",
        measured: "0 % (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "l1_hit_ratio",
        what: "share of the demand look-ups that L1 answers",
        shown: Percent,
        good: High,
        target: Some(0.92),
        info: Some(0.90),
        critical: Some(0.85),
        why: "At 85 % L2 gets nearly twice the misses that it gets at 92 %.",
        measured: "57–74 % by chain, with an L1 of a tenth of the keys (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25): what is reached depends on the traffic and on the size of L1",
        ..NONE
    },
    Threshold {
        id: "tracking_per_second",
        what: "updates tracked a second, all chains",
        shown: PerSecond,
        good: High,
        target: Some(20_000.0),
        info: Some(15_000.0),
        why: "Three quarters of the target, and only where at least that many arrive: a quiet market is no fault.",
        measured: "not to the limit: 9,200/s arrived and were tracked (development build over HTTP, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "warming_per_second",
        what: "warming operations a second, all chains",
        shown: PerSecond,
        good: High,
        target: Some(100.0),
        info: Some(50.0),
        why: "Half the target, and only where at least that many are asked for.",
        measured: "not to the limit: 1,980/s were asked for and served (`forewarm demo --for 75s`, development build, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "pairs_per_warming",
        what: "pairs warmed by a successful operation",
        good: High,
        info: Some(2.0),
        why: "Below two, a warm is the prefetch of one key: there is little that is read together.",
        measured: "2.8 (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "pairs_tracked",
        what: "pairs that the model of one process holds, all chains",
        warning: Some(8_000.0),
        why: "At the 15 KB a pair of the target this is 120 MB of model.",
        measured: "1,975 (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "bytes_per_pair",
        what: "memory of the model for a pair",
        shown: Bytes,
        target: Some(15_000.0),
        why: "The target of the design; on the capacity dashboard, without an alert.",
        measured: "2.7 KB, 1,975 pairs (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "memory_growth_bytes_per_hour",
        what: "growth of the resident memory in an hour",
        shown: Bytes,
        warning: Some(100e6),
        why: "Every structure is bounded: a process older than two hours that still grows so has a leak, or a limit that is set too high.",
        ..NONE
    },
    Threshold {
        id: "memory_used_ratio",
        what: "resident memory against the memory limit",
        shown: Percent,
        warning: Some(0.80),
        why: "The kernel kills at 100 %; a fifth is room for a burst.",
        ..NONE
    },
    Threshold {
        id: "l1_predicted_ratio",
        what: "size of L1 predicted in four hours, against its capacity",
        shown: Percent,
        warning: Some(0.80),
        why: "Four hours are time to act in; only while L1 grows, because a cache that is full and steady is at work.",
        ..NONE
    },
    Threshold {
        id: "l1_growth_ratio",
        what: "growth of L1 in four hours that counts as growing, against its capacity",
        shown: Percent,
        warning: Some(0.01),
        why: "The slope of a full cache is the sign of a jitter of a few entries; a hundredth of the capacity is more than that.",
        ..NONE
    },
    Threshold {
        id: "precision",
        what: "share of the warmed entries that were read in time",
        shown: Percent,
        good: High,
        target: Some(0.50),
        warning: Some(0.25),
        why: "Below a quarter three of four warmed entries serve nobody. The budget bounds what that costs; the alert says that the model does not fit the traffic.",
        measured: "70–79 % by chain (`forewarm demo --for 75s`, development build, busy two-core machine, 2026-11-25)",
        ..NONE
    },
    Threshold {
        id: "feed_lag_seconds",
        what: "how far the slowest feed is behind its source",
        shown: Seconds,
        warning: Some(30.0),
        why: "What arrives after it was read teaches nothing, and invalidates too late.",
        ..NONE
    },
    Threshold {
        id: "association_drift",
        what: "share of the strongest associations that were others an hour ago",
        shown: Percent,
        info: Some(0.5),
        why: "When half of what is known within an hour is news, the market has changed, or the feed tells of something else; the model follows by itself, and whoever set its half-life should know.",
        ..NONE
    },
    Threshold {
        id: "hit_ratio_drop",
        what: "fall of the L1 hit ratio against an hour before",
        shown: Percent,
        warning: Some(0.05),
        why: "Five points: two thirds of the way from the target to the critical level.",
        ..NONE
    },
    Threshold {
        id: "band_deviations",
        what: "standard deviations below the mean of the same hour on the days before",
        good: High,
        info: Some(3.0),
        why: "Three deviations, each of at least a point, are past the ordinary swing of the same hour.",
        ..NONE
    },
    Threshold {
        id: "floor_events",
        what: "events a second from which a figure of tracking or look-ups means something",
        shown: PerSecond,
        good: High,
        info: Some(1.0),
        why: "Below it a percentile or a ratio is made of a handful of events.",
        ..NONE
    },
    Threshold {
        id: "floor_warming",
        what: "operations a second from which a figure of warming means something",
        shown: PerSecond,
        good: High,
        info: Some(0.1),
        why: "30 operations in the five minutes of a rate.",
        ..NONE
    },
];
