//! The one key codec: between the pair names of people and feeds and the bytes of L1 and L2.
//!
//! Reader, writer and warmer share it, so that they can't disagree about a key. A template
//! such as `price:{chain}:{address}` says how a pair's key is built; keys that don't fit it are
//! keys all the same, exact to the byte, counted under the chain `default`.

mod template;

use std::sync::Arc;

use bytes::Bytes;
use forewarm_domain::{ChainId, Chains, Key, PairName, compact};
use parking_lot::RwLock;

use template::Template;
pub use template::TemplateError;

/// Builds and reads keys by a template, and hands out the chains' ids.
///
/// Cloning shares the chains: an id means the same to every clone. Reading a key costs a scan
/// of its bytes and of at most [`Chains::LIMIT`] names, and allocates nothing unless its chain
/// is escaped or new.
#[derive(Debug, Clone)]
pub struct KeyCodec {
    template: Arc<Template>,
    chains: Arc<RwLock<Chains>>,
    database: u16,
}

impl KeyCodec {
    /// The template used unless another is configured.
    pub const DEFAULT_TEMPLATE: &'static str = "price:{chain}:{address}";

    /// Reads a template: `{address}` exactly once, `{chain}` at most once, text around and
    /// between them.
    ///
    /// Without `{chain}` every pair belongs to the chain `default`, and pairs of the same
    /// address on two chains share a key.
    pub fn new(template: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            template: Arc::new(Template::parse(template)?),
            chains: Arc::new(RwLock::new(Chains::new())),
            database: 0,
        })
    }

    /// The same codec with its pairs in another of L2's databases; 0 unless this says otherwise.
    #[must_use]
    pub fn with_database(mut self, database: u16) -> Self {
        self.database = database;
        self
    }

    /// The database of every key that doesn't come with one of its own.
    pub fn database(&self) -> u16 {
        self.database
    }

    /// Whether the template tells chains apart.
    pub fn has_chain(&self) -> bool {
        self.template.has_chain()
    }

    /// The key of a pair, in the codec's [`database`](Self::database). No two pairs share a key (given a `{chain}` in the
    /// template): inside a chain's name, `%` and the character that ends it in the template
    /// are percent-escaped.
    pub fn key(&self, pair: &PairName) -> Key {
        let bytes = self.template.build(pair.chain(), pair.address());
        let chain = if self.template.has_chain() {
            self.chain_id(pair.chain())
        } else {
            ChainId::DEFAULT
        };
        Key::new(compact(&bytes), self.database, chain)
    }

    /// The key with exactly these bytes, in the database that the caller names.
    ///
    /// Its chain is read by the template when the key is one that [`key`](Self::key) would
    /// build (so lower-case), else it is [`ChainId::DEFAULT`].
    pub fn key_from_bytes(&self, bytes: Bytes, database: u16) -> Key {
        let chain = self.chain_of(&bytes);
        Key::new(bytes, database, chain)
    }

    /// The chain of the key with exactly these bytes.
    pub fn chain_of(&self, bytes: &[u8]) -> ChainId {
        match self.template.read(bytes) {
            Some((Some(chain), _)) => self.chain_id(&chain),
            _ => ChainId::DEFAULT,
        }
    }

    /// Chain and address for display; `default` and the key's text (lossy where it isn't
    /// UTF-8) when the key doesn't fit the template.
    pub fn pair(&self, key: &Key) -> (String, String) {
        let default = || self.chain_name(ChainId::DEFAULT);
        match self.template.read(key.bytes()) {
            Some((chain, address)) => (
                chain.map_or_else(default, std::borrow::Cow::into_owned),
                address.to_owned(),
            ),
            None => (default(), String::from_utf8_lossy(key.bytes()).into_owned()),
        }
    }

    /// The name of a chain; `other` for an id never handed out.
    pub fn chain_name(&self, id: ChainId) -> String {
        self.chains.read().name(id).to_owned()
    }

    /// The id of a chain, allotted while there is room, else [`ChainId::OTHER`]. Case counts
    /// for nothing.
    pub fn chain_id(&self, name: &str) -> ChainId {
        let lowered;
        let name = if template::is_lower_case(name) {
            name
        } else {
            lowered = name.to_lowercase();
            &lowered
        };
        {
            let chains = self.chains.read();
            if let Some(id) = chains.get(name) {
                return id;
            }
            // Past the limit a flood of new names must not queue up at the write lock.
            if chains.iter().count() >= Chains::LIMIT || name.len() > Chains::MAX_NAME_BYTES {
                return ChainId::OTHER;
            }
        }
        self.chains.write().intern(name)
    }

    /// Every chain that has an id, in the order of arrival.
    pub fn chains(&self) -> Vec<(ChainId, String)> {
        let chains = self.chains.read();
        chains.iter().map(|(id, n)| (id, n.to_owned())).collect()
    }
}

impl Default for KeyCodec {
    fn default() -> Self {
        Self::new(Self::DEFAULT_TEMPLATE).expect("the default template is checked by a test")
    }
}

#[cfg(test)]
mod tests;
