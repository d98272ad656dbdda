//! `adaptive`: a controller on the windowed demand hit rate and on measured precision.
//!
//! Partners are ranked by what is expected of them, the probability of being read in time, and not
//! by the strength of the association. Two quantities are in force: how many pairs to choose and
//! from which probability on. Each decision
//! moves them by one step and rests on a window of evidence (see `evidence`): the demand
//! hit rate, the precision of the warms that ended, and how many candidates found the budget
//! spent. The first that applies:
//!
//! | evidence | pairs | floor |
//! |---|---|---|
//! | precision below 0.05 | one step down, past `min_pairs`, to zero | one step up |
//! | more than 0.2 of the candidates over budget | as they are | one step up: the budget goes to the best |
//! | hit rate at the target, precision below 0.5 | back towards `min_pairs` | back towards `min_score` |
//! | precision 0.1 or more, at most 0.05 over budget | one step up | one step down, below `min_score` too |
//! | misses, but too few warms to judge them | as they are | three steps down |
//! | anything else | as they are | as it is |
//!
//! A step is `adjustment` of (`max_pairs` − `min_pairs`) pairs and `adjustment` × 0.3 of floor.
//! Up and down cancel out and the bands between (0.05 to 0.1 of precision, 0.05 to 0.2 of
//! pressure) hold still, so a steady stream ends in a resting point or in a cycle of one step
//! around an edge, never in a swing between the extremes.
//!
//! At zero pairs nothing can be measured. After a rest of 8 windows with misses it tries again
//! with one pair at floor 0.9; each failure doubles the rest, up to 64 windows, and the first
//! success shortens it to 8 again.

mod evidence;

use forewarm_domain::{Candidate, SelectionContext, SelectionStrategy, WindowStatistics};

use crate::parameter::{InvalidParameter, readable, require, require_pairs, require_score};
use crate::shortlist::{append_best, expected_at_or_above};
use evidence::Evidence;

/// Below this share of useful warms the choice is bad.
const LOW_PRECISION: f64 = 0.05;
/// From this share on it is good.
const HIGH_PRECISION: f64 = 0.1;
/// From this share on more costs next to nothing, whether the target is reached or not.
const EXCELLENT_PRECISION: f64 = 0.5;
/// Up to this share over budget there is room for more.
const LOW_PRESSURE: f64 = 0.05;
/// Above this share the budget must be spent more carefully.
const HIGH_PRESSURE: f64 = 0.2;
/// The floor moves by `adjustment` of this.
const FLOOR_SPAN: f64 = 0.3;
/// The floor's own bounds; a `min_score` outside them widens them.
const LEAST_FLOOR: f64 = 0.02;
const GREATEST_FLOOR: f64 = 0.9;
/// Windows at zero pairs before the first and the last new attempts.
const FIRST_REST: u32 = 8;
const LONGEST_REST: u32 = 64;

/// The parameters of [`Adaptive`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveParameters {
    /// The share of demand look-ups that L1 should answer, 0 to 1; default 0.97. Below it the
    /// rule widens while that pays; at it the rule falls back to `min_pairs`.
    pub target_hit_rate: f32,
    /// The pairs chosen when all is well, 1 to `max_pairs`; default 3. Wasted warms take it
    /// lower, down to none.
    pub min_pairs: usize,
    /// The most pairs chosen, at least 1; default 10.
    pub max_pairs: usize,
    /// The probability from which on partners are chosen at first and when all is well, 0 to 1,
    /// inclusive; default 0.3. What is learned may lie below it (to 0.02) and above (to 0.9).
    pub min_score: f32,
    /// How far one decision moves, more than 0 up to 1; default 0.1, ten decisions from end to
    /// end. Higher follows faster and overshoots more.
    pub adjustment: f32,
}

impl Default for AdaptiveParameters {
    fn default() -> Self {
        Self {
            target_hit_rate: 0.97,
            min_pairs: 3,
            max_pairs: 10,
            min_score: 0.3,
            adjustment: 0.1,
        }
    }
}

/// Widens while misses are being removed and narrows while warms are wasted.
#[derive(Debug, Clone)]
pub struct Adaptive {
    parameters: AdaptiveParameters,
    /// Pairs in force; whole ones are chosen, zero means it rests.
    pairs: f64,
    /// Least score in force.
    floor: f64,
    evidence: Evidence,
    /// Windows with misses since it began to rest.
    rested: u32,
    /// After how many it tries again.
    rest: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::start(AdaptiveParameters::default())
    }
}

impl Adaptive {
    /// The rule, midway between its bounds, or which parameter it cannot have.
    pub fn new(parameters: AdaptiveParameters) -> Result<Self, InvalidParameter> {
        require_score("target_hit_rate", parameters.target_hit_rate)?;
        require_pairs("max_pairs", parameters.max_pairs)?;
        let min_pairs = parameters.min_pairs;
        let holds = (1..=parameters.max_pairs).contains(&min_pairs);
        require(holds, "min_pairs", min_pairs as f64, "1 to max_pairs")?;
        require_score("min_score", parameters.min_score)?;
        let adjustment = parameters.adjustment;
        let holds = adjustment > 0.0 && adjustment <= 1.0;
        let value = f64::from(adjustment);
        require(holds, "adjustment", value, "more than 0, up to 1")?;
        Ok(Self::start(parameters))
    }

