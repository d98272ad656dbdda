//! The keys of a stream by number, so that what is known of a key is an index away.

use foldhash::fast::RandomState;
use forewarm_domain::{Key, PairId};
use hashbrown::HashMap;

/// Keys and their numbers, which are dense from 0.
#[derive(Debug, Default)]
pub struct KeyTable {
    names: Vec<Key>,
    numbers: HashMap<Key, u32, RandomState>,
}

impl KeyTable {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The key of a number that was handed out.
    pub fn name(&self, number: u32) -> &Key {
        &self.names[number as usize]
    }

    /// The number of `key`, if it has one.
    pub fn number(&self, key: &Key) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    /// The number of `key`, which gets the next one if it has none.
    pub(super) fn number_or_add(&mut self, key: &Key) -> u32 {
        if let Some(&number) = self.numbers.get(key) {
            return number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(key.clone(), number);
        self.names.push(key.clone());
        number
    }

    /// Gives a number to another key.
    fn rename(&mut self, number: u32, key: &Key) {
        let before = std::mem::replace(&mut self.names[number as usize], key.clone());
        self.numbers.remove(&before);
        self.numbers.insert(key.clone(), number);
    }
}

/// The numbers of a model's pairs, so that most of them need no search.
#[derive(Debug, Default)]
pub(super) struct PairNumbers {
    /// By the pair's slot; zero or another pair's number is found out by its name.
    numbers: Vec<u32>,
}

impl PairNumbers {
    /// The number of `pair`, which is called `key`.
    pub(super) fn get(&mut self, pair: PairId, key: &Key, keys: &KeyTable) -> Option<u32> {
        let slot = pair.index();
        if slot >= self.numbers.len() {
            self.numbers.resize(slot + 1, 0);
        }
        let number = self.numbers[slot];
        if keys.names.get(number as usize) == Some(key) {
            return Some(number);
        }
        let number = keys.number(key)?;
        self.numbers[slot] = number;
        Some(number)
    }
}

/// No neighbour.
const NOBODY: u32 = u32::MAX;

/// A table of at most so many keys: when it is full, the one unseen for longest makes way. O(1) a
/// key; 8 bytes beyond the table's own.
#[derive(Debug)]
pub(super) struct RecentKeys {
    table: KeyTable,
    most: usize,
    /// Per number, its neighbours in the order of being seen.
    older: Vec<u32>,
    newer: Vec<u32>,
    oldest: u32,
    newest: u32,
}

impl RecentKeys {
    pub(super) fn new(most: usize) -> Self {
        Self {
            table: KeyTable::default(),
            most: most.clamp(1, NOBODY as usize - 1),
            older: Vec::new(),
            newer: Vec::new(),
            oldest: NOBODY,
            newest: NOBODY,
        }
    }

    pub(super) fn table(&self) -> &KeyTable {
        &self.table
    }

    /// Whose number [`see`](Self::see) of `key` would take away.
    pub(super) fn in_the_way_of(&self, key: &Key) -> Option<u32> {
        let full = self.table.len() >= self.most;
        (full && self.table.number(key).is_none()).then_some(self.oldest)
    }

    /// The number of `key`, which is now the one seen last.
    pub(super) fn see(&mut self, key: &Key) -> u32 {
        let number = match self.in_the_way_of(key) {
            Some(number) => {
                self.table.rename(number, key);
                number
            }
            None => self.table.number_or_add(key),
        };
        if number as usize == self.older.len() {
            self.older.push(NOBODY);
            self.newer.push(NOBODY);
        } else if number == self.newest {
            return number;
        } else {
            self.unlink(number);
        }
        self.link(number);
        number
    }

    fn unlink(&mut self, number: u32) {
        let (older, newer) = (self.older[number as usize], self.newer[number as usize]);
        match older {
            NOBODY => self.oldest = newer,
            older => self.newer[older as usize] = newer,
        }
        match newer {
            NOBODY => self.newest = older,
            newer => self.older[newer as usize] = older,
        }
    }

    fn link(&mut self, number: u32) {
        self.older[number as usize] = self.newest;
        self.newer[number as usize] = NOBODY;
        match self.newest {
            NOBODY => self.oldest = number,
            newest => self.newer[newest as usize] = number,
        }
        self.newest = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::key;
    use proptest::prelude::*;

    proptest! {
        /// Against a list kept by hand.
        #[test]
        fn the_key_unseen_for_longest_makes_way_and_nobody_else(
            most in 1_usize..6, seen in prop::collection::vec(0_u32..12, 1..120)
        ) {
            let mut keys = RecentKeys::new(most);
            let mut list: Vec<u32> = Vec::new();
            for n in seen {
                let leaving = keys.in_the_way_of(&key(n)).map(|number| keys.table().name(number).clone());
                let expected = (list.len() == most && !list.contains(&n)).then(|| key(list[0]));
                prop_assert_eq!(leaving, expected);
                list.retain(|known| *known != n);
                list.push(n);
                let excess = list.len().saturating_sub(most);
                list.drain(..excess);
                let number = keys.see(&key(n));
                prop_assert!((number as usize) < most);
                prop_assert_eq!(keys.table().name(number), &key(n));
                prop_assert_eq!(keys.table().len(), list.len());
                for known in &list {
                    prop_assert!(keys.table().number(&key(*known)).is_some());
                }
            }
        }
    }
}
