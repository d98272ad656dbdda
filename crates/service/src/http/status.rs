//! The state of warming as JSON.

use std::sync::atomic::Ordering;

use forewarm_application::metrics::{BreakerState, Level, Times};
use serde_json::{Value, json};

use super::App;
use crate::history::misses_without;

/// Mode, strategy, tracker, warmer, attempts, outcomes, governor, breaker, L1.
pub(super) fn report(app: &App) -> Value {
    let status = app.engine.status(app.clock.now());
    let (received, tracked) = status.events;
    let (hits, misses) = status.demand;
    let misses_without = misses_without(&status);
    let l2_error = app.vitals.l2_down.lock().clone();
    let ratio = |part: u64, whole: u64| {
        if whole == 0 {
            0.0
        } else {
            part as f64 / whole as f64
        }
    };
    let attempts = status
        .attempts
        .map(|(end, count)| (end.name().to_owned(), count.into()));
    let attempts: serde_json::Map<String, Value> = attempts.into_iter().collect();
    json!({
        "mode": app.engine.rollout().default.mode.name(),
        "strategy": status.strategy,
        "tracker": {
            "pairs": status.pairs,
            "updates": tracked,
            "received": received,
            "refused": app.vitals.refused.load(Ordering::Relaxed),
            "dropped": app.vitals.dropped.load(Ordering::Relaxed),
            "model_age_seconds": status.model_age.as_secs_f64(),
            "memory_bytes": status.model_bytes,
        },
        "warmer": {
            "operations": status.operations.total(),
            "pairs_warmed": status.pairs_warmed,
            // Before the first operation nothing has failed.
            "success_rate": status.operations.success_rate().unwrap_or(1.0),
            "queue_depth": status.queue_depth,
        },
        "attempts": attempts,
        "outcomes": {
            "useful": status.outcomes.useful,
            "late": status.outcomes.late,
            "wasted": status.outcomes.wasted,
            "harmful": status.outcomes.harmful,
            "still_live": status.still_live,
            "precision": status.outcomes.precision(),
        },
        "demand": {
            "hits": hits,
            "misses": misses,
            "l1_hit_ratio": ratio(hits, hits + misses),
            "without_warming": {
                "misses": misses_without,
                "l1_hit_ratio": ratio((hits + misses).saturating_sub(misses_without), hits + misses),
            },
        },
        "latency": {
            "lookup_l1": times(&app.metrics.lookup_times(Level::L1)),
            "lookup_l2": times(&app.metrics.lookup_times(Level::L2)),
            "warming": times(&app.metrics.warming_times()),
            "tracking": times(&app.metrics.tracking_times()),
        },
        "governor": {
            "budget_used_ratio": status.budget_used_ratio,
            "budget_left": status.budget_left,
            "turned_down": status.turned_down.map(|reason| reason.to_string()),
        },
        "breaker": breaker(status.breaker),
        "invalidation": { "mode": app.link.mode(), "link": app.link.report(app) },
        "l1": {
            "entries": status.l1.entries,
            "bytes": status.l1.weight,
            "capacity_bytes": status.l1.capacity,
        },
        "l2": {
            "backend": app.shared.backend(),
            "up": l2_error.is_none(),
            "error": l2_error,
        },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": app.clock.running().as_secs_f64(),
    })
}

/// Since the start: quantiles, and the cumulative counts by bucket, from whose differences those of
/// the last minute follow.
fn times(times: &Times) -> Value {
    let micros = |q| times.quantile(q).map(|time| time.as_secs_f64() * 1e6);
    let bounds: Vec<f64> = times.bounds.iter().map(|&ns| ns as f64 / 1e3).collect();
    json!({
        "count": times.count(),
        "p50_us": micros(0.5),
        "p95_us": micros(0.95),
        "p99_us": micros(0.99),
        "le_us": bounds,
        "counts": times.counts,
    })
}

fn breaker(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half-open",
        BreakerState::Open => "open",
    }
}
