//! Usefulness: the probability that a fetch made now is read in time.
//!
//! A score says how strongly a read follows a source. Whether *this* fetch pays also depends on
//! whether it followed the last few times, on what else points to it, on how it was last
//! predicted, on how long it has not been read. The clues are put together as perceptron branch
//! predictors and prefetch filters do (Jiménez & Lin, HPCA 2001; Bhatia, Chacon, Pugsley, Teran,
//! Gratz & Jiménez, "Perceptron-based prefetch filtering", ISCA 2019): each clue picks one weight
//! from a table of its own, and the sum decides. Unlike there the sum is a log-odds, trained by
//! stochastic gradient descent on the logistic loss, so that what comes out is a probability.
//!
//! Cost: one addition a clue to ask, one multiplication and addition a clue to learn.
//! Memory: 256 weights a clue, 11 KiB in all, whatever the number of pairs.

use std::time::Duration;

use crate::co_occurrence::SourceKind;
use crate::history::History;

/// What made us ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trigger {
    /// An update.
    Update,
    /// A read that L1 did not have.
    Miss,
    /// A read that L1 had.
    Hit,
    /// The first read of a warmed entry.
    Warmed,
    /// A read of which only the fact is known.
    #[default]
    Elsewhere,
}

/// What L1 has of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Standing {
    /// Nothing: to fetch it is to push something out.
    #[default]
    Absent,
    /// An outdated copy: to fetch it is to put its value right, in its place.
    Stale,
    /// A copy that may be served, or one on its way: there is nothing to fetch.
    Fresh,
}

/// What is remembered of a candidate, whoever points to it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Remembered {
    /// How many other recent events point to it.
    pub votes: u8,
    /// P(read | any of those events), as if they were independent.
    pub joint: f32,
    /// Reads of anything since it was last read; `None` = never seen.
    pub idle: Option<u32>,
    /// Whether a prediction of it is under way.
    pub watched: bool,
}

/// What is known about a candidate when it could be fetched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The role in which the source asks.
    pub kind: SourceKind,
    /// What made it ask.
    pub trigger: Trigger,
    /// Whether the candidate is a partner's partner.
    pub second_hop: bool,
    /// What L1 has of it.
    pub standing: Standing,
    /// In which of the source's last windows it was read.
    pub followed: History,
    /// Which of its last predictions for this source came true.
    pub came: History,
    /// Windows in which it followed, decayed.
    pub support: f32,
    /// P(read within a window | source).
    pub probability: f32,
    /// The share of all windows that contain it.
    pub chance: f32,
    /// Mean time from the source to the read.
    pub lag: Duration,
    /// What is remembered of it apart from the source.
    pub remembered: Remembered,
    /// Windows that contain it, decayed: how popular it is.
    pub popularity: f32,
}

/// Clues and the weights of each.
const CLUES: usize = 11;
const VALUES: usize = 256;

/// [`Evidence`] in the form that the estimator takes: one small number a clue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clues([u8; CLUES]);

impl Evidence {
    /// Each clue in a few dozen steps, logarithmic where the range is wide.
    #[inline]
    pub fn clues(&self) -> Clues {
        let read = u8::from(self.kind == SourceKind::Read);
        let hop = u8::from(self.second_hop);
        let since = (self.followed.pattern() | 0x80).trailing_zeros() as u8;
        let Remembered {
            votes, joint, idle, ..
        } = self.remembered;
        Clues([
            self.followed.pattern(),
            self.came.pattern(),
            votes.min(15) | read << 4 | hop << 5,
            quarters((1.0 - joint).max(1e-3).recip()),
            self.trigger as u8 | read << 3 | hop << 4 | (self.standing as u8) << 5,
            idle.map_or(63, |idle| halves(idle as f32 / 8.0).min(62)),
            halves(self.popularity).min(40),
            wholes(self.lag.as_secs_f32() * 1e4).min(40),
            wholes(self.chance * 1e5).min(40),
            (self.probability * 5.0).min(4.0) as u8 * 8 + wholes(self.support).min(7),
            since * 16 + self.followed.yes() as u8 + 8 * read,
        ])
    }
}

/// 0 up to 1, then one step for each doubling. As all of these, of a number's bits and not by its
/// logarithm, which would cost as much as all else of a clue.
#[inline]
fn wholes(ratio: f32) -> u8 {
    let step = (ratio.to_bits() >> 23).wrapping_sub(ONE - 1);
    if ratio > 1.0 { step as u8 } else { 0 }
}

/// 0 up to 1, then two steps for each doubling.
#[inline]
fn halves(ratio: f32) -> u8 {
    let bits = ratio.to_bits();
    let passed = u32::from(bits & MANTISSA >= THRESHOLDS[1]);
    let step = ((bits >> 23).saturating_sub(ONE) * 2 + passed + 1).min(255);
    if ratio > 1.0 { step as u8 } else { 0 }
}

