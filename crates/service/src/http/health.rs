//! Probes, metrics and the state of warming.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forewarm_domain::{ChainId, Key};
use forewarm_infrastructure::telemetry::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::App;
use super::problem::Problem;

/// A key that nobody writes: looking for it exercises L1 and L2.
const PROBE: &[u8] = b"forewarm:readyz";

/// Prometheus text.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    match app.telemetry.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, error.to_string()).into_response()
        }
    }
}

/// The process answers.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The model is loaded and the listeners are up.
pub(super) async fn startupz(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let restoring = app.vitals.restoring.load(Ordering::Acquire);
    if app.vitals.started.load(Ordering::Acquire) && !restoring {
        return Ok(Json(json!({ "status": "started" })));
    }
    let detail = "the model is being loaded";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
}

/// Reads would be served, warmed for or not: a large model may still be on its way. L2 down is degraded but ready: L1 goes on serving, and a restart or
/// another instance would not help. A dead loop or a service that is stopping is not ready.
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let unready = |detail: String| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    if app.vitals.draining.load(Ordering::Acquire) {
        return unready("the service is stopping".to_owned());
    }
    if !app.vitals.started.load(Ordering::Acquire) {
        return unready("the service is starting".to_owned());
    }
    let silent = app.vitals.silent(app.clock.running());
    if !silent.is_empty() {
        return unready(format!(
            "no sign of life from the {}",
            silent.join(" and the ")
        ));
    }
    let key = Key::new(Bytes::from_static(PROBE), 0, ChainId::DEFAULT);
    let limit = app.config.l2.demand_timeout.0;
    let looked = timeout(limit, app.engine.peek(&key, app.clock.now())).await;
    let error = match looked {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {limit:?}")),
    };
    let blind = app.link.blinds(&app);
    Ok(Json(json!({
        "status": if error.is_none() && !blind { "ready" } else { "degraded" },
        "l1": if blind { "waiting" } else { "up" },
        "l2": {
            "backend": app.shared.backend(),
            "up": error.is_none(),
            "error": error,
        },
        "invalidation": app.link.mode(),
        "invalidation_link": app.link.report(&app),
    })))
}

/// Mode, strategy, tracker, warmer, governor, breaker.
pub(super) async fn warming(State(app): State<App>) -> Json<Value> {
    Json(super::status::report(&app))
}
