//! Demand: reads through L1 with single-flight to L2, and writes.

use std::sync::Arc;
use std::time::Duration;

use forewarm_domain::{Key, Timestamp, Trigger};
use tokio::time::{Instant, timeout_at};

use super::observation::{Observation, What};
use super::{Engine, Found, Level, LookupError};
use crate::flights::{Arrival, Boarding, Company, Flight, Ticket};
use crate::metrics::{CacheOp, EvictionReason};
use crate::ports::{Cached, LocalLookup, Placement, SharedCacheError, Stored};

impl Cached {
    #[inline]
    pub(super) fn found(self, level: Level, now: Timestamp) -> Found {
        Found {
            value: self.value,
            version: self.version,
            age: (level == Level::L1).then(|| now.since(self.loaded_at)),
            ttl: (self.expires_at != Timestamp::MAX).then(|| self.expires_at.since(now)),
            ending: self.ending,
            level,
        }
    }
}

impl Engine {
    /// A demand read: L1, else L2 once for everybody who asks. Trains the learner. `None` = no
    /// level has the key.
    ///
    /// A hit is synchronous inside and allocates nothing.
    pub async fn get(&self, key: &Key, now: Timestamp) -> Result<Option<Found>, LookupError> {
        if let Some(found) = self.get_local(key, now) {
            return Ok(Some(found));
        }
        let mut found = self.fetch(std::slice::from_ref(key), now).await?;
        Ok(found.pop().flatten())
    }

    /// Demand reads of several keys, answered in their order; all misses share one L2 round trip.
    ///
    /// When L2 fails the whole call does: an answer that mixes hits with keys of which nothing
    /// is known would say "not there" of them. Who wants the hits alone asks [`Self::get_local`].
    pub async fn get_many(
        &self,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<Vec<Option<Found>>, LookupError> {
        let mut found: Vec<Option<Found>> =
            keys.iter().map(|key| self.get_local(key, now)).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|&at| found[at].is_none()).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let wanted: Vec<Key> = missing.iter().map(|&at| keys[at].clone()).collect();
        for (at, answer) in missing.into_iter().zip(self.fetch(&wanted, now).await?) {
            found[at] = answer;
        }
        Ok(found)
    }

    /// What a demand read would find, leaving no trace: no statistics, no fill, no training.
    pub async fn peek(&self, key: &Key, now: Timestamp) -> Result<Option<Found>, LookupError> {
        if let Some(cached) = self.peek_local(key, now) {
            return Ok(Some(cached.found(Level::L1, now)));
        }
        let keys = std::slice::from_ref(key);
        let limit = Limit::from_now(self.config.demand_timeout);
        let mut stored = self.read_l2(keys, limit).await?;
        let found = |stored| Cached::from_stored(stored, now, None).found(Level::L2, now);
        Ok(stored.pop().flatten().map(found))
    }

    /// Whether L1 would answer a demand read of the key now; leaves no trace.
    pub fn holds(&self, key: &Key, now: Timestamp) -> bool {
        self.peek_local(key, now).is_some()
    }

    /// The first step of a demand read: L1 alone. Counts, trains and accounts; a `None` must
    /// be followed by a fetch.
    pub fn get_local(&self, key: &Key, now: Timestamp) -> Option<Found> {
        self.look(key, now, true)
    }

    /// [`get_local`](Self::get_local) for a caller that reads faster than anybody can learn: a
    /// hit is counted and accounted for, and the budget's books hear of it, but the learner does
    /// not. A miss is learned from all the same.
    pub fn get_local_unlearned(&self, key: &Key, now: Timestamp) -> Option<Found> {
        self.look(key, now, self.is_tapped())
    }

    fn look(&self, key: &Key, now: Timestamp, learns: bool) -> Option<Found> {
        let missed = What::Demand {
            trigger: Trigger::Miss,
        };
        let mut seen = Observation::new(key, missed, now);
        let found = match self.look_up_local(key, now) {
            LocalLookup::Hit {
                cached,
                first_read_of_warm,
            } => {
                self.metrics.cache_hit(key.chain(), Level::L1);
                if first_read_of_warm && let Some((chain, outcome)) = self.ledger.lock().read(key) {
                    self.metrics.outcome(chain, outcome);
                }
                let trigger = if first_read_of_warm {
                    Trigger::Warmed
                } else {
                    Trigger::Hit
                };
                // The first read of a warm is news whoever asks for it.
                seen.what = match learns || first_read_of_warm {
                    true => What::Demand { trigger },
                    false => What::Unlearned,
                };
                let end = self.end_if_loaded_at((cached.loaded_at, cached.expires_at), now);
                seen = seen.of_value(cached.value.len(), cached.version, end);
                Some(cached.found(Level::L1, now))
            }
            LocalLookup::Expired { unread } => {
                self.metrics.eviction(Level::L1, EvictionReason::Ttl);
                if unread {
                    self.lost(key);
                }
                None
            }
            LocalLookup::Miss => None,
        };
        if found.is_none() {
            self.missed(key);
        }
        if seen.what != What::Unlearned || self.follows(key) {
            self.tell_hit(seen);
        }
        found
    }

