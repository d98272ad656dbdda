//! NDJSON: one object a line, with the names of the CSV columns.

use std::borrow::Cow;

use bytes::Bytes;
use forewarm_application::trace::TraceEvent;
use forewarm_domain::{Timestamp, Version};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{LineProblem, excerpt};
use super::fields::{MAX_TS_MS, op};
use super::names::Names;

#[derive(Deserialize)]
struct Object<'a> {
    ts_ms: Option<u64>,
    #[serde(borrow)]
    pair: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chain: Option<Cow<'a, str>>,
    #[serde(borrow)]
    op: Option<Cow<'a, str>>,
    version: Option<u64>,
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
    size: Option<u32>,
    /// What a live stream tells of itself between its events.
    stream: Option<IgnoredAny>,
}

/// Reads one line; `None` for one in which a live stream tells of itself. Fields of other names are
/// passed over.
pub(super) fn event(line: &[u8], names: &mut Names) -> Result<Option<TraceEvent>, LineProblem> {
    let text = || excerpt(line);
    let object: Object<'_> = serde_json::from_slice(line).map_err(|error| {
        let reason = format!("column {}: {}", error.column(), reason(&error));
        LineProblem::Json {
            reason,
            text: text(),
        }
    })?;
    if object.stream.is_some() && object.ts_ms.is_none() {
        return Ok(None);
    }
    let ts_ms = object.ts_ms.ok_or_else(|| LineProblem::NoField {
        column: "ts_ms",
        text: text(),
    })?;
    if ts_ms > MAX_TS_MS {
        let text = ts_ms.to_string();
        return Err(LineProblem::Integer {
            column: "ts_ms",
            max: MAX_TS_MS,
            text,
        });
    }
    let key = match (&object.pair, &object.key) {
        (Some(pair), None) => {
            let chain = object.chain.as_ref().map(|chain| chain.as_bytes());
            names.pair(chain, pair.as_bytes())?
        }
        (None, Some(key)) => names.key(key.as_bytes())?,
        (None, None) => {
            return Err(LineProblem::NoField {
                column: "pair",
                text: text(),
            });
        }
        (Some(_), Some(_)) => return Err(LineProblem::BothNames { text: text() }),
    };
    Ok(Some(TraceEvent {
        key,
        op: op(object.op.as_deref().unwrap_or_default().as_bytes())?,
        at: Timestamp::from_millis(ts_ms),
        version: object.version.map(Version),
        value: object
            .value
            .map(|value| Bytes::copy_from_slice(value.as_bytes())),
        size: object.size,
    }))
}

/// The parser's words without its own "at line 1 column N".
fn reason(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.rfind(" at line ") {
        Some(at) => words[..at].to_owned(),
        None => words,
    }
}
