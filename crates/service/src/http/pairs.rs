//! Reading and writing pairs.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use forewarm_application::ports::Stored;
use forewarm_domain::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::body;
use super::problem::Problem;
use super::shape::{Answer, Encoding, Keys, bad_query, from_path};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadOptions {
    #[serde(default)]
    peek: bool,
}

/// A demand read; with `?peek=true` a look that changes nothing.
pub(super) async fn get(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<ReadOptions>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let name = from_path(path)?;
    let Query(options) = query.map_err(bad_query)?;
    let key = app.codec.key(&name);
    let found = if options.peek {
        app.engine.peek(&key, app.clock.now()).await?
    } else {
        app.get(&key).await?
    };
    match found {
        Some(found) => Ok(Json(Answer::new(&name, &found))),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("neither L1 nor L2 has {name}"),
        )),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewValue {
    value: String,
    #[serde(default)]
    encoding: Encoding,
    version: Option<u64>,
    ttl_ms: Option<u64>,
    block: Option<u64>,
}

/// Writes to L2, then to L1.
pub(super) async fn put(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let name = from_path(path)?;
    let new: NewValue = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    if new.ttl_ms == Some(0) {
        return Err(Problem::bad_request(
            "ttl_ms is 0: a value that has expired is no value",
        ));
    }
    let stored = Stored {
        value: new.encoding.decode(new.value)?,
        version: new.version.map(Version),
        ttl: new.ttl_ms.map(Duration::from_millis),
    };
    let key = app.codec.key(&name);
    match new.block {
        Some(block) => app.put_in(block, &key, stored).await?,
        None => app.put(&key, stored).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Demand reads of many keys with one L2 round trip for all that L1 lacks.
pub(super) async fn lookup(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let keys: Keys = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    let (names, keys): (Vec<_>, Vec<_>) = keys.resolve(&app)?.into_iter().unzip();
    let found = app.get_many(&keys).await?;
    let results: Vec<Option<Answer>> = names
        .iter()
        .zip(&found)
        .map(|(name, found)| found.as_ref().map(|found| Answer::new(name, found)))
        .collect();
    Ok(Json(json!({ "results": results })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListOptions {
    limit: Option<usize>,
}

/// What is read after this pair's events, best first.
pub(super) async fn correlations(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<ListOptions>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let name = from_path(path)?;
    let Query(options) = query.map_err(bad_query)?;
    let limit = options.limit.unwrap_or(app.config.tracking.max_partners);
    let known = app
        .engine
        .correlations(&app.codec.key(&name), limit, app.clock.now());
    let correlations: Vec<Value> = known
        .iter()
        .map(|correlation| {
            let (chain, pair) = app.codec.pair(&correlation.key);
            json!({
                "chain": chain,
                "pair": pair,
                "score": correlation.score,
                "probability": correlation.probability,
                "support": correlation.support,
                "lift": correlation.lift,
                "lag_ms": correlation.lag.as_secs_f64() * 1e3,
                "source": correlation.source,
            })
        })
        .collect();
    Ok(Json(json!({
        "chain": name.chain(),
        "pair": name.address(),
        "correlations": correlations,
    })))
}
