//! From the names in a recording to keys, remembering the names seen lately.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use forewarm_domain::{Key, PairName, PairNameError, compact};

use super::error::{LineProblem, excerpt};
use crate::codec::KeyCodec;

/// Names remembered; past it all are forgotten, which costs one allocation a name again.
const MAX_NAMES: usize = 1 << 18;

/// Longer names are not remembered, so that the memory is bounded too (at most 64 MiB of names).
const MAX_NAME_BYTES: usize = 256;

/// Between chain and pair in the memory's keys; no UTF-8 text has it.
const SEPARATOR: u8 = 0xff;

/// The chain of a pair that names none.
const DEFAULT_CHAIN: &str = "default";

/// The keys of names, built once each.
pub(super) struct Names {
    codec: KeyCodec,
    known: HashMap<Box<[u8]>, Key, RandomState>,
    scratch: Vec<u8>,
}

impl Names {
    pub(super) fn new(codec: KeyCodec) -> Self {
        Self {
            codec,
            known: HashMap::default(),
            scratch: Vec::new(),
        }
    }

    /// The key of a pair; an empty or missing chain is `default`.
    pub(super) fn pair(&mut self, chain: Option<&[u8]>, pair: &[u8]) -> Result<Key, LineProblem> {
        let chain = chain
            .filter(|chain| !chain.is_empty())
            .unwrap_or(DEFAULT_CHAIN.as_bytes());
        self.scratch.clear();
        self.scratch.extend_from_slice(chain);
        self.scratch.push(SEPARATOR);
        self.scratch.extend_from_slice(pair);
        if let Some(key) = self.known.get(self.scratch.as_slice()) {
            return Ok(key.clone());
        }
        let (chain, pair) = (utf8("chain", chain)?, utf8("pair", pair)?);
        let name = PairName::new(chain, pair).map_err(|source| {
            let of_chain = match source {
                PairNameError::Empty { part } | PairNameError::TooLong { part, .. } => {
                    part == "chain"
                }
            };
            let (column, text) = if of_chain {
                ("chain", chain)
            } else {
                ("pair", pair)
            };
            LineProblem::Pair {
                column,
                text: excerpt(text.as_bytes()),
                source,
            }
        })?;
        let key = self.codec.key(&name);
        self.remember(&key);
        Ok(key)
    }

    /// The key with exactly these bytes, in the codec's database.
    pub(super) fn key(&mut self, bytes: &[u8]) -> Result<Key, LineProblem> {
        if bytes.is_empty() {
            return Err(LineProblem::EmptyKey);
        }
        if let Some(key) = self.known.get(bytes) {
            return Ok(key.clone());
        }
        let bytes_kept = compact(bytes);
        let key = self.codec.key_from_bytes(bytes_kept, self.codec.database());
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        self.remember(&key);
        Ok(key)
    }

    fn remember(&mut self, key: &Key) {
        if self.scratch.len() > MAX_NAME_BYTES {
            return;
        }
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
        self.known
            .insert(self.scratch.as_slice().into(), key.clone());
    }
}

fn utf8<'a>(column: &'static str, bytes: &'a [u8]) -> Result<&'a str, LineProblem> {
    std::str::from_utf8(bytes).map_err(|_| LineProblem::Utf8 {
        column,
        text: excerpt(bytes),
    })
}
