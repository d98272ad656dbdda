//! Fingerprints of partners that had to go or found no room: 2 bytes instead of 16.
//!
//! Who comes back while its fingerprint is here is credited with its first time, as ghost lists
//! do for caches (Megiddo & Modha, FAST '03). It triples the time that a partner has for its
//! second appearance; one stranger in a thousand is mistaken for one that was here.

use std::hint::black_box;

use crate::pair::PairId;

/// Fingerprints kept by a row that is full.
pub(super) const GHOSTS: usize = 64;

/// The fingerprints of one row.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Ghosts([u16; GHOSTS]);

impl Ghosts {
    pub(super) const EMPTY: Self = Self([0; GHOSTS]);

    /// Never zero: zero is an empty place.
    fn print(pair: PairId) -> u16 {
        let mixed = (pair.slot ^ u32::from(pair.generation) << 20).wrapping_mul(0x9e37_79b9);
        ((mixed >> 16) as u16).max(1)
    }

    /// Reads from both cache lines.
    pub(super) fn touch(&self) {
        black_box((self.0[0], self.0[GHOSTS / 2]));
    }

    /// Remembers the pair at `next`, which moves on.
    #[inline]
    pub(super) fn remember(&mut self, pair: PairId, next: &mut u8) {
        self.0[usize::from(*next) % GHOSTS] = Self::print(pair);
        *next = next.wrapping_add(1);
    }

    /// Whether the pair was here lately; it is forgotten then.
    #[inline]
    pub(super) fn take(&mut self, pair: PairId) -> bool {
        let print = Self::print(pair);
        // All of them are looked at, so that vector instructions do it.
        let mut found = [0_u16; 8];
        for eight in self.0.as_chunks::<8>().0 {
            for (found, &held) in found.iter_mut().zip(eight) {
                *found |= u16::from(held == print).wrapping_neg();
            }
        }
        let found = found.iter().fold(0, |any, &found| any | found);
        if found == 0 {
            return false;
        }
        for held in &mut self.0 {
            *held = if *held == print { 0 } else { *held };
        }
        true
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
        /// Against a list; the slots are so few that no two share a fingerprint.
        #[test]
        fn who_went_is_known_once_until_as_many_went_after_it(
            slots in prop::collection::vec(0_u32..150, 1..400)
        ) {
            let (mut ghosts, mut next) = (Ghosts::EMPTY, 0);
            let mut gone: Vec<Option<u32>> = Vec::new();
            for slot in slots {
                let since = gone.len().saturating_sub(GHOSTS);
                let lately = &mut gone[since..];
                let place = lately.iter_mut().find(|held| **held == Some(slot));
                prop_assert_eq!(ghosts.take(pair(slot)), place.is_some());
                if let Some(place) = place {
                    *place = None;
                }
                ghosts.remember(pair(slot), &mut next);
                gone.push(Some(slot));
            }
        }
    }
}
