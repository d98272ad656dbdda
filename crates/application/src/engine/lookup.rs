//! Demand: reads through L1 with single-flight to L2, and writes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use forewarm_domain::{Key, Op, Timestamp};

use super::{Engine, Found, Level, LookupError, Observation};
use crate::flights::{Arrival, Boarding, Flight, Ticket};
use crate::metrics::EvictionReason;
use crate::ports::{Cached, LocalLookup, Placement, SharedCacheError, Stored};

impl Cached {
    fn found(self, level: Level, now: Timestamp) -> Found {
        Found {
            value: self.value,
            version: self.version,
            age: (level == Level::L1).then(|| now.since(self.loaded_at)),
            ttl: (self.expires_at != Timestamp::MAX).then(|| self.expires_at.since(now)),
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
        if let Some(cached) = self.l1.peek(key, now) {
            return Ok(Some(cached.found(Level::L1, now)));
        }
        let read = self.l2.get_many(std::slice::from_ref(key));
        let stored = self
            .in_time(self.config.demand_timeout, read)
            .await?
            .pop()
            .flatten();
        Ok(stored.map(|stored| Cached::from_stored(stored, now, None).found(Level::L2, now)))
    }

    /// The first step of a demand read: L1 alone. Counts, trains and accounts; a `None` must
    /// be followed by a fetch.
    pub fn get_local(&self, key: &Key, now: Timestamp) -> Option<Found> {
        let lookup = self.lookups.fetch_add(1, Ordering::Relaxed) + 1;
        let found = match self.l1.get(key, now) {
            LocalLookup::Hit {
                cached,
                first_read_of_warm,
            } => {
                self.metrics.cache_hit(key.chain(), Level::L1);
                if first_read_of_warm && let Some((chain, outcome)) = self.ledger.lock().read(key) {
                    self.metrics.outcome(chain, outcome);
                    self.feed_back(key, true);
                }
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
            self.missed(key, lookup);
        }
        let size = found.as_ref().map_or(0, |found| found.value.len());
        self.metrics.update_received(key.chain());
        self.queue(Observation {
            key: key.clone(),
            op: Op::Read,
            at: now,
            demand: Some(found.is_some()),
            size: u32::try_from(size).unwrap_or(u32::MAX),
        });
        found
    }

    /// Writes L2, then L1. After an error L1 no longer serves the key: whether L2 took the
    /// write is unknown.
    pub async fn put(&self, key: &Key, stored: Stored, now: Timestamp) -> Result<(), LookupError> {
        let written = self
            .in_time(self.config.demand_timeout, self.l2.put(key, &stored))
            .await;
        // Whatever is on its way may have been read before the write.
        self.flights.discard(key);
        if let Err(error) = written {
            if self.l1.remove(key) {
                self.lost(key);
            }
            return Err(error.into());
        }
        let cached = Cached::from_stored(stored, now, self.config.default_ttl);
        let placed = self.l1.place(key, cached, Placement::Demand);
        self.settle(key, &placed);
        Ok(())
    }

    /// The key's value is no longer valid: L1 drops it, and what is on its way is discarded.
    pub fn invalidate(&self, key: &Key) {
        self.flights.discard(key);
        if self.l1.peek(key, Timestamp::ZERO).is_some() {
            self.metrics
                .eviction(Level::L1, EvictionReason::Invalidation);
        }
        if self.l1.remove(key) {
            self.lost(key);
        }
        self.shadow.lock().forget(key);
    }

    /// Nothing in L1 can be trusted any more.
    pub fn flush(&self) {
        self.flights.discard_all();
        let dropped = self.l1.usage().entries as u64;
        for key in self.l1.clear() {
            self.lost(&key);
        }
        self.metrics
            .evictions(Level::L1, EvictionReason::Invalidation, dropped);
    }

    fn missed(&self, key: &Key, lookup: u64) {
        self.metrics.cache_miss(key.chain(), Level::L1);
        if let Some(strategy) = *self.strategy_label.read()
            && self.shadow.lock().would_hit(key)
        {
            self.metrics.shadow_hit(key.chain(), strategy);
        }
        let mut ledger = self.ledger.lock();
        let harmed = ledger.missed(key, lookup);
        ledger.advance(lookup, |(chain, outcome)| {
            self.metrics.outcome(chain, outcome)
        });
        if let Some((chain, outcome)) = harmed {
            self.metrics.outcome(chain, outcome);
        }
    }

    /// Reads `keys` from L2, each once however many ask.
    async fn fetch(&self, keys: &[Key], now: Timestamp) -> Result<Vec<Option<Found>>, LookupError> {
        let mut answers: Vec<Option<Found>> = vec![None; keys.len()];
        let mut tickets: Vec<(usize, Ticket<'_>)> = Vec::new();
        let mut joined: Vec<(usize, std::sync::Arc<Flight>)> = Vec::new();
        let mut repeats: Vec<(usize, usize)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if let Some((first, _)) = tickets.iter().find(|(_, ticket)| ticket.key() == key) {
                repeats.push((at, *first));
                continue;
            }
            match self.flights.board(key) {
                Boarding::Fly(ticket) => tickets.push((at, ticket)),
                Boarding::Join(flight) => joined.push((at, flight)),
            }
        }
        for (at, found) in self.fly(tickets, now).await? {
            answers[at] = found;
        }
        for (at, flight) in joined {
            answers[at] = self.wait(&flight, &keys[at], now).await?;
        }
        for (at, first) in repeats {
            answers[at] = answers[first].clone();
        }
        Ok(answers)
    }

    /// One L2 round trip for all tickets; lands every one of them.
    async fn fly(
        &self,
        tickets: Vec<(usize, Ticket<'_>)>,
        now: Timestamp,
    ) -> Result<Vec<(usize, Option<Found>)>, LookupError> {
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        self.governor.lock().demand_reads(tickets.len() as u64);
        let wanted: Vec<Key> = tickets
            .iter()
            .map(|(_, ticket)| ticket.key().clone())
            .collect();
        let read = self.l2.get_many(&wanted);
        match self.in_time(self.config.demand_timeout, read).await {
            Ok(stored) => {
                self.breaker.lock().succeeded();
                let landed = tickets.into_iter().zip(stored);
                Ok(landed
                    .map(|((at, ticket), stored)| (at, self.land(ticket, stored, now)))
                    .collect())
            }
            Err(error) => {
                self.breaker.lock().failed(now);
                for (_, ticket) in tickets {
                    ticket.land(Arrival::Failed(error.clone()), |_| {});
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
        ticket.land(Arrival::Value(cached.clone()), |_| {
            if let Some(cached) = cached.clone() {
                let placed = self.l1.place(&key, cached, Placement::Demand);
                self.settle(&key, &placed);
            }
        });
        cached.map(|cached| cached.found(Level::L2, now))
    }

    /// Waits for somebody else's flight; if a warm failed or its task went away, reads for itself.
    async fn wait(
        &self,
        flight: &Flight,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<Found>, LookupError> {
        match flight.arrival().await {
            Arrival::Value(cached) => Ok(cached.map(|cached| cached.found(Level::L2, now))),
            Arrival::Failed(error) if !flight.is_warm() => Err(error.into()),
            Arrival::Failed(_) | Arrival::Abandoned => {
                self.governor.lock().demand_reads(1);
                let read = self.l2.get_many(std::slice::from_ref(key));
                let stored = self
                    .in_time(self.config.demand_timeout, read)
                    .await?
                    .pop()
                    .flatten();
                let cached = stored.map(|s| Cached::from_stored(s, now, self.config.default_ttl));
                Ok(cached.map(|cached| cached.found(Level::L2, now)))
            }
        }
    }

    /// Adapters answer within their own limit; this one is the caller's.
    pub(super) async fn in_time<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, SharedCacheError>>,
    ) -> Result<T, SharedCacheError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(SharedCacheError::Timeout { after: limit }),
        }
    }
}