/// Four times the binary logarithm of a number of 1 or more, rounded down, at most 255. Of others
/// some number.
#[inline]
fn quarters(ratio: f32) -> u8 {
    let bits = ratio.to_bits();
    let passed = THRESHOLDS.map(|threshold| u32::from(bits & MANTISSA >= threshold));
    let exponent = (bits >> 23).wrapping_sub(ONE) & 0xff;
    (4 * exponent + passed.iter().sum::<u32>()).min(255) as u8
}

/// The exponent of 1.
const ONE: u32 = 127;
const MANTISSA: u32 = 0x007f_ffff;
/// The mantissas of 2^(1/4), 2^(1/2), 2^(3/4).
const THRESHOLDS: [u32; 3] = [0x0018_37f0, 0x0035_04f3, 0x0057_44fd];

/// How far one verdict moves the weights. Smaller follows slower, larger forgets the rare.
const RATE: f32 = 0.02;
/// Verdicts after which the first ones hardly count any more.
const REMEMBERED: u32 = 10_000;
/// What is never impossible: keeps a run of luck from closing the case.
const LEAST: f32 = 0.002;

/// The estimator.
#[derive(Debug, Clone)]
pub struct Estimator {
    weights: Box<[[f32; VALUES]; CLUES]>,
    bias: f32,
    /// Verdicts learned from, up to [`REMEMBERED`]: what it has to say beside another.
    verdicts: u32,
}

impl Default for Estimator {
    /// Before anything is learned the past windows speak alone: (yes + 0.3) / (windows + 1.6),
    /// so one time of one is worth 0.5 and seven of seven 0.85.
    fn default() -> Self {
        let mut weights = Box::new([[0.0; VALUES]; CLUES]);
        for (pattern, weight) in weights[0].iter_mut().enumerate().skip(1) {
            let len = pattern.ilog2() as f32;
            let yes = pattern.count_ones() as f32 - 1.0;
            *weight = ((yes + 0.3) / (len - yes + 1.3)).ln();
        }
        Self {
            weights,
            bias: 0.0,
            verdicts: 0,
        }
    }
}

impl Estimator {
    /// P(read in time | fetched now), in [0.002, 0.998].
    #[inline]
    pub fn expected(&self, clues: &Clues) -> f32 {
        // Two sums at a time, so that one addition need not wait for the one before it.
        let mut sums = [self.bias, 0.0];
        for (at, (table, clue)) in self.weights.iter().zip(clues.0).enumerate() {
            sums[at % 2] += table[clue as usize];
        }
        let odds = (-(sums[0] + sums[1])).exp();
        (1.0 / (1.0 + odds)).clamp(LEAST, 1.0 - LEAST)
    }

    /// Learns what came of a candidate with these clues.
    pub fn learn(&mut self, clues: &Clues, useful: bool) {
        let surprise = f32::from(u8::from(useful)) - self.expected(clues);
        let step = surprise * RATE;
        self.verdicts = (self.verdicts + 1).min(REMEMBERED);
        self.bias += step * 0.2;
        for (table, clue) in self.weights.iter_mut().zip(clues.0) {
            table[clue as usize] += step;
        }
    }
}

