//! `timebased`: score and recency, weighted.

use std::time::Duration;

use forewarm_domain::{
    Association, Candidate, Reason, SelectionContext, SelectionStrategy, Timestamp,
};

use crate::parameter::{InvalidParameter, readable, require, require_pairs, require_score};
use crate::shortlist::append_best;

/// The parameters of [`TimeBased`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeBasedParameters {
    /// What recency counts, 0 or more; default 0.3. Only the ratio of the two weights matters.
    pub recency_weight: f32,
    /// What the score counts, 0 or more; default 0.7.
    pub correlation_weight: f32,
    /// The age at which recency has fallen to 0, more than 0; default 60 s.
    pub recency_window: Duration,
    /// The most pairs chosen, at least 1; default 5.
    pub top_n: usize,
    /// The least score (of the association alone), 0 to 1, inclusive; default 0.3.
    pub min_score: f32,
}

impl Default for TimeBasedParameters {
    fn default() -> Self {
        Self {
            recency_weight: 0.3,
            correlation_weight: 0.7,
            recency_window: Duration::from_secs(60),
            top_n: 5,
            min_score: 0.3,
        }
    }
}

/// The N best by score and recency.
///
/// Recency is 1 for a partner active now and falls in a straight line to 0 at the window's
/// edge, so nothing jumps when a partner crosses it. A partner's rank is the weighted mean of
/// its score and its recency, in [0, 1].
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeBased {
    parameters: TimeBasedParameters,
}

impl TimeBased {
    /// The rule, or which parameter it cannot have.
    pub fn new(parameters: TimeBasedParameters) -> Result<Self, InvalidParameter> {
        for (name, weight) in [
            ("recency_weight", parameters.recency_weight),
            ("correlation_weight", parameters.correlation_weight),
        ] {
            // The upper bound keeps the sum of both finite.
            let holds = (0.0..=1e6).contains(&weight);
            require(holds, name, readable(weight), "0 to 1000000")?;
        }
        let sum = parameters.recency_weight + parameters.correlation_weight;
        let allowed = "0 to 1000000, more than 0 together with recency_weight";
        require(sum >= 1e-6, "correlation_weight", readable(sum), allowed)?;
        let window = parameters.recency_window;
        require(
            !window.is_zero(),
            "recency_window",
            window.as_secs_f64(),
            "more than 0 s",
        )?;
        require_pairs("top_n", parameters.top_n)?;
        require_score("min_score", parameters.min_score)?;
        Ok(Self { parameters })
    }

    fn candidate(&self, partner: &Association, now: Timestamp) -> Candidate {
        let TimeBasedParameters {
            recency_weight,
            correlation_weight,
            recency_window,
            ..
        } = self.parameters;
        let age = now.since(partner.last_seen);
        let recency = (1.0 - age.as_secs_f32() / recency_window.as_secs_f32()).max(0.0);
        let sum = recency_weight + correlation_weight;
        let fresh = recency_weight * recency;
        Candidate {
            pair: partner.pair,
            score: ((correlation_weight * partner.score + fresh) / sum).min(1.0),
            reason: if fresh > 0.0 {
                Reason::Recent
            } else {
                Reason::Partner
            },
        }
    }
}

impl SelectionStrategy for TimeBased {
    fn name(&self) -> &'static str {
        "timebased"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.top_n
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let candidates = context
            .partners
            .iter()
            .filter(|partner| partner.score >= self.parameters.min_score)
            .map(|partner| self.candidate(partner, context.now));
        append_best(chosen, context.cap.min(self.parameters.top_n), candidates);
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        let window = self.parameters.recency_window.as_secs_f64();
        vec![
            ("recency_weight", readable(self.parameters.recency_weight)),
            (
                "correlation_weight",
                readable(self.parameters.correlation_weight),
            ),
            ("recency_window_seconds", window),
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
    use crate::fixture::{NOW, chosen_by, partner, select};

    fn seen(mut partner: Association, age: Duration) -> Association {
        partner.last_seen = NOW - age;
        partner
    }

    fn check(score: f32, age: Duration, expected: f32) {
        let partners = [seen(partner(1, score), age)];
        let chosen = chosen_by(&TimeBased::default(), &partners);
        assert_eq!(chosen.len(), 1);
        let (_, rank) = chosen[0];
        assert!(
            (rank - expected).abs() < 1e-4,
            "{age:?}: {rank}, not {expected}"
        );
    }

    #[test]
    fn rank_is_the_weighted_mean_of_score_and_recency() {
        check(0.5, Duration::ZERO, 0.65);
        check(0.5, Duration::from_secs(30), 0.5);
        check(0.5, Duration::from_secs(60), 0.35);
        check(0.5, Duration::from_secs(3_600), 0.35);
    }

    #[test]
    fn nothing_jumps_at_the_edge_of_the_window() {
        check(0.8, Duration::from_millis(59_999), 0.56);
        check(0.8, Duration::from_millis(60_001), 0.56);
    }

    #[test]
    fn weights_count_by_their_ratio() {
        let scaled = TimeBased::new(TimeBasedParameters {
            recency_weight: 3.0,
            correlation_weight: 7.0,
            ..TimeBasedParameters::default()
        })
        .unwrap();
        let partners = [seen(partner(1, 0.5), Duration::ZERO)];
        let (_, rank) = chosen_by(&scaled, &partners)[0];
        assert!((rank - 0.65).abs() < 1e-6, "{rank}");
    }

    #[test]
    fn recency_decides_between_equals_and_says_so() {
        let old = seen(partner(1, 0.6), Duration::from_secs(90));
        let fresh = seen(partner(2, 0.6), Duration::from_secs(1));
        let chosen = select(&TimeBased::default(), &[old, fresh], 5);
        let reasons: Vec<_> = chosen.iter().map(|c| (c.pair, c.reason)).collect();
        let expected = [(fresh.pair, Reason::Recent), (old.pair, Reason::Partner)];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn recency_never_lifts_a_weak_partner_over_the_floor() {
        let weak = seen(partner(1, 0.29), Duration::ZERO);
        assert_eq!(chosen_by(&TimeBased::default(), &[weak]), []);
    }

    #[test]
    fn a_partner_seen_ahead_of_now_is_as_recent_as_can_be() {
        let mut ahead = partner(1, 1.0);
        ahead.last_seen = NOW + Duration::from_secs(5);
        assert_eq!(chosen_by(&TimeBased::default(), &[ahead]), [(1, 1.0)]);
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let default = TimeBasedParameters::default();
        let check = |parameters, expected| {
            let refused = TimeBased::new(parameters).unwrap_err();
            assert_eq!(refused.name, expected);
        };
        for recency_weight in [-0.1, f32::NAN, f32::INFINITY] {
            let parameters = TimeBasedParameters {
                recency_weight,
                ..default
            };
            check(parameters, "recency_weight");
        }
        let weightless = TimeBasedParameters {
            recency_weight: 0.0,
            correlation_weight: 0.0,
            ..default
        };
        check(weightless, "correlation_weight");
        let windowless = TimeBasedParameters {
            recency_window: Duration::ZERO,
            ..default
        };
        check(windowless, "recency_window");
        check(
            TimeBasedParameters {
                top_n: 0,
                ..default
            },
            "top_n",
        );
        let unreachable = TimeBasedParameters {
            min_score: 1.01,
            ..default
        };
        check(unreachable, "min_score");
    }
}
