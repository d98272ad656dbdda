//! Choosing: from the waiting requests to the keys to be fetched for them.
//!
//! Computing alone, and under the learner's lock: it is the learner's thread that does it, between two lots
//! of events, so that nobody waits for that lock and no thread that carries answers is held up. What L1 has
//! already ends here; the rest waits for [`Engine::serve`].

use std::collections::VecDeque;

use crate::sync::MutexGuard;
use crate::sync::atomic::{AtomicUsize, Ordering};

use forewarm_domain::{Attempt, Key, Mode, Operation, PairId, Standing, Timestamp};
use smallvec::SmallVec;

use super::Engine;
use crate::learner::{Learner, Request};
use crate::metrics::DropReason;

/// Requests chosen for under one hold of the learner's lock: a choice takes 5 to 11 µs, and events wait
/// meanwhile.
const CHOSEN_AT_ONCE: usize = 8;

/// One request with the keys it would like.
pub(super) struct Wish {
    pub(super) source: Key,
    /// When it was asked for.
    pub(super) asked: Timestamp,
    /// To be fetched.
    pub(super) wanted: Vec<Key>,
    /// What the event asks for when this is on its way.
    pub(super) next: Option<Request>,
}

/// Wishes that wait to be fetched, in their order.
#[derive(Default)]
pub(super) struct Chosen {
    waiting: VecDeque<Wish>,
    /// Keys they want.
    keys: usize,
    /// Wishes taken, of which it is not settled yet what is fetched for them.
    boarding: usize,
}

impl Chosen {
    fn push(&mut self, wish: Wish) {
        self.keys += wish.wanted.len();
        self.waiting.push_back(wish);
    }

    /// The oldest, until they want `most` keys.
    pub(super) fn take(&mut self, most: usize) -> Vec<Wish> {
        let (mut taken, mut keys) = (Vec::new(), 0);
        while keys < most
            && let Some(wish) = self.waiting.pop_front()
        {
            keys += wish.wanted.len();
            taken.push(wish);
        }
        self.keys -= keys;
        self.boarding += taken.len();
        taken
    }

    /// So many of those taken are on their way, or will not go.
    pub(super) fn boarded(&mut self, wishes: usize) {
        self.boarding -= wishes;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.boarding == 0
    }
}

/// One that chooses, however it ends.
struct Choosing<'a>(&'a AtomicUsize);

impl<'a> Choosing<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Choosing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine {
    /// The learner's loop body beside [`learn`](Self::learn): takes some of the waiting requests and chooses
    /// what to fetch for them; how many. 0 = none waited, or what was chosen before fills an L2 read and
    /// waits for [`serve`](Self::serve): then the requests wait too, where they are bounded, merged and
    /// dropped when they are too old.
    pub fn choose(&self, now: Timestamp) -> usize {
        if !self.may_choose() {
            return 0;
        }
        let _choosing = Choosing::begin(&self.choosing);
        let (turned_down, price) = {
            let governor = self.governor.lock();
            (governor.turned_down().is_some(), governor.price())
        };
        let cap = if turned_down {
            0
        } else {
            self.config.max_pairs_per_warm
        };
        let mut taken = 0;
        let mut learner = self.learner.lock();
        while taken < CHOSEN_AT_ONCE
            && let Some(request) = learner.next_request()
        {
            taken += 1;
            let Some(source) = learner.key(request.pair).cloned() else {
                continue;
            };
            if now.since(request.at) > self.config.request_deadline {
                self.metrics.dropped(source.chain(), DropReason::Deadline);
                self.attempts.count(Attempt::Dropped, 1);
                self.count_operation(&source, Operation::Skipped);
                continue;
            }
            let wish = self.choose_for(&mut learner, request, source, now, (cap, price));
            if wish.wanted.is_empty() {
                self.count_operation(&wish.source, Operation::Skipped);
                if let Some(next) = wish.next {
                    learner.offer(next);
                }
            } else {
                self.chosen.lock().push(wish);
                (self.wake_warmer)();
            }
        }
        // Whoever waits for the model has its turn before another lot is taken.
        MutexGuard::unlock_fair(learner);
        taken
    }

    /// Whether what was chosen leaves room for more.
    fn may_choose(&self) -> bool {
        self.chosen.lock().keys < self.config.max_keys_per_read
    }

    /// Whether there is something to [`learn`](Self::learn) or to [`choose`](Self::choose).
    pub fn has_work(&self) -> bool {
        self.has_news() || (self.may_choose() && self.learner.lock().queued() > 0)
    }

    /// What the strategy would fetch for a request, by mode: the source's chain must be on for
    /// anything to be fetched, and each key decides for itself by its chain and its side of the
    /// percentage. So a pair is warmed for everybody or for nobody, and the two sides of a
    /// roll-out can be compared.
    fn choose_for(
        &self,
        learner: &mut Learner,
        request: Request,
        source: Key,
        now: Timestamp,
        (cap, price): (usize, f32),
    ) -> Wish {
        let rollout = self.rollout.read();
        let most = rollout.chain(source.chain()).mode;
        let cap = if most == Mode::Off { 0 } else { cap };
        let closed = self.is_closed();
        let standing = |_, key: &Key| match self.l1.standing(key, now) {
            Standing::Fresh => Standing::Fresh,
            Standing::Absent if closed => Standing::Fresh,
            _ if self.flights.is_flying(key) => Standing::Fresh,
            lacking => lacking,
        };
        learner.select(request, now, cap, price, standing);
        let next = learner.continuation(request);
        let selected: SmallVec<[PairId; 16]> = learner
            .selected()
            .iter()
            .map(|candidate| candidate.pair)
            .collect();
        if let (Some(strategy), selected @ 1..) = (*self.strategy_label.read(), selected.len()) {
            self.metrics
                .pairs_selected(source.chain(), strategy, selected as u64);
        }
        let (mut wanted, mut shadowed) = (Vec::new(), Vec::new());
        for &pair in &selected {
            let Some(key) = learner.key(pair) else {
                continue;
            };
            if self.l1.has(key, now) {
                self.attempts.count(Attempt::AlreadyCached, 1);
                continue;
            }
            match rollout.mode(key).min(most) {
                Mode::On => wanted.push(key.clone()),
                Mode::Shadow => shadowed.push(key.clone()),
                Mode::Off => {}
            }
        }
        if !shadowed.is_empty() {
            // Accounts for what would have been done.
            self.shadow.would_warm(&shadowed);
        }
        Wish {
            source,
            asked: request.at,
            wanted,
            next,
        }
    }
}
