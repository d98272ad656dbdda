//! Chains: the bounded set of names that may become metric labels.

use std::fmt;

/// A small id for a chain's name; index into [`Chains`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainId(pub u16);

impl ChainId {
    /// Keys that do not fit the key template.
    pub const DEFAULT: Self = Self(0);
    /// Chains past the limit.
    pub const OTHER: Self = Self(1);
}

/// The chains seen so far, at most [`Chains::LIMIT`]: a hostile stream of chain names must not
/// become a stream of metric series. Later names share [`ChainId::OTHER`].
///
/// Names are lower-case. Look-up is a scan of at most 64 short strings.
#[derive(Debug, Clone)]
pub struct Chains {
    names: Vec<String>,
}

impl Chains {
    /// Ids handed out, `default` and `other` included.
    pub const LIMIT: usize = 64;
    /// Bytes of the longest name that is given an id of its own.
    pub const MAX_NAME_BYTES: usize = 64;

    /// Only `default` and `other`.
    pub fn new() -> Self {
        Self {
            names: vec!["default".to_owned(), "other".to_owned()],
        }
    }

    /// The id of `name` (already lower-case), allotting one while there is room.
    pub fn intern(&mut self, name: &str) -> ChainId {
        if let Some(id) = self.get(name) {
            return id;
        }
        if self.names.len() >= Self::LIMIT || name.len() > Self::MAX_NAME_BYTES {
            return ChainId::OTHER;
        }
        self.names.push(name.to_owned());
        ChainId((self.names.len() - 1) as u16)
    }

    /// The id of `name` if it has one.
    pub fn get(&self, name: &str) -> Option<ChainId> {
        let at = self.names.iter().position(|n| n == name)?;
        Some(ChainId(at as u16))
    }

    /// The name of `id`; `other` for an id that was never handed out.
    pub fn name(&self, id: ChainId) -> &str {
        self.names
            .get(usize::from(id.0))
            .map_or("other", String::as_str)
    }

    /// Every id with its name, in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (ChainId, &str)> {
        self.names
            .iter()
            .enumerate()
            .map(|(i, n)| (ChainId(i as u16), n.as_str()))
    }
}

impl Default for Chains {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chain#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_past_the_limit_share_other() {
        let mut chains = Chains::new();
        let first = chains.intern("ethereum");
        for n in 0..1_000 {
            chains.intern(&format!("chain-{n}"));
        }
        assert_eq!(chains.iter().count(), Chains::LIMIT);
        assert_eq!(chains.intern("one-more"), ChainId::OTHER);
        assert_eq!(chains.intern("ethereum"), first);
        assert_eq!(chains.name(first), "ethereum");
    }

    #[test]
    fn a_name_too_long_for_a_label_is_other() {
        let mut chains = Chains::new();
        assert_eq!(chains.intern(&"x".repeat(65)), ChainId::OTHER);
        assert_eq!(chains.iter().count(), 2);
    }
}
