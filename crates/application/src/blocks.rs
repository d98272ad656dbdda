//! In which block each key's value changed last: what a reorganisation of a chain takes back.
//!
//! Per key the *highest* block in which its value may have changed is kept. A bound too high costs a
//! fetch; one too low would leave an orphaned value in L1. So a key that a reorganisation has taken back
//! counts as changed in the last block that stands, and of the keys forgotten for want of room only
//! the highest block is remembered: a reorganisation that reaches down to it concerns them all.

use std::collections::BTreeSet;

use foldhash::fast::RandomState;
use forewarm_domain::{ChainId, Key};
use hashbrown::HashMap;

/// The keys that a reorganisation concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orphaned {
    /// These.
    Keys(Vec<Key>),
    /// Any key of the chain: the blocks of some are forgotten.
    WholeChain,
}

/// The blocks of the keys of all chains.
#[derive(Debug)]
pub struct Blocks {
    chains: HashMap<ChainId, Tags, RandomState>,
    tagged: usize,
    most: usize,
}

#[derive(Debug, Default)]
struct Tags {
    block_of: HashMap<Key, u64, RandomState>,
    by_block: BTreeSet<(u64, Key)>,
    /// The highest block of a key that is forgotten.
    forgotten: Option<u64>,
}

impl Tags {
    fn remove(&mut self, key: &Key) -> Option<u64> {
        let block = self.block_of.remove(key)?;
        self.by_block.remove(&(block, key.clone()));
        Some(block)
    }

    fn insert(&mut self, key: Key, block: u64) {
        self.block_of.insert(key.clone(), block);
        self.by_block.insert((block, key));
    }
}

impl Blocks {
    /// Remembers the blocks of at most `most` keys (at least one), the latest of them.
    pub fn new(most: usize) -> Self {
        Self {
            chains: HashMap::default(),
            tagged: 0,
            most: most.max(1),
        }
    }

    /// Keys whose block is remembered.
    pub fn len(&self) -> usize {
        self.tagged
    }

    /// Whether no key has a block.
    pub fn is_empty(&self) -> bool {
        self.tagged == 0
    }

    /// The key's value changed in `block` of its chain. An older block than the one known changes nothing.
    /// O(log n).
    pub fn tag(&mut self, key: &Key, block: u64) {
        let tags = self.chains.entry(key.chain()).or_default();
        let held = tags.block_of.get(key).copied();
        if held >= Some(block) {
            return;
        }
        self.tagged -= usize::from(tags.remove(key).is_some());
        tags.insert(key.clone(), block);
        self.tagged += 1;
        while self.tagged > self.most {
            self.forget_one();
        }
    }

    /// The blocks from `block` on are no more: the keys that changed in them, which from now on count as
    /// changed in the block before.
    pub fn orphan(&mut self, chain: ChainId, block: u64) -> Orphaned {
        let Some(tags) = self.chains.get_mut(&chain) else {
            return Orphaned::Keys(Vec::new());
        };
        let last = block.checked_sub(1);
        let nobody = Key::new(bytes::Bytes::new(), 0, ChainId::DEFAULT);
        let mut orphaned = Vec::new();
        for (_, key) in tags.by_block.split_off(&(block, nobody)) {
            tags.block_of.remove(&key);
            orphaned.push(key);
        }
        match last {
            Some(last) => {
                for key in &orphaned {
                    tags.insert(key.clone(), last);
                }
            }
            None => self.tagged -= orphaned.len(),
        }
        if tags.forgotten < Some(block) {
            return Orphaned::Keys(orphaned);
        }
        tags.forgotten = last;
        Orphaned::WholeChain
    }

    /// Forgets the oldest block of the chain that has most.
    fn forget_one(&mut self) {
        let largest = self
            .chains
            .values_mut()
            .max_by_key(|tags| tags.block_of.len());
        if let Some(tags) = largest
            && let Some((block, key)) = tags.by_block.pop_first()
        {
            tags.block_of.remove(&key);
            tags.forgotten = tags.forgotten.max(Some(block));
            self.tagged -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_chain;

    const CHAIN: ChainId = ChainId(1);

    fn key(n: u32) -> Key {
        on_chain(n, CHAIN)
    }

    fn tagged(most: usize, tags: &[(u32, u64)]) -> Blocks {
        let mut blocks = Blocks::new(most);
        for (n, block) in tags {
            blocks.tag(&key(*n), *block);
        }
        blocks
    }

    #[test]
    fn the_keys_at_and_above_the_block_are_orphaned_and_then_count_as_of_the_one_before() {
        let mut blocks = tagged(10, &[(1, 10), (2, 11), (3, 12)]);
        assert_eq!(
            blocks.orphan(CHAIN, 11),
            Orphaned::Keys(vec![key(2), key(3)])
        );
        assert_eq!(blocks.orphan(CHAIN, 11), Orphaned::Keys(vec![]));
        assert_eq!(
            blocks.orphan(CHAIN, 10),
            Orphaned::Keys(vec![key(1), key(2), key(3)]),
            "what came in place of an orphan may be of any block that stands"
        );
        assert_eq!(blocks.orphan(ChainId(2), 0), Orphaned::Keys(vec![]));
        assert_eq!(blocks.len(), 3);
        blocks.orphan(CHAIN, 0);
        assert!(
            blocks.is_empty(),
            "before the first block there was no value"
        );
    }

    #[test]
    fn the_highest_block_of_a_key_counts() {
        let mut blocks = tagged(10, &[(1, 12), (1, 10), (2, 9), (2, 10)]);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks.orphan(CHAIN, 11), Orphaned::Keys(vec![key(1)]));
        assert_eq!(
            blocks.orphan(CHAIN, 10),
            Orphaned::Keys(vec![key(1), key(2)])
        );
    }

    #[test]
    fn past_the_bound_the_oldest_are_forgotten_but_never_missed() {
        let mut blocks = tagged(2, &[(1, 10), (2, 11), (3, 12)]);
        assert_eq!(blocks.len(), 2);
        assert_eq!(
            blocks.orphan(CHAIN, 11),
            Orphaned::Keys(vec![key(2), key(3)])
        );
        assert_eq!(blocks.orphan(CHAIN, 10), Orphaned::WholeChain);
        assert_eq!(
            blocks.orphan(CHAIN, 10),
            Orphaned::Keys(vec![]),
            "those forgotten are known to be older now"
        );
    }
}
