//! Entries as the server sends them, and the events in them.

use bytes::Bytes;
use forewarm_domain::compact;
use fred::error::{Error, ErrorKind};
use fred::types::Value;

use super::StreamFields;
use crate::codec::KeyCodec;
use crate::feeds::FeedEvent;
use crate::feeds::draft::{Draft, shown};

/// One entry: its id and its fields, in order; `None` for one deleted since it was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    fields: Option<Vec<(Bytes, Bytes)>>,
}

impl Entry {
    /// The time in the id.
    pub(super) fn ms(&self) -> Option<u64> {
        self.id.split('-').next()?.parse().ok()
    }

    /// Whether it was deleted after it had been given to somebody: what it said is lost.
    pub(super) fn is_gone(&self) -> bool {
        self.fields.is_none()
    }

    pub(super) fn event(
        &self,
        names: &StreamFields,
        codec: &KeyCodec,
    ) -> Result<FeedEvent, String> {
        let fields = self
            .fields
            .as_ref()
            .ok_or("it was deleted before it was read")?;
        let field = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name.as_bytes());
            // Copied: a slice would keep the whole read buffer alive.
            found.map(|(_, value)| compact(value))
        };
        let text = |name: &str| {
            let Some(raw) = field(name) else {
                return Ok(None);
            };
            let utf8 = String::from_utf8(raw.to_vec());
            utf8.map(Some).map_err(|_| {
                format!(
                    "{name} is not UTF-8: {}",
                    shown(&String::from_utf8_lossy(&raw))
                )
            })
        };
        let number = |name: &str| {
            let Some(text) = text(name)? else {
                return Ok(None);
            };
            let number = text.parse::<u64>().map(Some);
            number.map_err(|_| {
                format!(
                    "{name} is {}, it must be a whole number from 0 up",
                    shown(&text)
                )
            })
        };
        let draft = Draft {
            ts_ms: number(&names.ts_ms)?.or_else(|| self.ms()),
            chain: text(&names.chain)?,
            pair: text(&names.pair)?,
            key: field(&names.key),
            op: text(&names.op)?,
            value: field(&names.value),
            version: number(&names.version)?,
            block: number(&names.block)?,
        };
        draft.check(codec)
    }
}

/// The entries in the answer to XREADGROUP on one stream; nil = none came.
pub(super) fn read_delivered(answer: Value) -> Result<Vec<Entry>, Error> {
    let streams = match answer {
        Value::Null => return Ok(Vec::new()),
        Value::Array(streams) => streams,
        _ => return Err(odd("XREADGROUP")),
    };
    let Some(Value::Array(stream)) = streams.into_iter().next() else {
        return Err(odd("XREADGROUP"));
    };
    let Ok([_, Value::Array(entries)]) = <[Value; 2]>::try_from(stream) else {
        return Err(odd("XREADGROUP"));
    };
    entries.into_iter().map(read_entry).collect()
}

/// What XAUTOCLAIM answers.
#[derive(Debug)]
pub(super) struct Claimed {
    /// Where it wants to go on; `0-0` = done.
    pub(super) next: String,
    pub(super) entries: Vec<Entry>,
    /// Entries that were deleted before anybody acknowledged them.
    pub(super) gone: usize,
}

pub(super) fn read_claimed(answer: Value) -> Result<Claimed, Error> {
    let Value::Array(parts) = answer else {
        return Err(odd("XAUTOCLAIM"));
    };
    let mut parts = parts.into_iter();
    let (Some(next), Some(Value::Array(entries))) = (parts.next(), parts.next()) else {
        return Err(odd("XAUTOCLAIM"));
    };
    let next = next.into_string().ok_or_else(|| odd("XAUTOCLAIM"))?;
    // Redis before 7 answers nil for entries that are deleted, later ones list their ids.
    let listed = parts.next().map_or(0, |ids| ids.into_array().len());
    let all = entries.len();
    let entries = entries.into_iter().filter(|entry| !entry.is_null());
    let entries = entries.map(read_entry).collect::<Result<Vec<_>, _>>()?;
    Ok(Claimed {
        next,
        gone: listed + all - entries.len(),
        entries,
    })
}

fn read_entry(raw: Value) -> Result<Entry, Error> {
    let Value::Array(parts) = raw else {
        return Err(odd("an entry"));
    };
    let Ok([id, fields]) = <[Value; 2]>::try_from(parts) else {
        return Err(odd("an entry"));
    };
    let id = id.into_string().ok_or_else(|| odd("an entry"))?;
    let fields = match fields {
        Value::Array(fields) => {
            let mut fields = fields.into_iter().map(|field| field.into_bytes());
            let mut pairs = Vec::with_capacity(fields.len() / 2);
            while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
                let pair = name.zip(value).ok_or_else(|| odd("an entry"))?;
                pairs.push(pair);
            }
            Some(pairs)
        }
        _ => None,
    };
    Ok(Entry { id, fields })
}

fn odd(what: &'static str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the answer to {what} has an unknown shape"),
    )
}
