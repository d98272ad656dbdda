//! The fields of an event before they are checked, the same for every feed.

use bytes::Bytes;
use forewarm_domain::{ChainId, Op, PairName, Timestamp, Version};

use super::FeedEvent;
use crate::codec::KeyCodec;

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) ts_ms: Option<u64>,
    pub(super) chain: Option<String>,
    pub(super) pair: Option<String>,
    pub(super) key: Option<Bytes>,
    pub(super) op: Option<String>,
    pub(super) value: Option<Bytes>,
    pub(super) version: Option<u64>,
    pub(super) block: Option<u64>,
}

impl Draft {
    /// The event, or the field that is wrong and its text.
    pub(super) fn check(self, codec: &KeyCodec) -> Result<FeedEvent, String> {
        let key = match (self.key, self.pair) {
            (Some(_), Some(_)) => return Err("both pair and key are given".to_owned()),
            (Some(key), None) if key.is_empty() => return Err("key is empty".to_owned()),
            (Some(key), None) => codec.key_from_bytes(key, codec.database()),
            (None, None) => return Err("pair is missing".to_owned()),
            (None, Some(pair)) => {
                let chain = match self.chain {
                    Some(chain) => chain,
                    None if codec.has_chain() => return Err("chain is missing".to_owned()),
                    None => codec.chain_name(ChainId::DEFAULT),
                };
                let name = PairName::new(&chain, &pair).map_err(|error| error.to_string())?;
                codec.key(&name)
            }
        };
        let op = match self.op.as_deref() {
            None | Some("update") => Op::Update,
            Some("read") => Op::Read,
            Some(other) => {
                return Err(format!("op is {}, it must be update or read", shown(other)));
            }
        };
        let ts_ms = self.ts_ms.ok_or("ts_ms is missing")?;
        Ok(FeedEvent {
            key,
            op,
            at: Timestamp::from_millis(ts_ms),
            version: self.version.map(Version),
            block: self.block,
            value: self.value,
        })
    }
}

/// A stranger's text as it may stand in an error or a log line: quoted, short.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
