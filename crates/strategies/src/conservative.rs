//! `conservative`: only strong partners that have been seen often.

use forewarm_domain::{Candidate, SelectionContext, SelectionStrategy};

use crate::parameter::{InvalidParameter, readable, require, require_pairs, require_score};
use crate::shortlist::{append_best, as_partner};

/// The parameters of [`Conservative`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConservativeParameters {
    /// The least score, 0 to 1, inclusive; default 0.5.
    pub min_score: f32,
    /// The most pairs chosen, at least 1; default 3.
    pub max_pairs: usize,
    /// The least number of windows (decayed) in which the partner followed, inclusive;
    /// default 10, 0 asks for none.
    pub min_support: f32,
}

impl Default for ConservativeParameters {
    fn default() -> Self {
        Self {
            min_score: 0.5,
            max_pairs: 3,
            min_support: 10.0,
        }
    }
}

/// Few, strong and well supported: for an L2 that must not notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conservative {
    parameters: ConservativeParameters,
}

impl Conservative {
    /// The rule, or which parameter it cannot have.
    pub fn new(parameters: ConservativeParameters) -> Result<Self, InvalidParameter> {
        require_score("min_score", parameters.min_score)?;
        require_pairs("max_pairs", parameters.max_pairs)?;
        let support = parameters.min_support;
        let holds = support >= 0.0 && support.is_finite();
        require(holds, "min_support", readable(support), "0 or more")?;
        Ok(Self { parameters })
    }
}

impl SelectionStrategy for Conservative {
    fn name(&self) -> &'static str {
        "conservative"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.max_pairs
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let ConservativeParameters {
            min_score,
            max_pairs,
            min_support,
        } = self.parameters;
        let proven = context
            .partners
            .iter()
            .filter(|partner| partner.score >= min_score && partner.support >= min_support)
            .map(as_partner);
        append_best(chosen, context.cap.min(max_pairs), proven);
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("min_score", readable(self.parameters.min_score)),
            ("max_pairs", self.parameters.max_pairs as f64),
            ("min_support", readable(self.parameters.min_support)),
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
    fn a_strong_partner_seen_too_seldom_is_left_out() {
        let mut seldom = partner(1, 0.99);
        seldom.support = 10.0_f32.next_down();
        let mut enough = partner(2, 0.5);
        enough.support = 10.0;
        let mut weak = partner(3, 0.49);
        weak.support = 1_000.0;
        let chosen = chosen_by(&Conservative::default(), &[seldom, enough, weak]);
        assert_eq!(chosen, [(2, 0.5)]);
    }

    #[test]
    fn never_more_than_three_by_default() {
        let partners: Vec<_> = (0..9).map(|n| partner(n, 0.9)).collect();
        let chosen = chosen_by(&Conservative::default(), &partners);
        assert_eq!(chosen, [(0, 0.9), (1, 0.9), (2, 0.9)]);
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let default = ConservativeParameters::default();
        let refused = |parameters| Conservative::new(parameters).unwrap_err().name;
        for bad in [-1.0, f32::NAN, f32::INFINITY] {
            let parameters = ConservativeParameters {
                min_support: bad,
                ..default
            };
            assert_eq!(refused(parameters), "min_support");
        }
        let parameters = ConservativeParameters {
            max_pairs: 0,
            ..default
        };
        assert_eq!(refused(parameters), "max_pairs");
        let parameters = ConservativeParameters {
            min_score: f32::NAN,
            ..default
        };
        assert_eq!(refused(parameters), "min_score");
    }
}
