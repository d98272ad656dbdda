//! Live control: invalidate, warm, mode, strategy.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use forewarm_domain::{ChainId, ChainMode, Chains, Mode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::App;
use super::body;
use super::problem::Problem;
use super::shape::Keys;

/// `{keys: [{chain, pair}]}` → `{invalidated}`.
pub(super) async fn invalidate(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let keys: Keys = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    let keys = keys.resolve(&app)?;
    for (_, key) in &keys {
        app.engine.invalidate(key);
    }
    let answer = json!({ "invalidated": keys.len() });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reorganised {
    chain: String,
    block: u64,
}

/// `{chain, block}` → `{invalidated, whole_chain}`: the chain was reorganised from that block on.
pub(super) async fn invalidate_from(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let from: Reorganised = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    if from.chain.is_empty() {
        return Err(Problem::bad_request("the chain has no name"));
    }
    let reorg = app.invalidate_from(&from.chain, from.block);
    let answer = json!({ "invalidated": reorg.keys, "whole_chain": reorg.whole_chain });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// `{keys: [{chain, pair}]}` → `{queued, dropped}`: warms what follows these pairs.
pub(super) async fn warm(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let keys: Keys = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    let keys = keys.resolve(&app)?;
    let queued = keys.iter().filter(|(_, key)| app.request_warm(key)).count();
    let answer = json!({ "queued": queued, "dropped": keys.len() - queued });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The modes in force.
pub(super) async fn mode(State(app): State<App>) -> Json<Value> {
    let rollout = app.engine.rollout();
    let shown =
        |setting: ChainMode| json!({ "mode": setting.mode.name(), "percent": setting.percent });
    let chains: Map<String, Value> = rollout
        .chains
        .iter()
        .map(|(chain, setting)| (app.codec.chain_name(*chain), shown(*setting)))
        .collect();
    let default = rollout.default;
    Json(json!({
        "mode": default.mode.name(),
        "percent": default.percent,
        "chains": chains,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMode {
    mode: String,
    chain: Option<String>,
    percent: Option<u8>,
}

/// Switches: one chain, or with no chain everything.
pub(super) async fn set_mode(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let new: NewMode = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    let mode: Mode = new
        .mode
        .parse()
        .map_err(|error: forewarm_domain::mode::UnknownMode| {
            Problem::bad_request(error.to_string())
        })?;
    let percent = new.percent.unwrap_or(100);
    if percent > 100 {
        let detail = format!("percent is {percent}, allowed is 0 to 100");
        return Err(Problem::bad_request(detail));
    }
    let chain = new.chain.as_deref().map(|name| known_chain(&app, name));
    let chain = chain.transpose()?;
    app.engine.set_mode(chain, ChainMode { mode, percent });
    tracing::info!(%mode, percent, chain = new.chain, "the mode was changed");
    Ok(self::mode(State(app)).await)
}

/// The chain of that name, which gets a place of its own if it has none. Names without one share the chain
/// `other`: whoever names them means another, so its mode is not theirs to change.
fn known_chain(app: &App, name: &str) -> Result<ChainId, Problem> {
    let id = app.codec.chain_id(name);
    if name.is_empty() || (id == ChainId::OTHER && !name.eq_ignore_ascii_case("other")) {
        let detail = format!(
            "the chain {name:?} cannot be told apart: its name must have 1 to {} bytes, and there is room for {} chains",
            Chains::MAX_NAME_BYTES,
            Chains::LIMIT
        );
        return Err(Problem::bad_request(detail));
    }
    Ok(id)
}

/// The strategy in force with its parameters, learned state included.
pub(super) async fn strategy(State(app): State<App>) -> Json<Value> {
    let status = app.engine.status(app.clock.now());
    let parameters: Map<String, Value> = status
        .parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    Json(json!({ "strategy": status.strategy, "parameters": parameters }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStrategy {
    strategy: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Switches the strategy; parameters left out have their configured values.
pub(super) async fn set_strategy(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let new: NewStrategy = body::json(&headers, body, app.config.http.max_body_bytes).await?;
    app.switch_strategy(&new.strategy, new.parameters)
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    tracing::info!(strategy = new.strategy, "the strategy was changed");
    Ok(strategy(State(app)).await)
}
