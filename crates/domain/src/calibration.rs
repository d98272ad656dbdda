//! Calibration: how often what was chosen turned out useful.
//!
//! A score says how strongly a read follows; whether fetching pays also depends on whether
//! the key is still in L1 by then, read in time, or crowded out. So outcomes are fed back: per
//! class of association and tenth of the score, and per association. The expected usefulness of a
//! fetch is the association's own record, shrunk towards its bin, which is shrunk towards
//! an optimistic start so that what is untried is tried.

/// Where a candidate came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A partner after an update.
    Update,
    /// A partner after a read.
    Read,
    /// A partner's partner.
    SecondHop,
}

const CLASSES: usize = 3;
const BINS: usize = 10;
/// Outcomes after which a bin forgets half: it follows the last few hundred.
const BIN_MEMORY: f32 = 512.0;
/// What an untried bin is worth, and how many outcomes that belief weighs.
const OPTIMISM: (f32, f32) = (0.6, 8.0);
/// How many outcomes the bin's rate weighs against an association's own record.
const BIN_WEIGHT: f32 = 4.0;
/// Outcomes after which an association forgets half.
const OWN_MEMORY: u8 = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    trials: f32,
    useful: f32,
}

/// An association's own record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    trials: u8,
    useful: u8,
}

impl Record {
    /// Counts one outcome.
    pub fn count(&mut self, useful: bool) {
        self.trials += 1;
        self.useful += u8::from(useful);
        if self.trials >= OWN_MEMORY {
            self.trials /= 2;
            self.useful /= 2;
        }
    }
}

/// The measured rates.
#[derive(Debug, Clone, Default)]
pub struct Calibration {
    bins: [[Bin; BINS]; CLASSES],
}

impl Calibration {
    /// Counts one outcome of a candidate chosen with `score`.
    pub fn count(&mut self, class: Class, score: f32, useful: bool) {
        let bin = &mut self.bins[class as usize][bin_of(score)];
        bin.trials += 1.0;
        bin.useful += f32::from(u8::from(useful));
        if bin.trials >= BIN_MEMORY {
            bin.trials /= 2.0;
            bin.useful /= 2.0;
        }
    }

    /// P(read before it leaves L1 | fetched now), in (0, 1).
    pub fn expected(&self, class: Class, score: f32, own: Record) -> f32 {
        let bin = self.bins[class as usize][bin_of(score)];
        let (start, weight) = OPTIMISM;
        let rate = (bin.useful + start * weight) / (bin.trials + weight);
        (f32::from(own.useful) + rate * BIN_WEIGHT) / (f32::from(own.trials) + BIN_WEIGHT)
    }
}

fn bin_of(score: f32) -> usize {
    ((score * BINS as f32) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_untried_is_worth_a_try_and_the_tried_is_worth_what_it_did() {
        let mut calibration = Calibration::default();
        let expected = |c: &Calibration, class| c.expected(class, 0.55, Record::default());
        assert!((expected(&calibration, Class::Read) - 0.6).abs() < 1e-6);
        for n in 0..2_000 {
            calibration.count(Class::Read, 0.55, n % 10 == 0);
        }
        assert!((expected(&calibration, Class::Read) - 0.1).abs() < 0.02);
        assert!((expected(&calibration, Class::Update) - 0.6).abs() < 1e-6);
        for _ in 0..1_000 {
            calibration.count(Class::Read, 0.55, true);
        }
        assert!(
            expected(&calibration, Class::Read) > 0.8,
            "it follows a change"
        );
    }

    #[test]
    fn an_association_is_judged_by_its_own_record_once_it_has_one() {
        let mut calibration = Calibration::default();
        (0..500).for_each(|_| calibration.count(Class::Update, 0.9, true));
        let mut own = Record::default();
        (0..200).for_each(|_| own.count(false));
        assert!(calibration.expected(Class::Update, 0.9, own) < 0.25);
        (0..200).for_each(|_| own.count(true));
        assert!(calibration.expected(Class::Update, 0.9, own) > 0.9);
    }
}
