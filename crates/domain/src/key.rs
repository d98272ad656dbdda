//! Keys: what L1 and L2 are addressed by, and the pair names that people write.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::chain::ChainId;
use crate::compact::compact;

/// A key of L1 and L2: exact bytes plus the number of the database.
///
/// `Foo` and `foo` are two keys, and so is `foo` in another database. The chain rides along
/// for the metrics and is not part of the identity. Cloning costs one reference count and
/// allocates nothing.
#[derive(Clone)]
pub struct Key {
    bytes: Bytes,
    database: u16,
    chain: ChainId,
}

impl Key {
    /// A key in `database`, accounted under `chain`.
    pub fn new(bytes: impl Into<Bytes>, database: u16, chain: ChainId) -> Self {
        Self {
            bytes: bytes.into(),
            database,
            chain,
        }
    }

    /// The exact bytes, as L2 knows them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// L2's database number; 0 unless a client selected another.
    pub fn database(&self) -> u16 {
        self.database
    }

    /// The chain under which metrics count this key.
    pub fn chain(&self) -> ChainId {
        self.chain
    }
}

/// A key that nobody owns yet: for look-ups of bytes in somebody's buffer. Hashes as the [`Key`] of
/// the same bytes and database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRef<'a> {
    /// The exact bytes.
    pub bytes: &'a [u8],
    /// L2's database number.
    pub database: u16,
}

impl KeyRef<'_> {
    /// Whether it names this key. Bytes that are shared are not compared, nor looked at.
    #[inline]
    pub fn names(&self, key: &Key) -> bool {
        let held: &[u8] = &key.bytes;
        self.database == key.database && (std::ptr::eq(self.bytes, held) || self.bytes == held)
    }

    /// The key, its bytes copied.
    pub fn to_key(self, chain: ChainId) -> Key {
        Key::new(compact(self.bytes), self.database, chain)
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u16(self.database);
        state.write(self.bytes);
    }
}

impl PartialEq for Key {
    /// Bytes that both share are not compared, nor looked at.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (own, others): (&[u8], &[u8]) = (&self.bytes, &other.bytes);
        self.database == other.database && (std::ptr::eq(own, others) || own == others)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u16(self.database);
        state.write(&self.bytes);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.database, &self.bytes).cmp(&(other.database, &other.bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.database, self.bytes.escape_ascii())
    }
}

/// What people and feeds call a pair: a chain and an address, lower-cased once, here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairName {
    chain: String,
    address: String,
}

/// Why a pair's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairNameError {
    /// The named part has no characters.
    #[error("the {part} of the pair is empty")]
    Empty {
        /// `chain` or `address`.
        part: &'static str,
    },
    /// The named part is longer than [`PairName::MAX_PART_BYTES`].
    #[error(
        "the {part} of the pair has {bytes} bytes, at most {} are allowed",
        PairName::MAX_PART_BYTES
    )]
    TooLong {
        /// `chain` or `address`.
        part: &'static str,
        /// Its length.
        bytes: usize,
    },
}

impl PairName {
    /// Bytes that a chain or an address may have.
    pub const MAX_PART_BYTES: usize = 512;

    /// Lower-cases and checks both parts.
    pub fn new(chain: &str, address: &str) -> Result<Self, PairNameError> {
        for (part, text) in [("chain", chain), ("address", address)] {
            if text.is_empty() {
                return Err(PairNameError::Empty { part });
            }
            if text.len() > Self::MAX_PART_BYTES {
                let bytes = text.len();
                return Err(PairNameError::TooLong { part, bytes });
            }
        }
        Ok(Self {
            chain: chain.to_lowercase(),
            address: address.to_lowercase(),
        })
    }

    /// The chain, lower-case.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The address, lower-case.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for PairName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.chain, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_exact_bytes_and_its_database() {
        let key = |b: &'static str, db| Key::new(b, db, ChainId::DEFAULT);
        assert_ne!(key("Foo", 0), key("foo", 0));
        assert_ne!(key("foo", 0), key("foo", 1));
        assert_eq!(key("foo", 0), Key::new("foo", 0, ChainId::OTHER));
    }

    #[test]
    fn borrowed_bytes_name_the_key_that_they_would_make_and_hash_alike() {
        use std::hash::BuildHasher;
        let name = KeyRef {
            bytes: b"foo",
            database: 3,
        };
        let key = name.to_key(ChainId::DEFAULT);
        assert!(name.names(&key));
        let hasher = std::hash::RandomState::new();
        assert_eq!(hasher.hash_one(name), hasher.hash_one(&key));
        assert!(!name.names(&Key::new("foo", 0, ChainId::DEFAULT)));
        assert!(!name.names(&Key::new("Foo", 3, ChainId::DEFAULT)));
    }

    #[test]
    fn shared_bytes_name_a_key_only_as_a_whole_and_in_its_database() {
        let key = Key::new("foofoo", 3, ChainId::DEFAULT);
        let names = |bytes, database| KeyRef { bytes, database }.names(&key);
        assert!(names(key.bytes(), 3) && !names(key.bytes(), 4));
        assert!(!names(&key.bytes()[..3], 3) && !names(&key.bytes()[3..], 3));
    }

    #[test]
    fn a_pair_is_lower_cased_once_and_refused_when_empty_or_huge() {
        let name = PairName::new("Ethereum", "0xAB").unwrap();
        assert_eq!(name.to_string(), "ethereum/0xab");
        assert_eq!(
            PairName::new("", "x"),
            Err(PairNameError::Empty { part: "chain" })
        );
        assert!(PairName::new("c", &"x".repeat(513)).is_err());
    }
}
