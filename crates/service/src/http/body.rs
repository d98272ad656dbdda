//! Request bodies: bounded, JSON or NDJSON.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::config::Size;

/// The whole body, at most `limit` (the setting `name`).
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: Size,
    name: &str,
) -> Result<Bytes, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {limit} ({name})"));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit.0) {
        return Err(too_large());
    }
    match Limited::new(body, limit.as_usize()).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Problem::bad_request(format!("the body broke off: {error}"))),
    }
}

/// Refuses a content type that is no JSON. None given is taken for JSON.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = given.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim();
    let subtype = media.split_once('/').map_or("", |(_, subtype)| subtype);
    let known = ["json", "x-ndjson", "ndjson", "jsonl", "x-jsonlines"];
    let is_json = known.iter().any(|name| subtype.eq_ignore_ascii_case(name));
    if is_json || subtype.to_ascii_lowercase().ends_with("+json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("{text:?} is not taken; send application/json or application/x-ndjson"),
    ))
}

/// A JSON body of one value.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit: Size,
) -> Result<T, Problem> {
    require_json(headers)?;
    let bytes = read(headers, body, limit, "http.max_body_bytes").await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not what is expected: {error}")))
}
