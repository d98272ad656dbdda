//! What people ask: the state of the engine and what is known of a pair.

use std::time::Duration;

use forewarm_domain::{Association, Attempt, Key, SourceKind, Timestamp};

use super::Engine;
use crate::governor::TurnedDown;
use crate::ledger::Outcomes;
use crate::metrics::{BreakerState, OperationTotals};
use crate::ports::Usage;
use crate::sync::atomic::Ordering;

/// A partner of a pair, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation {
    /// The partner.
    pub key: Key,
    /// Strength times evidence, corrected for chance, in [0, 1].
    pub score: f32,
    /// P(read within the window | the event).
    pub probability: f32,
    /// Windows in which it followed, decayed.
    pub support: f32,
    /// How many times likelier than by chance.
    pub lift: f32,
    /// Mean time from the event to the read.
    pub lag: Duration,
    /// `update` or `read`: after which event of the pair.
    pub source: &'static str,
}

impl Correlation {
    pub(super) fn named(partner: Association, key: Key) -> Self {
        Self {
            key,
            score: partner.score,
            probability: partner.probability,
            support: partner.support,
            lift: partner.lift,
            lag: partner.lag,
            source: partner.kind.name(),
        }
    }
}

/// The engine in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The rule in force.
    pub strategy: &'static str,
    /// Its parameters and learned state.
    pub parameters: Vec<(&'static str, f64)>,
    /// Pairs tracked.
    pub pairs: usize,
    /// Updates and reads received, and tracked.
    pub events: (u64, u64),
    /// Since the model last learned something.
    pub model_age: Duration,
    /// The model's bytes.
    pub model_bytes: usize,
    /// Warming operations by status.
    pub operations: OperationTotals,
    /// Keys warmed.
    pub pairs_warmed: u64,
    /// Warm attempts by their end.
    pub attempts: [(Attempt, u64); Attempt::ALL.len()],
    /// What became of what was warmed.
    pub outcomes: Outcomes,
    /// Warms that have not ended.
    pub still_live: usize,
    /// Requests waiting.
    pub queue_depth: usize,
    /// Demand reads of L1: hits, misses.
    pub demand: (u64, u64),
    /// Of the misses that the same L1 without warming would have had so far, how many there were not
    /// (an estimate where the unwarmed L1 is sampled); negative where warming does harm.
    pub spared_misses: f64,
    /// Share of the extra reads in use.
    pub budget_used_ratio: f64,
    /// Reads left in the budget; `None` = unlimited.
    pub budget_left: Option<u64>,
    /// Why warming is turned down, if it is.
    pub turned_down: Option<TurnedDown>,
    /// The breaker before L2.
    pub breaker: BreakerState,
    /// What L1 holds.
    pub l1: Usage,
}

impl Engine {
    /// What is known to be read after an update or a read of `key`, strongest first.
    pub fn correlations(&self, key: &Key, limit: usize, now: Timestamp) -> Vec<Correlation> {
        let mut learner = self.learner.lock();
        let Some(id) = learner.model().id(key) else {
            return Vec::new();
        };
        let mut known = Vec::new();
        for kind in SourceKind::ALL {
            let partners = learner.partners(id, kind, now).to_vec();
            let named = partners.into_iter().filter_map(|partner| {
                let key = learner.key(partner.pair)?.clone();
                Some(Correlation::named(partner, key))
            });
            known.extend(named);
        }
        known.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
        known.truncate(limit);
        known
    }

    /// Whether nothing waits: no event to learn, no request to serve, no key on its way.
    pub fn is_idle(&self) -> bool {
        // In the order in which things move, so that nothing is missed for moving meanwhile.
        !self.has_news()
            && self.learner.lock().queued() == 0
            && self.choosing.load(Ordering::SeqCst) == 0
            && self.chosen.lock().is_empty()
            && self.flights.is_empty()
    }

    /// What L1 holds.
    pub fn l1_usage(&self) -> Usage {
        self.l1.usage()
    }

    /// The engine in figures.
    pub fn status(&self, now: Timestamp) -> Status {
        let learner = self.learner.lock();
        let (strategy, parameters) = (learner.strategy().name(), learner.strategy().parameters());
        let (pairs, queue_depth) = (learner.model().len(), learner.queued());
        let model_age = learner.model().age(now);
        let model_bytes = learner.model().memory_bytes();
        drop(learner);
        let (outcomes, still_live) = {
            let ledger = self.ledger.lock();
            (ledger.totals(), ledger.still_live())
        };
        let governor = self.governor.lock().clone();
        let demand = self.metrics.demand_totals();
        Status {
            strategy,
            parameters,
            pairs,
            events: self.metrics.update_totals(),
            model_age,
            model_bytes,
            operations: self.metrics.operation_totals(),
            pairs_warmed: self.metrics.pairs_warmed_total(),
            attempts: self.attempts.totals(),
            outcomes,
            still_live,
            queue_depth,
            demand: (demand.hits, demand.misses),
            spared_misses: self.ghost.lock().spared(),
            budget_used_ratio: governor.used_ratio(),
            budget_left: governor.left(self.risk(0)),
            turned_down: governor.turned_down(),
            breaker: self.breaker.lock().state(now),
            l1: self.l1.usage(),
        }
    }
}
