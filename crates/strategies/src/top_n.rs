//! `topn`: the N best partners at or above a score.

use forewarm_domain::{Candidate, SelectionContext, SelectionStrategy};

use crate::parameter::{InvalidParameter, readable, require_pairs, require_score};
use crate::shortlist::{append_best, at_or_above};

/// The parameters of [`TopN`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopNParameters {
    /// The most pairs chosen, at least 1; default 5.
    pub top_n: usize,
    /// The least score, 0 to 1, inclusive; default 0.3.
    pub min_score: f32,
}

impl Default for TopNParameters {
    fn default() -> Self {
        Self {
            top_n: 5,
            min_score: 0.3,
        }
    }
}

/// The N best partners at or above a score: the plain rule, and the first week's.
#[derive(Debug, Clone, Copy, Default)]
pub struct TopN {
    parameters: TopNParameters,
}

impl TopN {
    /// The rule, or which parameter it cannot have.
    pub fn new(parameters: TopNParameters) -> Result<Self, InvalidParameter> {
        require_pairs("top_n", parameters.top_n)?;
        require_score("min_score", parameters.min_score)?;
        Ok(Self { parameters })
    }
}

impl SelectionStrategy for TopN {
    fn name(&self) -> &'static str {
        "topn"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.top_n
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let limit = context.cap.min(self.parameters.top_n);
        let candidates = at_or_above(context.partners, self.parameters.min_score);
        append_best(chosen, limit, candidates);
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("top_n", self.parameters.top_n as f64),
            ("min_score", readable(self.parameters.min_score)),
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
    fn the_best_n_at_or_above_the_floor_are_chosen() {
        let rule = TopN::new(TopNParameters {
            top_n: 2,
            min_score: 0.4,
        })
        .unwrap();
        let partners = [partner(1, 0.4), partner(2, 0.39), partner(3, 0.9)];
        assert_eq!(chosen_by(&rule, &partners), [(3, 0.9), (1, 0.4)]);
        let more = [partner(1, 0.4), partner(4, 0.5), partner(3, 0.9)];
        assert_eq!(chosen_by(&rule, &more), [(3, 0.9), (4, 0.5)]);
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let refused = |top_n, min_score| {
            TopN::new(TopNParameters { top_n, min_score })
                .unwrap_err()
                .name
        };
        assert_eq!(refused(0, 0.3), "top_n");
        assert_eq!(refused(5, -0.1), "min_score");
    }
}
