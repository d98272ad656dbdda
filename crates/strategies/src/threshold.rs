//! `threshold`: every partner at or above a score.

use forewarm_domain::{Candidate, SelectionContext, SelectionStrategy};

use crate::parameter::{InvalidParameter, readable, require_pairs, require_score};
use crate::shortlist::{append_best, at_or_above};

/// The parameters of [`Threshold`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdParameters {
    /// The least score, 0 to 1, inclusive; default 0.5.
    pub min_score: f32,
    /// The most pairs chosen, at least 1; default 10.
    pub max_pairs: usize,
}

impl Default for ThresholdParameters {
    fn default() -> Self {
        Self {
            min_score: 0.5,
            max_pairs: 10,
        }
    }
}

/// Every partner at or above a score, capped: as many as are strong, which may be none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threshold {
    parameters: ThresholdParameters,
}

impl Threshold {
    /// The rule, or which parameter it cannot have.
    pub fn new(parameters: ThresholdParameters) -> Result<Self, InvalidParameter> {
        require_score("min_score", parameters.min_score)?;
        require_pairs("max_pairs", parameters.max_pairs)?;
        Ok(Self { parameters })
    }
}

impl SelectionStrategy for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.max_pairs
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let limit = context.cap.min(self.parameters.max_pairs);
        let candidates = at_or_above(context.partners, self.parameters.min_score);
        append_best(chosen, limit, candidates);
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("min_score", readable(self.parameters.min_score)),
            ("max_pairs", self.parameters.max_pairs as f64),
        ]
    }

    fn boxed_clone(&self) -> Box<dyn SelectionStrategy> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{chosen_by, partner};

    #[test]
    fn all_strong_partners_are_chosen_and_no_weak_one() {
        let rule = Threshold::default();
        let mut partners: Vec<_> = (0..10).map(|n| partner(n, 0.5)).collect();
        partners.extend((10..20).map(|n| partner(n, 0.49)));
        let chosen = chosen_by(&rule, &partners);
        assert_eq!(chosen, (0..10).map(|n| (n, 0.5)).collect::<Vec<_>>());
    }

    #[test]
    fn the_cap_keeps_the_best() {
        let partners: Vec<_> = (0..20).map(|n| partner(n, 0.5 + n as f32 / 50.0)).collect();
        let chosen = chosen_by(&Threshold::default(), &partners);
        let pairs: Vec<_> = chosen.iter().map(|(pair, _)| *pair).collect();
        assert_eq!(pairs, (10..20).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let refused = |min_score, max_pairs| {
            let parameters = ThresholdParameters {
                min_score,
                max_pairs,
            };
            Threshold::new(parameters).unwrap_err().name
        };
        assert_eq!(refused(1.5, 10), "min_score");
        assert_eq!(refused(0.5, 0), "max_pairs");
    }
}
