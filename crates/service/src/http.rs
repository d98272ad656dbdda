//! The HTTP interface: routes, limits, problem details.
//!
//! Every error is an RFC 9457 problem; every limit says its value when it is reached.

mod body;
mod control;
mod events;
mod explain;
pub(crate) mod guard;
mod health;
mod model;
mod openapi;
mod overview;
mod pairs;
mod problem;
mod server;
mod shadow;
mod shape;
mod status;
mod status_page;
mod updates;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::core::Core;
use problem::Problem;
pub use server::{Server, serve};

/// What the handlers share.
pub(crate) type App = Arc<Core>;

/// Every route, with limits and authorisation around it.
pub fn router(core: Arc<Core>) -> Router {
    let guard = Arc::new(guard::Guard::new(&core.config.http));
    let guarded = Router::new()
        .route("/v1/updates", post(updates::post))
        .route("/v1/pairs/{chain}/{pair}", get(pairs::get).put(pairs::put))
        .route("/v1/lookup", post(pairs::lookup))
        .route("/v1/correlations/{chain}/{pair}", get(pairs::correlations))
        .route("/v1/events", get(events::get))
        .route("/v1/explain/{chain}/{pair}", get(explain::get))
        .route("/v1/invalidate", post(control::invalidate))
        .route("/v1/invalidate-from", post(control::invalidate_from))
        .route("/v1/warm", post(control::warm))
        .route("/v1/mode", get(control::mode).put(control::set_mode))
        .route(
            "/v1/strategy",
            get(control::strategy).put(control::set_strategy),
        )
        .route("/v1/shadow", get(shadow::get))
        .route("/v1/history", get(overview::history))
        .route("/v1/associations", get(overview::associations))
        .route("/v1/model", get(model::get).put(model::put))
        .layer(from_fn_with_state(guard, guard::check));
    Router::new()
        .route("/", get(status_page::get))
        .route("/openapi.json", get(openapi::get))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/startupz", get(health::startupz))
        .route("/health/warming", get(health::warming))
        .merge(guarded)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn(guard::catch_panics))
        .with_state(core)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {}; docs/http.md lists the routes",
            uri.path()
        ),
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not allowed on {}", uri.path()),
    )
}
