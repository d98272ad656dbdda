//! The JSON shapes that several routes share.

use axum::extract::Path;
use axum::extract::rejection::{PathRejection, QueryRejection};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use forewarm_application::engine::{Found, Level};
use forewarm_domain::{Key, PairName};
use serde::{Deserialize, Serialize};

use super::App;
use super::problem::Problem;

/// `{chain, pair}`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairOf {
    #[serde(default = "default_chain")]
    pub(super) chain: String,
    pub(super) pair: String,
}

fn default_chain() -> String {
    "default".to_owned()
}

impl PairOf {
    pub(super) fn name(&self) -> Result<PairName, Problem> {
        PairName::new(&self.chain, &self.pair)
            .map_err(|error| Problem::bad_request(error.to_string()))
    }
}

/// `{keys: [{chain, pair}]}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    keys: Vec<PairOf>,
}

impl Keys {
    /// The pairs with their keys, in order; too many are refused.
    pub(super) fn resolve(&self, app: &App) -> Result<Vec<(PairName, Key)>, Problem> {
        let most = app.config.http.max_batch;
        if self.keys.len() > most {
            return Err(too_many(self.keys.len(), most));
        }
        let resolve = |(index, pair): (usize, &PairOf)| {
            let name = PairName::new(&pair.chain, &pair.pair)
                .map_err(|error| Problem::bad_request(format!("keys[{index}]: {error}")))?;
            let key = app.codec.key(&name);
            Ok((name, key))
        };
        self.keys.iter().enumerate().map(resolve).collect()
    }
}

/// What a request with more items than it may have is told.
pub(super) fn too_many(items: usize, most: usize) -> Problem {
    let detail = format!("{items} items, at most {most} in one request (http.max_batch)");
    Problem::too_large(detail)
}

/// The two path parts, percent-decoded, as a pair.
pub(super) fn from_path(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<PairName, Problem> {
    let Path((chain, pair)) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    PairOf { chain, pair }.name()
}

pub(super) fn bad_query(error: QueryRejection) -> Problem {
    Problem::bad_request(error.body_text())
}

/// How a value's bytes are written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    #[default]
    Utf8,
    Base64,
}

impl Encoding {
    pub(super) fn decode(self, text: String) -> Result<Bytes, Problem> {
        match self {
            Self::Utf8 => Ok(text.into()),
            Self::Base64 => BASE64_STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|error| Problem::bad_request(format!("the value is no base64: {error}"))),
        }
    }

    fn encode(value: &Bytes) -> (Self, String) {
        match std::str::from_utf8(value) {
            Ok(text) => (Self::Utf8, text.to_owned()),
            Err(_) => (Self::Base64, BASE64_STANDARD.encode(value)),
        }
    }
}

/// The answer to a read.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    chain: String,
    pair: String,
    level: Option<&'static str>,
    value: Option<String>,
    encoding: Option<Encoding>,
    version: Option<u64>,
    age_ms: Option<u64>,
    ttl_ms: Option<u64>,
}

impl Answer {
    pub(super) fn new(name: &PairName, found: &Found) -> Self {
        let (encoding, value) = Encoding::encode(&found.value);
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            chain: name.chain().to_owned(),
            pair: name.address().to_owned(),
            level: Some(match found.level {
                Level::L1 => "L1",
                Level::L2 => "L2",
            }),
            value: Some(value),
            encoding: Some(encoding),
            version: found.version.map(|version| version.0),
            age_ms: found.age.map(millis),
            ttl_ms: found.ttl.map(millis),
        }
    }
}
