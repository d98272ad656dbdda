//! How strong an association is, corrected for chance.
//!
//! Given `support` = k windows of a source in which the partner was read, `windows` = n windows
//! of the source, and `chance` = q, the share of *all* windows that contain the partner:
//!
//! - **Strength** is the excess over chance, (p − q) / max(1 − q, 0.2) with p = (k + q) / (n + 1):
//!   the share of the source's windows that chance does not explain, shrunk towards chance by
//!   one pseudo-window. (Cohen's kappa for one-sided agreement; Shortliffe & Buchanan's certainty
//!   factor. Below 0.2 the divisor would magnify the error of q itself: a pair that is read all
//!   the time is nobody's partner.) Two independent pairs score 0 however busy they are.
//! - **Evidence** is the probability that there is an association at all: prior odds times the
//!   Bayes factor of "some rate of its own, any in [0, 1]" against "the rate of chance". By
//!   Laplace's approximation ln BF = n · KL(k/n ‖ q) − ½ ln(n + 1) (Schwarz, 1978). One
//!   coincidence of rare keys says much, ten of busy keys say little: so support adapts to the
//!   stream instead of being a threshold.
//!
//! The score is their product, in [0, 1].

/// Prior odds that a given other pair is associated at all: a pair has a few partners among
/// thousands of candidates.
const PRIOR_ODDS: f32 = 1.0 / 2_000.0;

/// An excess below this says nothing that is worth a logarithm; most partners of a busy pair.
const LEAST_STRENGTH: f32 = 0.02;

/// The least divisor of the excess over chance.
const LEAST_ROOM: f32 = 0.2;

/// The observed counts of one association.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Windows of the source in which the partner was read (decayed).
    pub support: f32,
    /// Windows of the source (decayed), at least `support`.
    pub windows: f32,
    /// Share of all sources' windows that contain the partner, in (0, 1).
    pub chance: f32,
}

impl Counts {
    /// P(partner is read in a window | source), shrunk towards chance by one pseudo-window.
    pub fn probability(self) -> f32 {
        (self.support + self.chance) / (self.windows + 1.0)
    }

    /// `probability` over `chance`: 1 = independent.
    pub fn lift(self) -> f32 {
        self.probability() / self.chance.max(f32::MIN_POSITIVE)
    }

    /// Strength times evidence, in [0, 1]; 0 when the partner is no more frequent than by chance.
    pub fn score(self) -> f32 {
        match self.exceeds_chance() {
            true => self.score_above_chance(),
            false => 0.0,
        }
    }

    /// The [`score`](Self::score) of counts that are known to [exceed chance](Self::exceeds_chance).
    pub fn score_above_chance(self) -> f32 {
        self.strength() * self.evidence()
    }

    /// Whether there is a [`score`](Self::score), without the logarithms that it costs.
    pub fn exceeds_chance(self) -> bool {
        let q = self.bounded_chance();
        let room = (1.0 - q).max(LEAST_ROOM);
        self.probability() - q >= LEAST_STRENGTH * room && self.support > q * self.windows
    }

    /// Whether there cannot be a [`score`](Self::score) whatever the chance: with none at all the
    /// strength is k / (n + 1), and chance only takes from it.
    pub fn is_too_rare(support: f32, windows: f32) -> bool {
        support < LEAST_STRENGTH * (windows + 1.0)
    }

    fn bounded_chance(self) -> f32 {
        self.chance.clamp(1e-9, 1.0 - 1e-6)
    }

    fn strength(self) -> f32 {
        let q = self.bounded_chance();
        let room = (1.0 - q).max(LEAST_ROOM);
        ((self.probability() - q) / room).clamp(0.0, 1.0)
    }

    /// That of a share above chance.
    fn evidence(self) -> f32 {
        let q = self.bounded_chance();
        let n = self.windows.max(1e-3);
        let p = (self.support / n).clamp(0.0, 1.0);
        let mut divergence = p * (p / q).ln();
        if p < 1.0 {
            divergence += (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
        }
        // exp(80) is beyond any doubt and safely below f32's range.
        let log_factor = (n * divergence - 0.5 * (n + 1.0).ln()).min(80.0);
        let odds = PRIOR_ODDS * log_factor.exp();
        odds / (1.0 + odds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(support: f32, windows: f32, chance: f32) -> f32 {
        Counts {
            support,
            windows,
            chance,
        }
        .score()
    }

    #[test]
    fn one_coincidence_convinces_among_rare_keys_and_not_among_busy_ones() {
        assert!(score(1.0, 1.0, 1e-5) > 0.4);
        assert!(score(1.0, 1.0, 0.1) < 0.01);
        assert!(score(3.0, 3.0, 0.1) < 0.3);
    }

    #[test]
    fn steady_company_is_recognised_whatever_the_partner_does_elsewhere() {
        assert!(score(10.0, 10.0, 0.01) > 0.85);
        assert!(score(50.0, 60.0, 0.3) > 0.6);
    }

    #[test]
    fn as_often_as_by_chance_scores_nothing() {
        assert_eq!(score(50.0, 100.0, 0.5), 0.0);
        assert!(score(1_000.0, 1_000.0, 1.0) < 1e-3);
        assert_eq!(score(30.0, 100.0, 0.5), 0.0);
    }

    proptest! {
        #[test]
        fn a_score_is_in_the_unit_interval(
            support in 0.0_f32..1e6, extra in 0.0_f32..1e6, chance in 0.0_f32..=1.0
        ) {
            let s = score(support, support + extra, chance);
            prop_assert!((0.0..=1.0).contains(&s), "{s}");
        }

        #[test]
        fn what_is_told_without_logarithms_agrees_with_the_score(
            support in 0.0_f32..1e4, extra in 0.0_f32..1e4, chance in 0.0_f32..=1.0
        ) {
            let windows = support + extra;
            let counts = Counts { support, windows, chance };
            prop_assert_eq!(counts.exceeds_chance(), counts.score() > 0.0);
            // To the last bit of a single number; 0.02 itself is nobody's case.
            let at_the_edge = (support / (windows + 1.0) - LEAST_STRENGTH).abs() < 1e-6;
            if Counts::is_too_rare(support, windows) && !at_the_edge {
                prop_assert_eq!(counts.score(), 0.0);
            }
        }

        #[test]
        fn more_support_never_scores_less(
            windows in 1.0_f32..1e4, share in 0.0_f32..0.9, chance in 1e-6_f32..0.9
        ) {
            let low = score(windows * share, windows, chance);
            let high = score(windows * (share + 0.1), windows, chance);
            prop_assert!(high + 1e-5 >= low, "{low} then {high}");
        }

        #[test]
        fn more_chance_never_scores_more(
            windows in 1.0_f32..1e4, share in 0.0_f32..=1.0, chance in 1e-6_f32..0.45
        ) {
            let rare = score(windows * share, windows, chance);
            let common = score(windows * share, windows, chance * 2.0);
            prop_assert!(common <= rare + 1e-5, "{rare} then {common}");
        }
    }
}
