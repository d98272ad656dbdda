//! Learning: from the event queue to the model and the warm queue, and the controller's tick.

use std::collections::VecDeque;

use crate::sync::MutexGuard;
use forewarm_domain::{
    Attempt, Event, Horizon, Key, Mode, Op, Operation, Rollout, SourceKind, Timestamp, Trigger,
    WindowStatistics,
};

use super::{Engine, Ghost, Observation, What};
use crate::learner::{Learner, Offer, Request, horizon};
use crate::metrics::DropReason;

/// Events learned under one hold of the lock: some 50 µs, which is what a choice may have to wait.
const BATCH: usize = 64;

/// The same when so many wait that some are about to be lost: then learning comes before warming, of
/// which more is asked than can be done.
const LARGE_BATCH: usize = 1_024;

/// Events asked about under one hold of the lock: some 50 µs too, at a tenth of what learning costs.
const ASKED_AT_ONCE: usize = 512;

/// An event that waits to be learned from.
#[derive(Debug)]
pub(super) struct Waiting {
    seen: Observation,
    /// A request for what follows it was offered, or waited already.
    asked: bool,
}

/// Windows closed by one tick.
const CLOSED_PER_TICK: usize = 65_536;

/// Totals at the last tick.
#[derive(Debug, Default)]
pub(super) struct Windows {
    reported: WindowStatistics,
}

/// What the model takes an event for.
fn source_of(op: Op) -> SourceKind {
    match op {
        Op::Read => SourceKind::Read,
        Op::Update | Op::Access => SourceKind::Update,
    }
}

impl Engine {
    /// The learner's loop body: queues warm requests for what is known to follow the queued events,
    /// then learns from a bounded batch of them; how many. 0 = nothing waited.
    ///
    /// Asking comes first because it costs a tenth: of a block of thousands of updates the last one
    /// must not wait until all the others are learned.
    pub fn learn(&self, now: Timestamp) -> usize {
        let mut learned = 0;
        let mut learner = self.learner.lock();
        while let Some(key) = self.crowded_out.pop() {
            learner.lost(&key);
        }
        let mut backlog = self.backlog.lock();
        let mut ghost = self.ghost.lock();
        let rollout = self.rollout.read();
        self.ask_first(&mut learner, &mut backlog, &rollout, now);
        let most = if backlog.len() > self.events.capacity() / 4 {
            LARGE_BATCH
        } else {
            BATCH
        };
        while learned < most
            && let Some(waiting) = backlog.pop_front()
        {
            learned += 1;
            self.keep_ghost(&mut ghost, &waiting.seen, now);
            self.learn_one(&mut learner, &rollout, waiting, now);
        }
        drop(backlog);
        drop(rollout);
        drop(ghost);
        // Whoever waits for the model gets its turn before the next batch: this loop would else have the
        // lock again before that one is awake.
        MutexGuard::unlock_fair(learner);
        learned
    }

    /// Whether there is something to [`learn`](Self::learn).
    pub fn has_news(&self) -> bool {
        !self.events.is_empty() || !self.backlog.lock().is_empty()
    }

    /// Takes queued events in, as long as there is room, and asks for what follows those of known
    /// pairs.
    fn ask_first(
        &self,
        learner: &mut Learner,
        backlog: &mut VecDeque<Waiting>,
        rollout: &Rollout,
        now: Timestamp,
    ) {
        for _ in 0..ASKED_AT_ONCE {
            if backlog.len() >= self.events.capacity() {
                break;
            }
            let Some(seen) = self.events.pop() else { break };
            let mut asked = false;
            if let Some(kind) = seen.what.op().map(source_of)
                && let Some(pair) = learner.model().id(&seen.key)
                && rollout.mode(&seen.key) != Mode::Off
            {
                let trigger = seen.what.trigger();
                let request = Request {
                    pair,
                    kind,
                    trigger,
                    at: now,
                    part: 0,
                };
                let offer = self.offer(learner, &seen.key, request);
                asked = offer != Offer::NothingKnown;
            }
            backlog.push_back(Waiting { seen, asked });
        }
    }

    fn learn_one(
        &self,
        learner: &mut Learner,
        rollout: &Rollout,
        Waiting { seen, asked }: Waiting,
        now: Timestamp,
    ) {
        let Some(op) = seen.what.op() else {
            return;
        };
        if rollout.mode(&seen.key) == Mode::Off {
            return;
        }
        let event = Event {
            key: seen.key,
            op,
            at: seen.at,
        };
        let request = learner.observe(&event, seen.what.trigger(), now);
        self.metrics.updates_tracked(event.key.chain(), 1);
        if !asked {
            self.offer(learner, &event.key, Request { at: now, ..request });
        }
    }

    fn offer(&self, learner: &mut Learner, key: &Key, request: Request) -> Offer {
        let offer = learner.offer(request);
        match offer {
            Offer::Queued => self.metrics.warm_requested(key.chain()),
            Offer::Full => {
                self.metrics.warm_requested(key.chain());
                self.metrics.dropped(key.chain(), DropReason::QueueFull);
                self.attempts.count(Attempt::Dropped, 1);
            }
            Offer::Waiting | Offer::NothingKnown => {}
        }
        offer
    }

    /// Plays the event on the unwarmed L1.
    fn keep_ghost(&self, ghost: &mut Ghost, seen: &Observation, now: Timestamp) {
        if seen.what != What::Flushed && !self.follows(&seen.key) {
            return;
        }
        let played = ghost.play(seen, now);
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
            self.offer(&mut learner, key, request) == Offer::Queued
        });
        drop(learner);
        if queued {
            (self.wake_learner)();
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
        self.measure_drift(now);
        let statistics = self.since_last_tick();
        if statistics.warmed == 0 {
            self.doubt_what_warms_take();
        }
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
