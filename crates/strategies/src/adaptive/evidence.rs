//! What has been measured since the last decision.
//!
//! Demand is windowed: at least 64 look-ups, more (up to 512) while fewer than 16 warms have
//! ended. Endings that are too few for a judgement are kept for the next window, so a stream
//! of few warms is judged late but judged.

use forewarm_domain::WindowStatistics;

/// Look-ups that make a hit rate.
const LOOKUPS: u64 = 64;
/// Look-ups after which it is no use waiting for more endings.
const PATIENCE: u64 = 512;
/// Ended warms that make a precision, and candidates that make a pressure.
const WARMS: u64 = 16;

/// Counts since the last decision; they saturate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    lookups: u64,
    hits: u64,
    warmed: u64,
    over_budget: u64,
    /// Ended warms that a demand read wanted.
    wanted: u64,
    /// Ended warms that nobody did.
    wasted: u64,
}

impl Evidence {
    pub(super) fn add(&mut self, window: &WindowStatistics) {
        let wanted = window.useful.saturating_add(window.late);
        for (held, more) in [
            (&mut self.lookups, window.lookups),
            (&mut self.hits, window.hits),
            (&mut self.warmed, window.warmed),
            (&mut self.over_budget, window.over_budget),
            (&mut self.wanted, wanted),
            (&mut self.wasted, window.wasted),
        ] {
            *held = held.saturating_add(more);
        }
    }

    /// Whether there is a hit rate.
    pub(super) fn shows_demand(&self) -> bool {
        self.lookups >= LOOKUPS
    }

    /// Whether to decide now.
    pub(super) fn suffices(&self) -> bool {
        self.shows_demand() && (self.ended() >= WARMS || self.lookups >= PATIENCE)
    }

    /// The share of demand look-ups that L1 answered.
    pub(super) fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.lookups.max(1) as f64
    }

    /// The share of ended warms that were wanted; unknown while few have ended.
    pub(super) fn precision(&self) -> Option<f64> {
        let ended = self.ended();
        (ended >= WARMS).then(|| self.wanted as f64 / ended as f64)
    }

    /// The share of candidates that found the budget spent; none while there are few.
    pub(super) fn pressure(&self) -> f64 {
        let candidates = self.over_budget.saturating_add(self.warmed);
        if candidates < WARMS {
            return 0.0;
        }
        self.over_budget as f64 / candidates as f64
    }

    /// Whether hardly anything was fetched, as opposed to not having ended yet.
    pub(super) fn starves(&self) -> bool {
        self.warmed < WARMS
    }

    /// Forgets the demand, and the endings if they have been judged.
    pub(super) fn next_window(&mut self) {
        let judged = self.precision().is_some();
        *self = Self {
            wanted: if judged { 0 } else { self.wanted },
            wasted: if judged { 0 } else { self.wasted },
            ..Self::default()
        };
    }

    fn ended(&self) -> u64 {
        self.wanted.saturating_add(self.wasted)
    }
}
