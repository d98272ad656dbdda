//! Pairs as the model knows them: small ids, handed out to a bounded number of keys.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::key::Key;

/// A pair's id in the model: a slot and the slot's generation.
///
/// When a pair is forgotten its slot gets a new generation, so every id that still lies in
/// some other pair's table is recognised as dead. Generations wrap after 65,536 reuses of one
/// slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId {
    pub(crate) slot: u32,
    pub(crate) generation: u16,
}

impl PairId {
    /// The slot, an index below the model's `max_pairs`.
    pub const fn index(self) -> usize {
        self.slot as usize
    }
}

#[derive(Debug)]
struct Slot {
    key: Option<Key>,
    generation: u16,
    /// Seen since the clock hand last passed.
    referenced: bool,
}

/// The bounded table of pairs: key → id and back.
///
/// When it is full the pair to go is found by CLOCK (second chance), so that a scan of keys
/// seen once does not push out the pairs that keep coming. Look-up is one hash; eviction is
/// amortised O(1).
#[derive(Debug)]
pub struct PairTable {
    slots: Vec<Slot>,
    index: HashTable<u32>,
    hasher: RandomState,
    hand: usize,
    max_pairs: usize,
}

/// What [`PairTable::intern`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interned {
    /// The key had an id.
    Known(PairId),
    /// The key got the id of a slot never used before.
    New(PairId),
    /// The key got the slot of a pair that had to go; everything kept under that slot is
    /// another pair's and must be cleared.
    Replaced(PairId),
}

impl Interned {
    /// The id, whichever way.
    pub const fn id(self) -> PairId {
        match self {
            Self::Known(id) | Self::New(id) | Self::Replaced(id) => id,
        }
    }
}

impl PairTable {
    /// A table for at most `max_pairs` (1 to 2²⁴).
    pub fn new(max_pairs: usize) -> Self {
        Self {
            slots: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            hand: 0,
            max_pairs: max_pairs.clamp(1, 1 << 24),
        }
    }

    /// Pairs held.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no pair is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The id of `key`, if the model knows it. Does not count as use.
    pub fn get(&self, key: &Key) -> Option<PairId> {
        let hash = self.hasher.hash_one(key);
        let slot = *self.index.find(hash, |&slot| {
            self.slots[slot as usize].key.as_ref() == Some(key)
        })?;
        Some(self.id(slot))
    }

    /// The key behind `id`, unless the pair has been forgotten.
    pub fn key(&self, id: PairId) -> Option<&Key> {
        let slot = self.slots.get(id.index())?;
        (slot.generation == id.generation)
            .then_some(slot.key.as_ref())
            .flatten()
    }

    /// Whether `id` still names a pair.
    pub fn is_live(&self, id: PairId) -> bool {
        self.slots
            .get(id.index())
            .is_some_and(|slot| slot.generation == id.generation && slot.key.is_some())
    }

    /// Every live pair, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (PairId, &Key)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let key = slot.key.as_ref()?;
            Some((self.id(at as u32), key))
        })
    }

    /// The live pair in a slot.
    pub fn at(&self, slot: usize) -> Option<PairId> {
        let used = self.slots.get(slot)?.key.is_some();
        used.then(|| self.id(slot as u32))
    }

    /// The id of `key`, handing one out (and forgetting another pair) when needed. Counts as
    /// use of the pair.
    pub fn intern(&mut self, key: &Key) -> Interned {
        let hash = self.hasher.hash_one(key);
        let slots = &self.slots;
        if let Some(&slot) = self
            .index
            .find(hash, |&slot| slots[slot as usize].key.as_ref() == Some(key))
        {
            self.slots[slot as usize].referenced = true;
            return Interned::Known(self.id(slot));
        }
        let (slot, fresh) = if self.slots.len() < self.max_pairs {
            self.slots.push(Slot {
                key: None,
                generation: 0,
                referenced: false,
            });
            ((self.slots.len() - 1) as u32, true)
        } else {
            (self.evict(), false)
        };
        self.slots[slot as usize].key = Some(key.clone());
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, slot, |&slot| {
            hasher.hash_one(
                slots[slot as usize]
                    .key
                    .as_ref()
                    .expect("indexed slots hold a key"),
            )
        });
        let id = self.id(slot);
        if fresh {
            Interned::New(id)
        } else {
            Interned::Replaced(id)
        }
    }

    /// Approximate heap bytes: slots, index and the keys' own bytes (40 a key assumed).
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * (size_of::<Slot>() + 40) + self.index.capacity() * 5
    }

    fn id(&self, slot: u32) -> PairId {
        PairId {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    /// Frees the slot under the hand that has not been used since the hand last passed.
    fn evict(&mut self) -> u32 {
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[at];
            if std::mem::take(&mut slot.referenced) {
                continue;
            }
            slot.generation = slot.generation.wrapping_add(1);
            if let Some(key) = slot.key.take() {
                let hash = self.hasher.hash_one(&key);
                if let Ok(entry) = self.index.find_entry(hash, |&slot| slot as usize == at) {
                    entry.remove();
                }
            }
            return at as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainId;

    fn key(n: usize) -> Key {
        Key::new(format!("k{n}"), 0, ChainId::DEFAULT)
    }

    #[test]
    fn a_forgotten_pair_leaves_no_live_id() {
        let mut table = PairTable::new(2);
        let first = table.intern(&key(1)).id();
        table.intern(&key(2));
        let third = table.intern(&key(3));
        assert!(matches!(third, Interned::Replaced(_)));
        assert_eq!(table.len(), 2);
        assert!(!table.is_live(first));
        assert_eq!(table.key(first), None);
        assert_eq!(table.get(&key(1)), None);
        assert_eq!(table.key(third.id()), Some(&key(3)));
    }

    #[test]
    fn a_scan_of_keys_seen_once_does_not_push_out_those_that_keep_coming() {
        let mut table = PairTable::new(100);
        for round in 0..50 {
            for regular in 0..50 {
                table.intern(&key(regular));
            }
            for scan in 0..40 {
                table.intern(&key(1_000 + round * 40 + scan));
            }
        }
        let kept = (0..50).filter(|&n| table.get(&key(n)).is_some()).count();
        assert_eq!(kept, 50);
        assert_eq!(table.len(), 100);
    }

    #[test]
    fn the_index_finds_exactly_what_is_held_after_many_replacements() {
        let mut table = PairTable::new(64);
        for n in 0..10_000 {
            table.intern(&key(n * 7919 % 300));
            assert!(table.len() <= 64);
        }
        let held: Vec<_> = table.iter().map(|(id, k)| (id, k.clone())).collect();
        assert_eq!(held.len(), table.len());
        for (id, key) in held {
            assert_eq!(table.get(&key), Some(id));
        }
    }
}
