//! Where the partners of all rows lie.

use crate::number::{Octave, Short};
use crate::pair::PairId;

use super::ghosts::Ghosts;
use super::octet::NONE;
use super::octets::Octets;

/// Where the partners of all rows lie, and what counting needs of scratch.
///
/// Bounded: 128 MiB, or 176 bytes for each pair if that is more. Up to 100,000
/// pairs every row can be full; of a million, those that are used take from those that are not.
#[derive(Debug)]
pub struct Partners {
    pub(super) octets: Octets,
    /// Of the rows that are full.
    pub(super) ghosts: Vec<Ghosts>,
    most_ghosts: usize,
    /// Places of ghosts given back.
    pub(super) free: Vec<u32>,
    /// Of the window at hand, the followers that the row does not have.
    pub(super) strangers: Vec<Stranger>,
}

/// A follower that its source's row does not have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stranger {
    pub(super) pair: PairId,
    pub(super) chance: Short,
    pub(super) lag: Octave,
    /// Whether it was here lately.
    pub(super) returns: bool,
}

/// Below this many bytes nobody needs to be careful.
const LARGEST_FREE: usize = 128 << 20;
/// For partners, of the 512 bytes that a pair may take in all when there are a million.
const BYTES_A_PAIR: usize = 176;
/// The share of that which may be spent on ghosts: a fifth, as of a full row of four octets.
const GHOSTS_SHARE: usize = 5;

impl Partners {
    /// None yet, of at most `max_pairs` pairs.
    pub fn new(max_pairs: usize) -> Self {
        Self::within(max_pairs.saturating_mul(BYTES_A_PAIR).max(LARGEST_FREE))
    }

    pub(super) fn within(bytes: usize) -> Self {
        let ghosts = bytes / GHOSTS_SHARE;
        Self {
            octets: Octets::new(bytes - ghosts),
            ghosts: Vec::new(),
            most_ghosts: ghosts / (size_of::<Ghosts>() + size_of::<u32>()),
            free: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// Whether a row can only grow if another shrinks.
    pub fn is_short(&self) -> bool {
        self.octets.is_short()
    }

    /// Bytes in use or given back.
    pub fn memory_bytes(&self) -> usize {
        self.octets.memory_bytes()
            + self.ghosts.len() * size_of::<Ghosts>()
            + self.free.len() * size_of::<u32>()
    }

    /// Room for a row's ghosts, if there is some.
    pub(super) fn lend_ghosts(&mut self) -> u32 {
        if let Some(place) = self.free.pop() {
            self.ghosts[place as usize] = Ghosts::EMPTY;
            return place;
        }
        if self.ghosts.len() >= self.most_ghosts {
            return NONE;
        }
        self.ghosts.push(Ghosts::EMPTY);
        (self.ghosts.len() - 1) as u32
    }
}
