//! Writes through: L2 first, then L1; and what takes values out of L1.

use forewarm_domain::{Key, Timestamp};

use super::observation::{Observation, What};
use super::{Engine, Level, LookupError};
use crate::flights::WriteTicket;
use crate::metrics::{CacheOp, EvictionReason};
use crate::ports::{Cached, Placement, Stored};

/// A write whose end L1 must hear of, even if its caller goes away.
struct Writing<'a> {
    engine: &'a Engine,
    key: &'a Key,
    now: Timestamp,
    ticket: Option<WriteTicket<'a>>,
}

impl Writing<'_> {
    /// Ends it: with the value that L2 has taken, or with nothing when that is unknown.
    fn end(&mut self, written: Option<Cached>) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let (engine, key) = (self.engine, self.key);
        ticket.land(|alone| match written.filter(|_| alone) {
            Some(cached) => {
                let seen = Observation::new(key, What::Written, self.now);
                engine.queue(seen.of_value(cached.value.len(), cached.version, cached.expires_at));
                let placed = engine.l1.place(key, cached, Placement::Demand);
                engine.settle(key, &placed);
            }
            // L1 forgets the value and keeps the least acceptable version.
            None => {
                if engine.l1.mark_stale(key, None) {
                    engine.lost(key);
                }
                engine.queue(Observation::new(key, What::Invalidated, self.now));
            }
        });
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl Engine {
    /// Writes L2, then L1.
    ///
    /// L1 takes the value only if nothing else was heard of the key meanwhile: with two writes
    /// under way at once, or an update of the stream in between, nobody knows which of them L2
    /// took last, and the next read asks L2. The same after an error and when the caller goes
    /// away: whether L2 took the write is then unknown.
    ///
    /// A value older than the one that L1 holds is not written: the newer stays, as in a store that
    /// knows versions. Redis knows none, so there the guarantee reaches as far as L1 remembers.
    pub async fn put(&self, key: &Key, stored: Stored, now: Timestamp) -> Result<(), LookupError> {
        let held = self.l1.peek(key, now).and_then(|held| held.version);
        if stored.version.is_some() && stored.version < held {
            return Ok(());
        }
        let mut writing = Writing {
            engine: self,
            key,
            now,
            ticket: Some(self.flights.begin_write(key)),
        };
        let write = self.l2.put(key, &stored);
        self.in_time(CacheOp::Set, self.config.demand_timeout, write)
            .await?;
        let cached = Cached::from_stored(stored, now, self.config.default_ttl);
        writing.end(Some(cached));
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
        self.queue(Observation::new(key, What::Invalidated, Timestamp::ZERO));
    }

    /// Nothing in L1 can be trusted any more: all of it goes, and what is on its way is discarded.
    pub fn flush(&self) {
        self.flights.discard_all();
        let dropped = self.l1.usage().entries as u64;
        for key in self.l1.clear() {
            self.lost(&key);
        }
        self.shadow.lock().clear();
        self.metrics
            .evictions(Level::L1, EvictionReason::Invalidation, dropped);
        let nobody = Key::new(bytes::Bytes::new(), 0, forewarm_domain::ChainId::DEFAULT);
        self.queue(Observation::new(&nobody, What::Flushed, Timestamp::ZERO));
    }
}
