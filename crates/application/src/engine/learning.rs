//! Learning: from the event queue to the model and the warm queue, and the controller's tick.

use forewarm_domain::{
    Attempt, Event, Horizon, Key, Mode, Operation, SourceKind, Timestamp, Trigger, WindowStatistics,
};

use super::{Engine, Observation};
use crate::learner::{Learner, Offer, Request, horizon};
use crate::metrics::DropReason;

/// Events learned under one hold of the lock: some 100 µs at most.
const BATCH: usize = 256;

/// Windows closed by one tick.
const CLOSED_PER_TICK: usize = 65_536;

/// Totals at the last tick.
#[derive(Debug, Default)]
pub(super) struct Windows {
    reported: WindowStatistics,
}

impl Engine {
    /// The learner's loop body: learns a bounded batch of queued events and queues warm
    /// requests; how many events. 0 = the queue was empty.
    pub fn learn(&self, now: Timestamp) -> usize {
        let mut learned = 0;
        let mut queued = false;
        let mut learner = self.learner.lock();
        while let Some(key) = self.crowded_out.pop() {
            learner.lost(&key);
        }
        while learned < BATCH
            && let Some(observation) = self.events.pop()
        {
            learned += 1;
            queued |= self.learn_one(&mut learner, &observation, now);
        }
        drop(learner);
        if queued {
            (self.wake_warmer)();
        }
        learned
    }

    fn learn_one(&self, learner: &mut Learner, seen: &Observation, now: Timestamp) -> bool {
        self.keep_ghost(seen, now);
        let Some(op) = seen.what.op() else {
            return false;
        };
        let chain = seen.key.chain();
        if self.rollout.read().mode(&seen.key) == Mode::Off {
            return false;
        }
        let event = Event {
            key: seen.key.clone(),
            op,
            at: seen.at,
        };
        let request = learner.observe(&event, seen.what.trigger(), now);
        self.metrics.updates_tracked(chain, 1);
        self.offer(learner, &seen.key, Request { at: now, ..request })
    }

    fn offer(&self, learner: &mut Learner, key: &Key, request: Request) -> bool {
        match learner.offer(request) {
            Offer::Queued => {
                self.metrics.warm_requested(key.chain());
                true
            }
            Offer::Full => {
                self.metrics.warm_requested(key.chain());
                self.metrics.dropped(key.chain(), DropReason::QueueFull);
                self.attempts.count(Attempt::Dropped, 1);
                false
            }
            Offer::Waiting | Offer::NothingKnown => false,
        }
    }

    /// Plays the event on the unwarmed L1.
    fn keep_ghost(&self, seen: &Observation, now: Timestamp) {
        let played = self.ghost.lock().play(seen, now);
        if played.reads == 0.0 && played.judged.is_none() {
            return;
        }
        let mut governor = self.governor.lock();
        governor.off_would_read(played.reads);
        if let Some((trigger, off_hit, weight)) = played.judged {
            governor.judge(trigger, off_hit, weight);
        }
    }

    /// Asks for what follows an update of `key` to be warmed; whether it was queued.
    pub fn request_warm(&self, key: &Key, now: Timestamp) -> bool {
        let mut learner = self.learner.lock();
        let Some(pair) = learner.model().id(key) else {
            return false;
        };
        let queued = SourceKind::ALL.into_iter().any(|kind| {
            let request = Request {
                pair,
                kind,
                trigger: Trigger::Elsewhere,
                at: now,
                part: 0,
            };
            self.offer(&mut learner, key, request)
        });
        drop(learner);
        if queued {
            (self.wake_warmer)();
        }
        queued
    }

    /// About once a second: closes the windows that time has completed, tells the strategy what
    /// happened, and sets the gauges.
    pub fn tick(&self, now: Timestamp) {
        // Look-ups that hit close no watches.
        let next = self.lookup_number() + 1;
        let ended = |(chain, outcome)| self.metrics.outcome(chain, outcome);
        self.ledger.lock().advance(next, ended);
        self.keep_share();
        let statistics = self.since_last_tick();
        let bounds = self.bounds();
        let mut learner = self.learner.lock();
        learner.set_bounds(bounds, self.warms_take());
        learner.model_mut().advance(now, CLOSED_PER_TICK);
        learner.strategy_mut().observe(&statistics);
        let model = learner.model();
        self.metrics.set_model(model.age(now), model.memory_bytes());
        self.metrics.set_queue_depth(learner.queued());
        let mut pairs = [0_usize; forewarm_domain::Chains::LIMIT];
        for (_, key) in model.pairs() {
            pairs[usize::from(key.chain().0) % pairs.len()] += 1;
        }
        drop(learner);
        for (chain, &pairs) in pairs.iter().enumerate().filter(|(_, pairs)| **pairs > 0) {
            let chain = forewarm_domain::ChainId(chain as u16);
            self.metrics.set_pairs_tracked(chain, pairs);
            self.metrics
                .set_mode(chain, self.rollout.read().chain(chain).mode);
        }
        let governor = self.governor.lock().clone();
        self.metrics.set_budget_used_ratio(governor.used_ratio());
        self.metrics
            .set_turned_down(governor.turned_down().is_some());
        self.metrics.set_breaker(self.breaker.lock().state(now));
        let usage = self.l1.usage();
        self.metrics
            .set_cache_size(super::Level::L1, usage.weight, usage.entries as u64);
        self.metrics
            .set_cache_capacity(super::Level::L1, usage.capacity);
    }

    /// Within how many reads a warmed entry must be read.
    fn bounds(&self) -> Horizon {
        horizon(self.l1_entries(), self.config.l1_share)
    }

    /// How many entries of the usual size L1 can hold.
    pub(super) fn l1_entries(&self) -> u64 {
        let usage = self.l1.usage();
        let mean = (usage.weight / (usage.entries as u64).max(1)).max(1);
        usage.capacity / mean
    }

    fn since_last_tick(&self) -> WindowStatistics {
        let demand = self.metrics.demand_totals();
        let totals = self.ledger.lock().totals();
        let all = WindowStatistics {
            lookups: demand.hits + demand.misses,
            hits: demand.hits,
            warmed: totals.warmed,
            useful: totals.useful,
            late: totals.late,
            wasted: totals.wasted + totals.harmful,
            over_budget: self.metrics.dropped_total(DropReason::OverBudget),
        };
        let mut windows = self.windows.lock();
        let since = all.since(&windows.reported);
        windows.reported = all;
        since
    }

    pub(super) fn count_operation(&self, key: &Key, operation: Operation) {
        self.metrics.operation(key.chain(), operation);
    }
}
