//! Warming: requests → selection → peek → budget → one L2 read → L1 if newer → ledger.

use std::time::Duration;

use crate::sync::atomic::Ordering;

use forewarm_domain::{Attempt, ChainId, Key, Operation, Timestamp};
use tokio::time::Instant;

use super::choosing::Wish;
use super::lookup::Limit;
use super::{Engine, Level};
use crate::flights::{Arrival, Ticket};
use crate::governor::Risk;
use crate::learner::stay;
use crate::metrics::{DropReason, EvictionReason, StrategyLabel};
use crate::ports::{Cached, Placement, SharedCacheError, Stored};

/// What one call of [`Engine::warm`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WarmReport {
    /// Requests taken from the queue. 0 = it was empty.
    pub operations: usize,
    /// The operations whose keys were read from L2, for the caller's stop-watch.
    pub sent: Vec<Sent>,
    /// Keys read.
    pub keys: usize,
    /// Keys placed in L1.
    pub warmed: usize,
}

/// An operation that read L2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The chain of its source.
    pub chain: ChainId,
    /// From its request to the call that served it.
    pub waited: Duration,
}

/// One wish with leave to fetch.
struct Boarded<'a> {
    source: Key,
    asked: Timestamp,
    tickets: Vec<Ticket<'a>>,
}

impl Engine {
    /// The whole of it in one call: chooses for the waiting requests, at most as many as fill one L2
    /// read, and serves them with that one read.
    pub async fn warm(&self, now: Timestamp) -> WarmReport {
        let mut taken = 0;
        while taken < self.config.max_keys_per_read {
            match self.choose(now) {
                0 => break,
                some => taken += some,
            }
        }
        let mut report = self.serve(now).await;
        report.operations = report.operations.max(taken);
        report
    }