    fn start(parameters: AdaptiveParameters) -> Self {
        Self {
            parameters,
            pairs: (parameters.min_pairs as f64 + parameters.max_pairs as f64) / 2.0,
            floor: f64::from(parameters.min_score),
            evidence: Evidence::default(),
            rested: 0,
            rest: FIRST_REST,
        }
    }

    /// Whole pairs in force; less than half a pair is none.
    fn limit(&self) -> usize {
        self.pairs.round() as usize
    }

    fn rests(&self) -> bool {
        self.pairs == 0.0
    }

    fn pair_step(&self) -> f64 {
        let span = self.parameters.max_pairs - self.parameters.min_pairs;
        readable(self.parameters.adjustment) * span.max(1) as f64
    }

    fn floor_step(&self) -> f64 {
        readable(self.parameters.adjustment) * FLOOR_SPAN
    }

    /// Whether there are more misses than there should be. The target is compared as it was
    /// written: 97 hits of 100 are 0.97.
    fn misses(&self) -> bool {
        self.evidence.hit_rate() < readable(self.parameters.target_hit_rate)
    }

    fn decide(&mut self) {
        let precision = self.evidence.precision();
        let pressure = self.evidence.pressure();
        let excellent = precision.is_some_and(|share| share >= EXCELLENT_PRECISION);
        let good = precision.is_some_and(|share| share >= HIGH_PRECISION);
        if precision.is_some_and(|share| share < LOW_PRECISION) {
            self.retreat();
        } else if pressure > HIGH_PRESSURE {
            self.move_floor(self.floor_step());
        } else if !self.misses() && !excellent {
            self.ease(good);
        } else if good && pressure <= LOW_PRESSURE {
            self.advance();
        } else if precision.is_none() && self.evidence.starves() {
            self.move_floor(-3.0 * self.floor_step());
        }
    }

    /// Fewer and better; when nothing is left, rest, longer after each failure.
    fn retreat(&mut self) {
        self.pairs -= self.pair_step();
        self.move_floor(self.floor_step());
        if self.pairs < 0.5 {
            self.pairs = 0.0;
            self.rested = 0;
        }
    }

    /// More, and from a lower score on.
    fn advance(&mut self) {
        let most = self.parameters.max_pairs as f64;
        self.pairs = (self.pairs + self.pair_step()).min(most);
        self.move_floor(-self.floor_step());
        self.rest = FIRST_REST;
    }

    /// Back towards the quiet state; wider than now only if what is fetched is good.
    fn ease(&mut self, good: bool) {
        let least = self.parameters.min_pairs as f64;
        if self.pairs > least {
            self.pairs = (self.pairs - self.pair_step()).max(least);
        } else if good {
            self.pairs = (self.pairs + self.pair_step()).min(least);
        }
        let home = f64::from(self.parameters.min_score);
        if self.floor < home {
            self.floor = (self.floor + self.floor_step()).min(home);
        } else if good {
            self.floor = (self.floor - self.floor_step()).max(home);
        }
    }

    /// At zero pairs: wait, and try again with one pair of the best when there are misses to
    /// remove. Warms that end meanwhile were chosen long ago and say nothing.
    fn wait(&mut self) {
        if !self.misses() {
            return;
        }
        self.rested += 1;
        if self.rested >= self.rest {
            self.rest = (self.rest * 2).min(LONGEST_REST);
            self.pairs = 1.0;
            self.floor = self.floor_bounds().1;
        }
    }

    fn floor_bounds(&self) -> (f64, f64) {
        let home = f64::from(self.parameters.min_score);
        (home.min(LEAST_FLOOR), home.max(GREATEST_FLOOR))
    }

    fn move_floor(&mut self, by: f64) {
        let (least, greatest) = self.floor_bounds();
        self.floor = (self.floor + by).clamp(least, greatest);
    }
}

impl SelectionStrategy for Adaptive {
    fn name(&self) -> &'static str {
        "adaptive"
    }

    fn max_pairs(&self) -> usize {
        self.parameters.max_pairs
    }

    fn select(&self, context: &SelectionContext<'_>, chosen: &mut Vec<Candidate>) {
        let limit = context.cap.min(self.limit());
        let candidates = expected_at_or_above(context.partners, self.floor as f32);
        append_best(chosen, limit, candidates);
    }

    fn reads_scores(&self) -> bool {
        false
    }

    /// A set that is wider than one operation is fetched in several, while all is well: when the
    /// pairs in force are the most there may be, but for the step by which it tries less.
    fn continues(&self, chosen: usize) -> bool {
        let widest = self.pairs + self.pair_step() >= self.parameters.max_pairs as f64;
        widest && chosen >= self.limit()
    }

    fn observe(&mut self, window: &WindowStatistics) {
        self.evidence.add(window);
        if self.rests() {
            if self.evidence.shows_demand() {
                self.wait();
                self.evidence = Evidence::default();
            }
        } else if self.evidence.suffices() {
            self.decide();
            self.evidence.next_window();
        }
    }

    fn parameters(&self) -> Vec<(&'static str, f64)> {
        let parameters = &self.parameters;
        vec![
            ("target_hit_rate", readable(parameters.target_hit_rate)),
            ("min_pairs", parameters.min_pairs as f64),
            ("max_pairs", parameters.max_pairs as f64),
            ("min_score", readable(parameters.min_score)),
            ("adjustment", readable(parameters.adjustment)),
            ("pairs", readable(self.pairs as f32)),
            ("floor", readable(self.floor as f32)),
        ]
    }

    fn boxed_clone(&self) -> Box<dyn SelectionStrategy> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
