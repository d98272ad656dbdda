//! What the status page draws beside the state of warming: the last half hour, and the strongest
//! associations of the whole model.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::problem::Problem;
use super::shape::bad_query;
use crate::history::{STEP, Sample};

/// Associations told unless another number is asked for.
const USUAL: usize = 32;
/// And the most of them.
const MOST: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    since: Option<u64>,
}

/// Totals since the start, one sample every two seconds, of the last half hour or after `?since=`, all in
/// milliseconds since the start: the clock of learning may be somebody else's.
pub(super) async fn history(
    State(app): State<App>,
    query: Result<Query<Since>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(Since { since }) = query.map_err(bad_query)?;
    let samples = app
        .history
        .from(since.map_or(0, |since| since.saturating_add(1)));
    let column = |of: fn(&Sample) -> u64| samples.iter().map(of).collect::<Vec<u64>>();
    Ok(Json(json!({
        "step_ms": STEP.as_millis() as u64,
        "at_ms": column(|sample| sample.at_ms),
        "lookups": column(|sample| sample.lookups),
        "misses": column(|sample| sample.misses),
        "misses_without_warming": column(|sample| sample.misses_without),
        "l2_reads": column(|sample| sample.l2_reads),
        "warmed": column(|sample| sample.warmed),
        "useful": column(|sample| sample.useful),
        "in_vain": column(|sample| sample.in_vain),
        "queue_depth": column(|sample| sample.queue_depth),
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    limit: Option<usize>,
}

/// The associations that foretell the most reads, of all pairs.
pub(super) async fn associations(
    State(app): State<App>,
    query: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(Limit { limit }) = query.map_err(bad_query)?;
    let limit = limit.unwrap_or(USUAL);
    if limit > MOST {
        let detail = format!("limit is {limit}, allowed is 0 to {MOST}");
        return Err(Problem::bad_request(detail));
    }
    let found = app.engine.strongest_associations(limit, app.clock.now());
    let pair = |key| {
        let (chain, pair) = app.codec.pair(key);
        json!({ "chain": chain, "pair": pair })
    };
    let associations: Vec<Value> = found
        .associations
        .iter()
        .map(|one| {
            json!({
                "from": pair(&one.from),
                "to": pair(&one.to.key),
                "source": one.to.source,
                "score": one.to.score,
                "probability": one.to.probability,
                "support": one.to.support,
                "lift": one.to.lift,
                "lag_ms": one.to.lag.as_secs_f64() * 1e3,
            })
        })
        .collect();
    Ok(Json(json!({
        "pairs": found.pairs,
        "sources_compared": found.sources,
        "associations": associations,
    })))
}
