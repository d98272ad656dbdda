//! The rules by name.

use std::fmt;
use std::str::FromStr;

use forewarm_domain::SelectionStrategy;

use crate::{Adaptive, Aggressive, Conservative, Threshold, TimeBased, TopN};

/// Which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StrategyKind {
    /// The N best at or above a score.
    TopN,
    /// All at or above a score, up to a limit.
    Threshold,
    /// A low score suffices, and partners of partners count.
    Aggressive,
    /// Strong and often seen.
    Conservative,
    /// A controller that widens while it pays and narrows while it does not.
    Adaptive,
    /// Score and recency, weighted.
    TimeBased,
}

impl StrategyKind {
    /// Every rule.
    pub const ALL: [Self; 6] = [
        Self::TopN,
        Self::Threshold,
        Self::Aggressive,
        Self::Conservative,
        Self::Adaptive,
        Self::TimeBased,
    ];

    /// The id used in configuration, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopN => "topn",
            Self::Threshold => "threshold",
            Self::Aggressive => "aggressive",
            Self::Conservative => "conservative",
            Self::Adaptive => "adaptive",
            Self::TimeBased => "timebased",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No rule has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown strategy `{name}`, allowed are topn, threshold, aggressive, conservative, adaptive, timebased"
)]
pub struct UnknownStrategy {
    /// What was asked for.
    pub name: String,
}

impl FromStr for StrategyKind {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownStrategy { name: name.into() })
    }
}

/// The rule with its default parameters.
pub fn build_default(kind: StrategyKind) -> Box<dyn SelectionStrategy> {
    match kind {
        StrategyKind::TopN => Box::<TopN>::default(),
        StrategyKind::Threshold => Box::<Threshold>::default(),
        StrategyKind::Aggressive => Box::<Aggressive>::default(),
        StrategyKind::Conservative => Box::<Conservative>::default(),
        StrategyKind::Adaptive => Box::<Adaptive>::default(),
        StrategyKind::TimeBased => Box::<TimeBased>::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_the_rule_that_bears_it() {
        let expected = [
            "topn",
            "threshold",
            "aggressive",
            "conservative",
            "adaptive",
            "timebased",
        ];
        assert_eq!(StrategyKind::ALL.map(StrategyKind::name), expected);
        for kind in StrategyKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(build_default(kind).name(), kind.name());
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_all_that_are_known() {
        let message = "TopN".parse::<StrategyKind>().unwrap_err().to_string();
        assert!(message.contains("`TopN`"), "{message}");
        for kind in StrategyKind::ALL {
            assert!(message.contains(kind.name()), "{message} lacks {kind}");
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let check = |kind, expected: &[(&str, f64)]| {
            assert_eq!(build_default(kind).parameters(), expected, "{kind}");
        };
        check(StrategyKind::TopN, &[("top_n", 5.0), ("min_score", 0.3)]);
        check(
            StrategyKind::Threshold,
            &[("min_score", 0.5), ("max_pairs", 10.0)],
        );
        check(
            StrategyKind::Aggressive,
            &[("min_score", 0.2), ("max_pairs", 12.0)],
        );
        check(
            StrategyKind::Conservative,
            &[
                ("min_score", 0.5),
                ("max_pairs", 3.0),
                ("min_support", 10.0),
            ],
        );
        check(
            StrategyKind::Adaptive,
            &[
                ("target_hit_rate", 0.97),
                ("min_pairs", 3.0),
                ("max_pairs", 10.0),
                ("min_score", 0.3),
                ("adjustment", 0.1),
                ("pairs", 6.5),
                ("floor", 0.3),
            ],
        );
        check(
            StrategyKind::TimeBased,
            &[
                ("recency_weight", 0.3),
                ("correlation_weight", 0.7),
                ("recency_window_seconds", 60.0),
                ("top_n", 5.0),
                ("min_score", 0.3),
            ],
        );
    }
}
