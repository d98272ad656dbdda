//! Fingerprints of partners that had to go or found no room: 2 bytes instead of 17.
//!
//! Who comes back while its fingerprint is here is credited with its first time, as ghost lists
//! do for caches (Megiddo & Modha, FAST '03). It triples the time that a partner has for its
//! second appearance; one stranger in eight thousand is mistaken for one that was here.

use std::hint::black_box;

use crate::pair::PairId;

/// Sets of eight, each a queue. A fingerprint says which one it belongs to, so that one comparison of
/// eight finds it; with a single queue of 64 all would be looked at.
const SETS: usize = 8;

/// The fingerprints of one row.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Ghosts([[u16; 8]; SETS]);

impl Ghosts {
    pub(super) const EMPTY: Self = Self([[0; 8]; SETS]);

    /// Never zero: zero is an empty place.
    fn print(pair: PairId) -> u16 {
        let mixed = (pair.slot ^ u32::from(pair.generation) << 20).wrapping_mul(0x9e37_79b9);
        ((mixed >> 16) as u16).max(1)
    }

    fn set(&mut self, print: u16) -> &mut [u16; 8] {
        &mut self.0[usize::from(print) % SETS]
    }

    /// Reads from both cache lines.
    pub(super) fn touch(&self) {
        black_box((self.0[0][0], self.0[SETS / 2][0]));
    }

    /// Remembers the pair; the one remembered longest ago in its set is forgotten.
    pub(super) fn remember(&mut self, pair: PairId) {
        let print = Self::print(pair);
        let set = self.set(print);
        let [a, b, c, d, e, f, g, _] = *set;
        *set = [print, a, b, c, d, e, f, g];
    }

    /// Whether the pair was here lately; it is forgotten then.
    pub(super) fn take(&mut self, pair: PairId) -> bool {
        let print = Self::print(pair);
        let set = self.set(print);
        // All eight are looked at, so that one vector instruction does it.
        let found = set
            .iter()
            .fold(false, |found, &held| found | (held == print));
        if found && let Some(held) = set.iter_mut().find(|held| **held == print) {
            *held = 0;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(slot: u32) -> PairId {
        PairId {
            slot,
            generation: 0,
        }
    }

    proptest! {
        /// Whatever else is remembered: until eight of its set came after it.
        #[test]
        fn who_went_is_known_once_until_eight_of_its_set_came_after_it(
            slots in prop::collection::vec(0_u32..1_000, 1..200)
        ) {
            let mut ghosts = Ghosts::EMPTY;
            let set = |slot| usize::from(Ghosts::print(pair(slot))) % SETS;
            let mut queues = vec![Vec::new(); SETS];
            for slot in slots {
                let queue: &mut Vec<u32> = &mut queues[set(slot)];
                let newer = queue.iter().rev().position(|&held| held == slot);
                prop_assert_eq!(ghosts.take(pair(slot)), newer.is_some_and(|newer| newer < 8));
                // A place that was taken stays in the queue.
                queue.iter_mut().for_each(|held| if *held == slot { *held = u32::MAX });
                ghosts.remember(pair(slot));
                queue.push(slot);
            }
        }
    }
}
