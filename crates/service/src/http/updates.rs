//! `POST /v1/updates`: events in, as a JSON array or one object a line.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use forewarm_infrastructure::feeds::{FeedEvent, parse_updates};
use serde_json::{Value, json};

use super::App;
use super::body;
use super::problem::Problem;
use super::shape::too_many;
use crate::core::Taken;

/// Errors listed in one answer; all are counted.
const MAX_ERRORS: usize = 100;

pub(super) async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    body::require_json(&headers)?;
    let limit = app.config.http.max_body_bytes;
    let bytes = body::read(&headers, body, limit, "http.max_body_bytes").await?;
    if bytes.trim_ascii().is_empty() {
        let detail = "the body is empty; expected a JSON array or one JSON object a line";
        return Err(Problem::bad_request(detail));
    }
    let most = app.config.http.max_batch;
    let events = match parse_updates(&bytes, &app.codec, most) {
        Ok(events) => events,
        Err(found) => return Err(too_many(found, most)),
    };
    refuse_garbage(&events)?;
    let (mut accepted, mut rejected, mut dropped) = (0_u64, 0_u64, 0_u64);
    let mut errors = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        match event.and_then(|event| app.take(event)) {
            Ok(Taken::Accepted) => accepted += 1,
            Ok(Taken::Dropped) => dropped += 1,
            Err(message) => {
                rejected += 1;
                if errors.len() < MAX_ERRORS {
                    errors.push(json!({ "index": index, "message": message }));
                }
            }
        }
    }
    let answer = json!({
        "accepted": accepted,
        "rejected": rejected,
        "dropped": dropped,
        "errors": errors,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// A body in which nothing is JSON is a mistake of the request, not of its events.
fn refuse_garbage(events: &[Result<FeedEvent, String>]) -> Result<(), Problem> {
    let garbage = |event: &Result<FeedEvent, String>| {
        event
            .as_ref()
            .is_err_and(|message| message.starts_with("not "))
    };
    match events {
        [Err(message)] if message.starts_with("not ") => Err(Problem::bad_request(format!(
            "the body is {message}; expected a JSON array or one JSON object a line"
        ))),
        several if several.len() > 1 && several.iter().all(garbage) => Err(Problem::bad_request(
            "no line of the body is JSON; expected a JSON array or one JSON object a line",
        )),
        _ => Ok(()),
    }
}
