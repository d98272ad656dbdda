//! Fingerprints of partners that had to go or found no room: 2 bytes instead of 24.
//!
//! Who comes back while its fingerprint is here is credited with its first time, as ghost lists
//! do for caches (Megiddo & Modha, FAST '03). It triples the time that a partner has for its
//! second appearance; one stranger in a thousand is mistaken for one that was here.

use crate::pair::PairId;

/// Fingerprints kept by a row that is full.
const GHOSTS: usize = 64;

/// The fingerprints of one row.
#[derive(Debug, Clone)]
pub(super) struct Ghosts([u16; GHOSTS]);

impl Ghosts {
    pub(super) const EMPTY: Self = Self([0; GHOSTS]);

    /// Never zero: zero is an empty place.
    fn print(pair: PairId) -> u16 {
        let mixed = (pair.slot ^ u32::from(pair.generation) << 20).wrapping_mul(0x9e37_79b9);
        ((mixed >> 16) as u16).max(1)
    }

    /// Remembers the pair at `next`, which moves on.
    pub(super) fn remember(&mut self, pair: PairId, next: &mut u8) {
        self.0[usize::from(*next) % GHOSTS] = Self::print(pair);
        *next = (*next + 1) % GHOSTS as u8;
    }

    /// Whether the pair was here lately; it is forgotten then.
    pub(super) fn take(&mut self, pair: PairId) -> bool {
        let print = Self::print(pair);
        // All of them are looked at, so that vector instructions do it.
        let mut found = [0_u16; 8];
        for eight in self.0.as_chunks::<8>().0 {
            for (found, &held) in found.iter_mut().zip(eight) {
                *found |= if held == print { u16::MAX } else { 0 };
            }
        }
        if found == [0; 8] {
            return false;
        }
        if let Some(held) = self.0.iter_mut().find(|held| **held == print) {
            *held = 0;
        }
        true
    }
}
