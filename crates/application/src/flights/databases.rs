//! The databases in use: client tracking names the key that changed, not its database.

use crate::sync::atomic::{AtomicU64, Ordering};

const WORD: u16 = 64;

/// The numbers of the databases whose values L1 may hold. Grows only.
///
/// Numbers from 256 on are not remembered: no shared cache that tells of changes has them (Redis'
/// adapter refuses them).
#[derive(Debug, Default)]
pub struct Databases {
    seen: [AtomicU64; 4],
}

impl Databases {
    /// A value of this database sets out for L1. One load when it is known already.
    ///
    /// Must come before L2 is asked: whoever hears of a change and doesn't see the number yet has
    /// heard before the value was read, so the value has the change.
    pub fn note(&self, number: u16) {
        let Some(word) = self.seen.get(usize::from(number / WORD)) else {
            return;
        };
        let bit = 1 << (number % WORD);
        if word.load(Ordering::SeqCst) & bit == 0 {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.seen.iter().zip(0_u16..).flat_map(|(word, at)| {
            let word = word.load(Ordering::SeqCst);
            (0..WORD)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| at * WORD + bit)
        })
    }
}
