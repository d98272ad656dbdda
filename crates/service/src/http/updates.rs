//! `POST /v1/updates`: events in, as a JSON array or one object a line.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::App;
use super::body;
use super::problem::Problem;
use super::shape::bounded;
use crate::core::Taken;
use crate::feeds::event;

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
    let items = items(&bytes)?;
    bounded(items.len(), &app)?;
    let (mut accepted, mut rejected, mut dropped) = (0_u64, 0_u64, 0_u64);
    let mut errors = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let taken = event::parse(item, &app.codec).and_then(|event| app.take(event));
        match taken {
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
    app.wake_learner();
    let answer = json!({
        "accepted": accepted,
        "rejected": rejected,
        "dropped": dropped,
        "errors": errors,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The events' own texts: elements of an array, or lines.
fn items(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let trimmed = body.trim_ascii();
    if trimmed.is_empty() {
        return Err(Problem::bad_request(
            "the body is empty, expected a JSON array or one JSON object a line",
        ));
    }
    if trimmed[0] == b'[' {
        let items: Vec<&RawValue> = serde_json::from_slice(trimmed)
            .map_err(|error| Problem::bad_request(format!("the body is no JSON array: {error}")))?;
        return Ok(items.into_iter().map(|item| item.get().as_bytes()).collect());
    }
    if let Ok(whole) = serde_json::from_slice::<&RawValue>(trimmed) {
        // One object, perhaps over several lines.
        return Ok(vec![whole.get().as_bytes()]);
    }
    let lines = trimmed.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    Ok(lines.filter(|line| !line.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_lines_and_a_single_object_are_told_apart() {
        let check = |body: &str, expected: usize| {
            assert_eq!(items(body.as_bytes()).expect(body).len(), expected, "{body}");
        };
        check("[]", 0);
        check("[{\"a\": 1},\n {\"a\": 2}]", 2);
        check("{\"a\": 1}\n\n{\"a\": 2}\r\n", 2);
        check("{\"a\":\n 1}", 1);
        check("{\"a\": 1}\nnot json", 2);
        assert!(items(b"  ").is_err());
        assert!(items(b"[1, 2").is_err());
    }
}
