//! The last few answers to a yes-or-no question, in one byte.

/// The last seven answers, newest in the lowest bit, under a marker bit that says how many
/// there are. Branch predictors keep their past this way (Yeh & Patt, MICRO 1991).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History(u8);

/// Bits beside the marker of each byte.
const YES: [u8; 256] = {
    let mut yes = [0; 256];
    let mut byte = 1_usize;
    while byte < yes.len() {
        yes[byte] = byte.count_ones() as u8 - 1;
        byte += 1;
    }
    yes
};

impl Default for History {
    fn default() -> Self {
        Self::NONE
    }
}

impl History {
    /// No answer yet.
    pub const NONE: Self = Self(1);

    /// Answers kept.
    pub const LONGEST: u32 = 7;

    /// From the answers in `bits`, newest lowest, of which the lowest `len` count (at most seven).
    pub const fn of(bits: u8, len: u32) -> Self {
        let len = if len > Self::LONGEST {
            Self::LONGEST
        } else {
            len
        };
        let marker = 1_u8 << len;
        Self(marker | bits & (marker - 1))
    }

    /// Adds an answer; the eighth pushes out the first.
    pub const fn push(&mut self, yes: bool) {
        let full = self.0 & 0x80;
        self.0 = full | self.0 << 1 | yes as u8;
    }

    /// How many answers there are, 0 to 7.
    pub const fn len(self) -> u32 {
        7 - self.0.leading_zeros()
    }

    /// Whether there is no answer yet.
    pub const fn is_empty(self) -> bool {
        self.0 == 1
    }

    /// How many of them were yes.
    #[inline]
    pub const fn yes(self) -> u32 {
        // Without it the oldest of processors, for which this is compiled, count bit by bit.
        YES[self.0 as usize] as u32
    }

    /// The answers, newest first.
    pub fn answers(self) -> impl Iterator<Item = bool> {
        (0..self.len()).map(move |at| self.0 >> at & 1 == 1)
    }

    /// The byte itself, 1 to 255, each value another past.
    pub const fn pattern(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of all answers.
        #[test]
        fn the_last_seven_answers_are_kept_in_order(
            answers in prop::collection::vec(any::<bool>(), 0..30)
        ) {
            let mut history = History::default();
            answers.iter().for_each(|&answer| history.push(answer));
            let last = &answers[answers.len().saturating_sub(7)..];
            prop_assert_eq!(history.len() as usize, last.len());
            prop_assert_eq!(history.is_empty(), last.is_empty());
            prop_assert_eq!(history.yes() as usize, last.iter().filter(|yes| **yes).count());
            let bits = last.iter().fold(0, |bits, &yes| bits << 1 | u8::from(yes));
            prop_assert_eq!(history, History::of(bits, last.len() as u32));
        }
    }

    #[test]
    fn what_lies_beyond_its_length_does_not_count() {
        assert_eq!(History::of(0b1111_1101, 3).pattern(), 0b1101);
        assert_eq!(History::of(0xff, 20), History::of(0x7f, 7));
    }
}