    /// What L1 holds, if it may answer at all.
    fn look_up_local(&self, key: &Key, now: Timestamp) -> LocalLookup {
        if self.freshness.allows(now) {
            self.l1.get(key, now)
        } else {
            LocalLookup::Miss
        }
    }

    fn peek_local(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.l1
            .peek(key, now)
            .filter(|_| self.freshness.allows(now))
    }

    fn missed(&self, key: &Key) {
        self.metrics.cache_miss(key.chain(), Level::L1);
        // Where a contest counts for the strategy, what this one would have hit is in its books.
        if let Some(strategy) = *self.strategy_label.read()
            && self.shadow.would_hit(key)
            && !self.tap.as_ref().is_some_and(|tap| tap.covers(strategy))
        {
            self.metrics.shadow_hit(key.chain(), strategy);
        }
        let mut ledger = self.ledger.lock();
        if !ledger.is_watching() {
            return;
        }
        let lookup = self.lookup_number();
        let harmed = ledger.missed(key, lookup);
        ledger.advance(lookup, |(chain, outcome)| {
            self.metrics.outcome(chain, outcome)
        });
        if let Some((chain, outcome)) = harmed {
            self.metrics.outcome(chain, outcome);
        }
    }

    /// When a copy that was read and ends like this one would expire if it were read at `now`: the source's own time is the
    /// same whoever reads, the default begins with the reading.
    pub(super) fn end_if_loaded_at(
        &self,
        (loaded_at, expires_at): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Timestamp {
        match self.config.default_ttl {
            Some(ttl) if expires_at == loaded_at + ttl => now + ttl,
            _ => expires_at,
        }
    }

    /// The second step of a demand read, of keys that [`get_local`](Self::get_local) did not
    /// find: reads them from L2 in one round trip, each once however many ask, and fills L1. Keys
    /// that L2 lately did not have are not asked for, where [negative
    /// caching](super::EngineConfig::negative_ttl) is on.
    ///
    /// Ends within the demand timeout, whomever it waits for and however often those go away.
    pub async fn fetch(
        &self,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<Vec<Option<Found>>, LookupError> {
        let mut answers: Vec<Option<Found>> = vec![None; keys.len()];
        let mut open: Vec<usize> = (0..keys.len()).collect();
        if let Some(absences) = &self.absences
            && self.freshness.allows(now)
        {
            open.retain(|at| !absences.holds(&keys[*at], now));
        }
        let limit = Limit::from_now(self.config.demand_timeout);
        let mut company = Company::Anybody;
        while !open.is_empty() {
            let mut tickets: Vec<(usize, Ticket<'_>)> = Vec::new();
            let mut joined: Vec<(usize, Arc<Flight>)> = Vec::new();
            for at in open.drain(..) {
                if company == Company::Demand
                    && let Some(cached) = self.peek_local(&keys[at], now)
                {
                    // Another of those who waited has read it meanwhile.
                    answers[at] = Some(cached.found(Level::L2, now));
                    continue;
                }
                // A key that is asked for twice joins its own flight.
                match self.flights.board(&keys[at], company) {
                    Boarding::Fly(ticket) => tickets.push((at, ticket)),
                    Boarding::Join(flight) => joined.push((at, flight)),
                }
            }
            for (at, found) in self.fly(tickets, limit, now).await? {
                answers[at] = found;
            }
            for (at, flight) in joined {
                match wait(&flight, limit).await? {
                    Arrival::Value(cached) => {
                        answers[at] = cached.map(|cached| cached.found(Level::L2, now));
                    }
                    Arrival::Failed(error) => return Err(error.into()),
                    Arrival::Abandoned => open.push(at),
                }
            }
            // Once is enough: who waited for a warm in vain reads before the next one does, and
            // the others who did join that read.
            company = Company::Demand;
        }
        Ok(answers)
    }

    /// One L2 round trip for all tickets; lands every one of them.
    async fn fly(
        &self,
        tickets: Vec<(usize, Ticket<'_>)>,
        limit: Limit,
        now: Timestamp,
    ) -> Result<Vec<(usize, Option<Found>)>, LookupError> {
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<Key> = tickets
            .iter()
            .map(|(_, ticket)| ticket.key().clone())
            .collect();
        let charge = Charge::new(self, wanted.len());
        let sent = Instant::now();
        match self.read_l2(&wanted, limit).await {
            Ok(stored) => {
                charge.keep();
                // What comes too late for a warm proves nothing to those who wait to warm.
                if sent.elapsed() <= self.config.warm_timeout {
                    self.breaker.lock().succeeded();
                }
                let landed = tickets
                    .into_iter()
                    .zip(stored)
                    .map(|((at, ticket), stored)| (at, self.land(ticket, stored, now)))
                    .collect();
                self.keep_share();
                Ok(landed)
            }
            Err(error) => {
                self.breaker.lock().failed(now + sent.elapsed());
                for (_, ticket) in tickets {
                    ticket.land(|| Arrival::Failed(error.clone()), |_| {});
                }
                Err(error.into())
            }
        }
    }

    fn land(&self, ticket: Ticket<'_>, stored: Option<Stored>, now: Timestamp) -> Option<Found> {
        let key = ticket.key().clone();
        let cached = stored.map(|stored| Cached::from_stored(stored, now, self.config.default_ttl));
        match cached {
            Some(_) => self.metrics.cache_hit(key.chain(), Level::L2),
            None => self.metrics.cache_miss(key.chain(), Level::L2),
        }
        let landing = ticket.land(
            || Arrival::Value(cached.clone()),
            |_| match &cached {
                Some(cached) => {
                    let placed = self.l1.place(&key, cached.clone(), Placement::Demand);
                    self.settle(&key, &placed);
                }
                None => {
                    if let Some(absences) = &self.absences {
                        absences.note(&key, now);
                    }
                }
            },
        );
        self.tell_fetched(&key, cached.as_ref(), landing.valid, now);
        cached.map(|cached| cached.found(Level::L2, now))
    }

    /// One L2 round trip.
    pub(super) async fn read_l2(
        &self,
        keys: &[Key],
        limit: Limit,
    ) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        let op = match keys.len() {
            1 => CacheOp::Get,
            _ => CacheOp::GetMany,
        };
        let stored = self.in_time(op, limit, self.l2.get_many(keys)).await?;
        if stored.len() != keys.len() {
            let reason = format!("{} answers to {} keys", stored.len(), keys.len());
            return Err(SharedCacheError::Corrupt { reason });
        }
        Ok(stored)
    }

    /// Adapters answer within their own limit and count their own errors; this limit is the
    /// caller's, and so is the count of what it cuts short.
    pub(super) async fn in_time<T>(
        &self,
        op: CacheOp,
        limit: Limit,
        call: impl Future<Output = Result<T, SharedCacheError>>,
    ) -> Result<T, SharedCacheError> {
        match timeout_at(limit.end, call).await {
            Ok(answer) => answer,
            Err(_) => {
                self.metrics.cache_error(op, Level::L2);
                Err(SharedCacheError::Timeout { after: limit.span })
            }
        }
    }
}

/// How long a caller waits for L2, whatever it has to wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    span: Duration,
    end: Instant,
}

impl Limit {
    /// From now on.
    pub(super) fn from_now(span: Duration) -> Self {
        let end = Instant::now() + span;
        Self { span, end }
    }
}

/// Waits for somebody else's flight.
async fn wait(flight: &Flight, limit: Limit) -> Result<Arrival, SharedCacheError> {
    timeout_at(limit.end, flight.arrival())
        .await
        .map_err(|_| SharedCacheError::Timeout { after: limit.span })
}

/// Demand reads in the budget's books. Those that bring nothing (an error, a caller that went
/// away) are taken out again: without warming they would have been made and lost as well.
struct Charge<'a> {
    engine: &'a Engine,
    keys: usize,
}

impl<'a> Charge<'a> {
    fn new(engine: &'a Engine, keys: usize) -> Self {
        engine.governor.lock().demand_reads(keys as u64);
        Self { engine, keys }
    }

    fn keep(mut self) {
        self.keys = 0;
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        if self.keys > 0 {
            self.engine.governor.lock().give_back(self.keys);
        }
    }
}
