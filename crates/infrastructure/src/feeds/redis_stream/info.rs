//! What the server says of a stream and of a group.

use std::fmt;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::StreamsInterface;
use fred::types::Value;

/// An entry's id; ordered as the server orders them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64, u64);

impl Id {
    /// `None` for what is no id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self(ms.parse().ok()?, seq.parse().ok()?))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// What `XINFO STREAM` says, all of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamInfo {
    /// Entries ever added; `None` before Redis 7.
    pub(super) added: Option<u64>,
    /// Entries that are there.
    pub(super) length: u64,
    /// The oldest that is there.
    pub(super) first: Option<Id>,
    /// The newest that ever was.
    pub(super) last: Id,
}

/// A stream that is not there has had nothing added.
pub(super) async fn stream_info(client: &Client, stream: &str) -> Result<StreamInfo, Error> {
    let answer: Result<Value, Error> = client.xinfo_stream(stream, false, None).await;
    match answer {
        Ok(answer) => Ok(read(answer)),
        Err(error) if error.details().contains("no such key") => Ok(StreamInfo {
            added: Some(0),
            ..StreamInfo::default()
        }),
        Err(error) => Err(error),
    }
}

fn read(answer: Value) -> StreamInfo {
    let fields = pairs(answer);
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    let id = |value: Option<Value>| value?.as_str().and_then(|text| Id::parse(&text));
    let first = field("first-entry").and_then(|entry| match entry {
        Value::Array(parts) => parts.into_iter().next(),
        _ => None,
    });
    StreamInfo {
        added: field("entries-added").and_then(|value| value.as_u64()),
        length: field("length")
            .and_then(|value| value.as_u64())
            .unwrap_or(0),
        first: id(first),
        last: id(field("last-generated-id")).unwrap_or_default(),
    }
}

/// What `XINFO GROUPS` says of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GroupInfo {
    /// Entries that the group has not been given; `None` when unknown and before Redis 7.
    pub(super) lag: Option<u64>,
    /// The newest that it has been given.
    pub(super) delivered: Id,
}

/// The group in the answer to `XINFO GROUPS`.
pub(super) fn group_info(answer: Value, group: &str) -> Option<GroupInfo> {
    let Value::Array(groups) = answer else {
        return None;
    };
    groups.into_iter().find_map(|described| {
        let fields = pairs(described);
        let get = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        if get("name")?.into_string()? != group {
            return None;
        }
        Some(GroupInfo {
            lag: get("lag").and_then(|lag| lag.as_u64()),
            delivered: get("last-delivered-id")
                .and_then(|id| Id::parse(&id.as_str()?))
                .unwrap_or_default(),
        })
    })
}

/// A map, or the list that it is in RESP2.
fn pairs(answer: Value) -> Vec<(String, Value)> {
    match answer {
        Value::Map(map) => map
            .inner()
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string()?, value)))
            .collect(),
        other => {
            let mut list = other.into_array().into_iter();
            let mut pairs = Vec::new();
            while let (Some(name), Some(value)) = (list.next(), list.next()) {
                if let Some(name) = name.into_string() {
                    pairs.push((name, value));
                }
            }
            pairs
        }
    }
}