/// Saved and merged.
impl Estimator {
    /// Appends what was learned: clues and values a clue, verdicts, bias, weights; little-endian.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for number in [CLUES as u32, VALUES as u32, self.verdicts] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.bias.to_le_bytes());
        for weight in self.weights.iter().flatten() {
            out.extend_from_slice(&weight.to_le_bytes());
        }
    }

    /// Reads what [`write_to`](Self::write_to) has written, to the last byte. `None` for other
    /// bytes, and for the clues of another release: then what was learned means nothing here.
    pub(crate) fn read_from(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks_exact(4);
        let mut word = || Some(<[u8; 4]>::try_from(words.next()?).expect("four bytes"));
        let (clues, values) = (u32::from_le_bytes(word()?), u32::from_le_bytes(word()?));
        if bytes.len() != 16 + 4 * CLUES * VALUES
            || (clues, values) != (CLUES as u32, VALUES as u32)
        {
            return None;
        }
        let verdicts = u32::from_le_bytes(word()?).min(REMEMBERED);
        let mut number = || {
            word()
                .map(f32::from_le_bytes)
                .filter(|number| number.is_finite())
        };
        let mut estimator = Self {
            bias: number()?,
            verdicts,
            ..Self::default()
        };
        for weight in estimator.weights.iter_mut().flatten() {
            *weight = number()?;
        }
        Some(estimator)
    }

    /// Takes over what another has learned, each by the verdicts that it has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        let all = self.verdicts + other.verdicts;
        if all == 0 {
            return;
        }
        let share = other.verdicts as f32 / all as f32;
        let mix = |own: &mut f32, theirs: f32| *own += (theirs - *own) * share;
        mix(&mut self.bias, other.bias);
        let weights = self.weights.iter_mut().flatten();
        for (own, theirs) in weights.zip(other.weights.iter().flatten()) {
            mix(own, *theirs);
        }
        self.verdicts = all.min(REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evidence(followed: History) -> Evidence {
        Evidence {
            kind: SourceKind::Update,
            trigger: Trigger::Update,
            second_hop: false,
            standing: Standing::Absent,
            followed,
            came: History::default(),
            support: 4.0,
            probability: 0.5,
            chance: 0.01,
            lag: Duration::from_millis(3),
            remembered: Remembered {
                joint: 0.5,
                idle: Some(100),
                ..Remembered::default()
            },
            popularity: 10.0,
        }
    }

    #[test]
    fn before_anything_is_learned_the_past_windows_speak() {
        let fresh = Estimator::default();
        let expected = |bits, len| fresh.expected(&evidence(History::of(bits, len)).clues());
        let ladder = [
            expected(0, 7),
            expected(1, 7),
            expected(1, 2),
            expected(1, 1),
            expected(0b111, 3),
            expected(0x7f, 7),
        ];
        assert!(ladder.is_sorted_by(|a, b| a < b), "{ladder:?}");
        assert!((0.45..0.55).contains(&ladder[3]), "{ladder:?}");
    }

    #[test]
    fn what_is_expected_is_what_happens() {
        // Two kinds of candidates that differ in one clue, useful in 90 % and 10 % of the cases.
        let mut estimator = Estimator::default();
        let good = evidence(History::of(1, 1)).clues();
        let mut bad = evidence(History::of(1, 1));
        bad.remembered.votes = 3;
        let bad = bad.clues();
        for n in 0..4_000_u32 {
            estimator.learn(&good, n % 10 != 0);
            estimator.learn(&bad, n % 10 == 0);
        }
        let (good, bad) = (estimator.expected(&good), estimator.expected(&bad));
        assert!(
            (good - 0.9).abs() < 0.08 && (bad - 0.1).abs() < 0.08,
            "{good} {bad}"
        );
    }

    #[test]
    fn a_change_is_followed() {
        let mut estimator = Estimator::default();
        let clues = evidence(History::of(0b11, 2)).clues();
        (0..5_000).for_each(|_| estimator.learn(&clues, true));
        assert!(estimator.expected(&clues) > 0.95);
        (0..500).for_each(|_| estimator.learn(&clues, false));
        assert!(estimator.expected(&clues) < 0.2);
    }

    #[test]
    fn what_was_learned_survives_in_bytes_and_is_merged_by_its_weight() {
        let clues = evidence(History::of(0b11, 2)).clues();
        let mut taught = Estimator::default();
        (0..3_000).for_each(|_| taught.learn(&clues, true));
        let mut bytes = Vec::new();
        taught.write_to(&mut bytes);
        let read = Estimator::read_from(&bytes).expect("our own bytes");
        assert_eq!(read.expected(&clues), taught.expected(&clues));
        let mut fresh = Estimator::default();
        fresh.merge(&read);
        assert_eq!(
            fresh.expected(&clues),
            taught.expected(&clues),
            "it had nothing to say"
        );
        let mut opposed = Estimator::default();
        (0..3_000).for_each(|_| opposed.learn(&clues, false));
        opposed.merge(&read);
        assert!((0.2..0.8).contains(&opposed.expected(&clues)));
        bytes[0] += 1;
        assert!(
            Estimator::read_from(&bytes).is_none(),
            "the clues of another release"
        );
        assert!(Estimator::read_from(&bytes[..20]).is_none());
    }

    proptest! {
        /// Against the logarithm; at a threshold itself it may round either way.
        #[test]
        fn steps_are_the_whole_part_of_the_binary_logarithm(exponent in -30.0_f64..63.0) {
            let exact = exponent * 4.0;
            prop_assume!((exact - exact.round()).abs() > 1e-4);
            let ratio = exponent.exp2() as f32;
            let step = |per: f64| if exponent > 0.0 { (exponent * per) as u8 + 1 } else { 0 };
            prop_assert_eq!(wholes(ratio), step(1.0));
            prop_assert_eq!(halves(ratio), step(2.0));
            if exponent >= 0.0 {
                prop_assert_eq!(quarters(ratio), exact as u8);
            }
        }

        /// Whatever the evidence and whatever was learned: a probability, and no panic.
        #[test]
        fn the_answer_is_a_probability(
            bits in any::<u8>(), len in 0_u32..8, floats in prop::array::uniform5(any::<f32>()),
            votes in any::<u8>(), idle in prop::option::of(any::<u32>()), lag in any::<u32>(),
            verdicts in prop::collection::vec(any::<bool>(), 0..50), second_hop in any::<bool>()
        ) {
            let [support, probability, chance, joint, popularity] = floats;
            let clues = Evidence {
                support, probability, chance, popularity, second_hop,
                remembered: Remembered { votes, joint, idle, watched: false },
                lag: Duration::from_micros(u64::from(lag)),
                ..evidence(History::of(bits, len))
            }.clues();
            let mut estimator = Estimator::default();
            verdicts.iter().for_each(|&useful| estimator.learn(&clues, useful));
            let expected = estimator.expected(&clues);
            prop_assert!((LEAST..=1.0 - LEAST).contains(&expected), "{}", expected);
        }
    }
}