    /// The warm loop's body: fetches what [`choose`](Self::choose) chose, at most as much as fills one
    /// L2 read, with that one read.
    pub async fn serve(&self, now: Timestamp) -> WarmReport {
        let wishes = self.chosen.lock().take(self.config.max_keys_per_read);
        let mut report = WarmReport {
            operations: wishes.len(),
            ..WarmReport::default()
        };
        if wishes.is_empty() {
            return report;
        }
        let mut batch = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let boarded = self.board(&wish, now);
            if let (Some(_), Some(next)) = (&boarded, wish.next) {
                self.learner.lock().offer(next);
            }
            match boarded {
                None => self.count_operation(&wish.source, Operation::Error),
                Some(tickets) if tickets.is_empty() => {
                    self.count_operation(&wish.source, Operation::Skipped);
                }
                Some(tickets) => batch.push(Boarded {
                    source: wish.source,
                    asked: wish.asked,
                    tickets,
                }),
            }
        }
        self.chosen.lock().boarded(report.operations);
        // There is room again, and perhaps another part to choose.
        (self.wake_learner)();
        if !batch.is_empty() {
            self.fetch_chosen(batch, now, &mut report).await;
        }
        report
    }

    /// Drops what L1 has or is on its way, then what the budget does not cover. `None`: there was
    /// something to fetch and L2 can't be used, because the breaker is open or its changes go
    /// unheard. That is an error and not a skip: with the breaker's half second between attempts
    /// an outage at 100 operations a second would show as 2 % of errors, below every alarm.
    fn board(&self, wish: &Wish, now: Timestamp) -> Option<Vec<Ticket<'_>>> {
        let absent = |key: &&Key| !self.l1.has(key, now);
        let mut absent = wish.wanted.iter().filter(absent).peekable();
        if absent.peek().is_some() && self.flights.grounded() {
            self.attempts.count(Attempt::Dropped, absent.count());
            return None;
        }
        let mut tickets: Vec<Ticket<'_>> = absent
            .filter_map(|key| self.flights.board_warm(key))
            .collect();
        let there = wish.wanted.len() - tickets.len();
        self.attempts.count(Attempt::AlreadyCached, there);
        if tickets.is_empty() {
            return Some(tickets);
        }
        if !self.breaker.lock().allows(now) {
            self.attempts.count(Attempt::Dropped, tickets.len());
            return None;
        }
        let risk = self.risk(tickets.len());
        let granted = self.governor.lock().grant(tickets.len(), risk);
        for _ in granted..tickets.len() {
            self.metrics
                .dropped(wish.source.chain(), DropReason::OverBudget);
        }
        let refused = tickets.len() - granted;
        self.attempts.count(Attempt::OverBudget, refused);
        tickets.truncate(granted);
        Some(tickets)
    }

    /// What warming may yet make demand read: the victims of warms that have not come back.
    /// `asking` of the keys on their way are those that it is asked for.
    pub(super) fn risk(&self, asking: usize) -> Risk {
        let usage = self.l1.usage();
        let mean = (usage.weight / (usage.entries as u64).max(1)).max(1);
        let free = usage.capacity.saturating_sub(usage.weight) / mean;
        let on_the_way = self.flights.len().saturating_sub(asking);
        let open = self.ledger.lock().watching();
        Risk {
            open,
            // What comes back needs its room.
            room: (free as usize).saturating_sub(on_the_way + open),
        }
    }

    async fn fetch_chosen(&self, batch: Vec<Boarded<'_>>, now: Timestamp, report: &mut WarmReport) {
        let keys: Vec<Key> = batch
            .iter()
            .flat_map(|boarded| &boarded.tickets)
            .map(|ticket| ticket.key().clone())
            .collect();
        report.keys = keys.len();
        let sent = Instant::now();
        let limit = Limit::from_now(self.config.warm_timeout);
        let answer = self.read_l2(&keys, limit).await;
        let status = match &answer {
            Ok(_) => {
                self.breaker.lock().succeeded();
                Operation::Success
            }
            Err(error) => {
                self.breaker.lock().failed(now + sent.elapsed());
                if matches!(error, SharedCacheError::Timeout { .. }) {
                    Operation::Timeout
                } else {
                    Operation::Error
                }
            }
        };
        match status {
            Operation::Timeout => self.attempts.count(Attempt::TimedOut, keys.len()),
            Operation::Error => self.attempts.count(Attempt::Failed, keys.len()),
            Operation::Success | Operation::Skipped => {}
        }
        let mut stored = answer.unwrap_or_default().into_iter();
        for boarded in batch {
            let (source, tickets) = (boarded.source, boarded.tickets);
            report.sent.push(Sent {
                chain: source.chain(),
                waited: now.since(boarded.asked),
            });
            self.count_operation(&source, status);
            if status == Operation::Success {
                let warmed = tickets.into_iter().fold(0, |warmed, ticket| {
                    let value = stored.next().flatten();
                    warmed + usize::from(self.land_warm(ticket, value, now))
                });
                self.metrics.pairs_warmed(source.chain(), warmed as u64);
                report.warmed += warmed;
            }
            // On failure the tickets are dropped here: whoever waits reads for itself.
        }
        self.keep_share();
    }

    /// Places one fetched value; whether L1 took it.
    fn land_warm(&self, ticket: Ticket<'_>, stored: Option<Stored>, now: Timestamp) -> bool {
        let key = ticket.key().clone();
        let cached = stored.map(|s| Cached::from_stored(s, now, self.config.default_ttl));
        let mut warmed = false;
        let landing = ticket.land(
            || Arrival::Value(cached.clone()),
            |awaited| {
                if let Some(cached) = cached.clone() {
                    warmed = self.place_warm(&key, cached, awaited);
                }
            },
        );
        if landing.awaited {
            // Without the warm the read would have gone to L2 itself.
            self.tell_fetched(&key, cached.as_ref(), landing.valid, now);
        }
        if cached.is_some() && !warmed {
            self.metrics.dropped(key.chain(), DropReason::Stale);
        }
        let attempt = match (&cached, warmed) {
            (_, true) => Attempt::Warmed,
            (Some(_), false) => Attempt::Stale,
            (None, false) => Attempt::NotFound,
        };
        self.attempts.count(attempt, 1);
        warmed
    }

    fn place_warm(&self, key: &Key, cached: Cached, awaited: bool) -> bool {
        if awaited {
            let placed = self.l1.place(key, cached, Placement::Demand);
            self.settle(key, &placed);
            if placed.placed {
                let (chain, outcome) = self.ledger.lock().late(key);
                self.metrics.outcome(chain, outcome);
            }
            return placed.placed;
        }
        // The ledger is held across the placement: a read that finds the entry at once must
        // find it in the books too.
        let mut ledger = self.ledger.lock();
        let placed = self.l1.place(key, cached, Placement::Warm);
        if placed.overwrote_unread
            && let Some((chain, outcome)) = ledger.lost(key)
        {
            self.metrics.outcome(chain, outcome);
        }
        if placed.placed {
            let horizon = self.l1.usage().entries as u64;
            let lookup = self.lookup_number();
            for (chain, outcome) in ledger.landed(key, &placed, lookup, horizon) {
                self.metrics.outcome(chain, outcome);
            }
        }
        drop(ledger);
        self.evicted(&placed);
        placed.placed
    }

    /// Unread warms fill at most their share of L1, and leave when they were not read in time: the
    /// oldest goes.
    pub(super) fn keep_share(&self) {
        if self.ledger.lock().unread() == 0 {
            return;
        }
        let entries = self.l1_entries();
        let share = (entries as f64 * self.config.l1_share) as usize;
        let most = 2 * self.config.max_pairs_per_warm;
        let most = self.governor.lock().unread_allowed(share, most);
        let stay = stay(entries, self.config.l1_share);
        let before = self.lookup_number().saturating_sub(stay);
        while let Some(oldest) = self.oldest_beyond(most, before) {
            if self.l1.remove(&oldest) {
                self.metrics.eviction(Level::L1, EvictionReason::Size);
            }
            // What L1 no longer held unread has ended all the same.
            self.lost(&oldest);
        }
    }

    /// The oldest unread warm, when there are more than `most` or it landed before look-up `before`.
    fn oldest_beyond(&self, most: usize, before: u64) -> Option<Key> {
        let mut ledger = self.ledger.lock();
        if ledger.unread() > most {
            return ledger.oldest_unread().cloned();
        }
        ledger.unread_since_before(before).cloned()
    }

    /// A warm took this long, from its request to its keys in L1: reads that come sooner are not
    /// to be helped.
    pub fn warm_took(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.warm_us.load(Ordering::Relaxed);
        // Lost updates of two loops at once are harmless.
        let after = if before == 0 {
            took
        } else {
            before - before / 16 + took / 16
        };
        self.warm_us.store(after, Ordering::Relaxed);
    }

    /// A second has passed without a warm, so what they take is not known any more.
    ///
    /// Without this a short overload switched warming off for good: warms took 80 ms for a moment, reads
    /// come after 10, none was worth sending, and so none ever showed that they take 1 ms again.
    /// After some seconds some are now sent to see.
    pub(super) fn doubt_what_warms_take(&self) {
        let before = self.warm_us.load(Ordering::Relaxed);
        self.warm_us.store(before - before / 4, Ordering::Relaxed);
    }

    /// What a warm takes lately; zero before the first. Believed less and less while there are none.
    pub fn warms_take(&self) -> Duration {
        Duration::from_micros(self.warm_us.load(Ordering::Relaxed))
    }

    pub(super) fn set_strategy_label(&self, name: &str) {
        *self.strategy_label.write() = StrategyLabel::of(name);
    }
}
