//! The strategies' parameters, one section each, named by the strategy's id.

use super::section::{choice, section};
use super::sections::Warming;
use super::units::Span;

choice! {
    /// The rule that chooses what is fetched.
    pub enum Strategy {
        /// The N best.
        TopN = "topn",
        /// All at or above a score, capped.
        Threshold = "threshold",
        /// Wide and early, partners' partners included.
        Aggressive = "aggressive",
        /// Only well-supported, strong partners.
        Conservative = "conservative",
        /// A controller that follows the hit ratio and what warms are worth.
        Adaptive = "adaptive",
        /// Score and recency, weighted.
        TimeBased = "timebased",
    }
}

section! {
    /// Parameters of `topn`.
    pub struct TopN {
        /// Most pairs chosen.
        top_n: usize = 5, 1 => 256;
        /// Least score chosen.
        min_score: f32 = 0.3, 0.0 => 1.0;
    }
}

section! {
    /// Parameters of `threshold`.
    pub struct Threshold {
        /// Least score chosen.
        min_score: f32 = 0.5, 0.0 => 1.0;
        /// Most pairs chosen.
        max_pairs: usize = 10, 1 => 256;
    }
}

section! {
    /// Parameters of `aggressive`.
    pub struct Aggressive {
        /// Least score chosen; a second hop's score is multiplied along the path.
        min_score: f32 = 0.2, 0.0 => 1.0;
        /// Most pairs chosen.
        max_pairs: usize = 12, 1 => 256;
    }
}

section! {
    /// Parameters of `conservative`.
    pub struct Conservative {
        /// Least score chosen.
        min_score: f32 = 0.5, 0.0 => 1.0;
        /// Most pairs chosen.
        max_pairs: usize = 3, 1 => 256;
        /// How often a partner must have followed, decayed.
        min_support: f32 = 10.0, 0.0 => 1_000_000.0;
    }
}

section! {
    /// Parameters of `adaptive`.
    pub struct Adaptive {
        /// The demand hit ratio at which it stops widening.
        target_hit_rate: f32 = 0.97, 0.0 => 1.0;
        /// Pairs it starts from; the governor may go below.
        min_pairs: usize = 3, 0 => 256;
        /// Most pairs chosen.
        max_pairs: usize = 10, 1 => 256;
        /// The probability of being read in time that it starts from as the least chosen; it moves by itself,
        /// below this too.
        min_score: f32 = 0.3, 0.0 => 1.0;
        /// How far one step goes.
        adjustment: f32 = 0.1, 0.0 => 1.0;
    }
}

section! {
    /// Parameters of `timebased`.
    pub struct TimeBased {
        /// What recency counts.
        recency_weight: f32 = 0.3, 0.0 => 1.0;
        /// What the score counts.
        correlation_weight: f32 = 0.7, 0.0 => 1.0;
        /// How long a pair counts as recent, fading evenly.
        recency_window: Span = Span::secs(60), Span::millis(1) => Span::secs(86_400);
        /// Most pairs chosen.
        top_n: usize = 5, 1 => 256;
        /// Least score chosen.
        min_score: f32 = 0.3, 0.0 => 1.0;
    }
}

impl Warming {
    /// The setting that bounds the chosen strategy's pairs, and its value.
    pub fn strategy_maximum(&self) -> (&'static str, usize) {
        match self.strategy {
            Strategy::TopN => ("warming.topn.top_n", self.topn.top_n),
            Strategy::Threshold => ("warming.threshold.max_pairs", self.threshold.max_pairs),
            Strategy::Aggressive => ("warming.aggressive.max_pairs", self.aggressive.max_pairs),
            Strategy::Conservative => (
                "warming.conservative.max_pairs",
                self.conservative.max_pairs,
            ),
            Strategy::Adaptive => ("warming.adaptive.max_pairs", self.adaptive.max_pairs),
            Strategy::TimeBased => ("warming.timebased.top_n", self.timebased.top_n),
        }
    }
}
