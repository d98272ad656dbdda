//! `GET /v1/explain/{chain}/{pair}`: why a pair is or isn't warmed.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::App;
use super::problem::Problem;
use super::shape::PairOf;
use crate::explain::{Account, account, resolve};

/// The figures, and a paragraph under `words`. An unknown pair is an answer too.
pub(super) async fn get(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Account>, Problem> {
    let Path((chain, pair)) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    let named = PairOf {
        chain: chain.clone(),
        pair: pair.clone(),
    };
    let name = named.name()?;
    // Looks through the whole model: not on a thread that serves others.
    let looked = tokio::task::spawn_blocking(move || {
        let key = resolve(&app, &chain, &pair, &name);
        account(&app, &key)
    });
    looked
        .await
        .map(Json)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
