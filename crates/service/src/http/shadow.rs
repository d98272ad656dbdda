//! `GET /v1/shadow`: all strategies side by side on the live stream.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use forewarm_application::replay::RunReport;

use super::App;
use crate::figures::Figures;

/// One contender: replay's figures, and the share of what was wanted that came in time.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    figures: Figures,
    timeliness: f64,
}

impl From<&RunReport> for Row {
    fn from(run: &RunReport) -> Self {
        Self {
            figures: run.into(),
            timeliness: run.outcomes.timeliness(),
        }
    }
}

/// Since when, on what, how everybody does, and who is recommended and why.
pub(super) async fn get(State(app): State<App>) -> Json<Value> {
    let account = app.shadow.account(&app);
    let now = app.clock.now();
    let report = account.report.as_ref();
    let recommended = report.map(|report| report.recommended);
    let why = match report {
        Some(report) => report.why(),
        None => account.idle.clone().unwrap_or_default(),
    };
    let counts = account.counts;
    let runs: Vec<Row> = report.map_or_else(Vec::new, |report| {
        report.runs.iter().map(Row::from).collect()
    });
    let trace = report.map(|report| {
        json!({
            "events": report.trace.events,
            "reads": report.trace.reads,
            "updates": report.trace.updates,
            "distinct_keys": report.trace.distinct_keys,
            "span_ms": report.trace.span_ms,
        })
    });
    Json(json!({
        "running": account.running,
        "idle": account.idle,
        "since_ms": account.since.map(|since| since.as_micros() / 1_000),
        "for_seconds": account.since.map(|since| now.since(since).as_secs_f64()),
        "begun_anew": { "times": account.begun_anew, "because": account.because },
        "events": {
            "seen": counts.seen,
            "left_out": counts.left_out,
            "dropped": counts.dropped,
            "sampled_one_in": account.one_in,
        },
        "keys": {
            "followed": account.keys,
            "most": account.max_keys,
            "forgotten": account.forgotten,
        },
        "l1_entries": report.map(|report| report.l1_entries),
        "l1_entries_from": account.size_from.name(),
        "l2_latency_ms": account.latency.as_secs_f64() * 1e3,
        "max_pairs_per_warm": account.max_pairs_per_warm,
        "trace": trace,
        "runs": runs,
        "recommended": recommended,
        "why": why,
    }))
}
