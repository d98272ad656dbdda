//! `GET|PUT /v1/model`: the learned model as a file.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::App;
use super::body;
use super::problem::Problem;

/// The snapshot.
pub(super) async fn get(State(app): State<App>) -> impl IntoResponse {
    let bytes = app.engine.save_model(app.clock.now());
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes)
}

/// Adds a snapshot to what is known.
pub(super) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let limit = app.config.http.max_model_bytes;
    let bytes = body::read(&headers, body, limit, "http.max_model_bytes").await?;
    let pairs = app
        .engine
        .load_model(&bytes, app.clock.now())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(Json(json!({ "pairs": pairs })))
}
