//! Writes through: L2 first, then L1; and what takes values out of L1.

use forewarm_domain::{Key, Timestamp};

use super::lookup::Limit;
use super::observation::{Observation, What};
use super::{Engine, Level, LookupError};
use crate::flights::WriteTicket;
use crate::metrics::{CacheOp, EvictionReason};
use crate::ports::{Cached, Kept, Placement, Stored};

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
                engine.forget_value(key);
                engine.queue(Observation::new(key, What::Unkept, self.now));
            }
        });
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// What became of an announced write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// L2 now holds exactly this.
    Value(Stored),
    /// L2 holds something else than before, the caller cannot tell what.
    Changed,
    /// L2 refused the command or had nothing to change.
    Nothing,
}

/// A write of one key that somebody else carries out on L2: from before the command leaves until
/// its answer is known.
///
/// Reads of L2 that are under way when it ends are not placed, so no order of the two brings the
/// old value back. Dropped without an end (the connection broke, nobody knows whether L2 took the
/// command), L1 forgets the key's value.
#[derive(Debug)]
pub struct Announced<'a> {
    engine: &'a Engine,
    key: Key,
    ticket: Option<WriteTicket<'a>>,
}

impl Announced<'_> {
    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Ends it: what L1 holds of the key is right when this returns. A change is learned from as
    /// an update.
    ///
    /// L1 takes a value only if nothing else was heard of the key meanwhile; else the next read
    /// asks L2.
    pub fn end(mut self, written: Written, now: Timestamp) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let (engine, key) = (self.engine, &self.key);
        let mut seen = Observation::new(key, What::Update { valued: false }, now);
        match written {
            Written::Nothing => return ticket.land(|_| {}),
            Written::Changed => ticket.land(|_| engine.forget_value(key)),
            Written::Value(stored) => ticket.land(|alone| {
                if !alone {
                    return engine.forget_value(key);
                }
                let cached = Cached::from_stored(stored, now, engine.config.default_ttl);
                seen.what = What::Update { valued: true };
                let (size, end) = (cached.value.len(), cached.expires_at);
                let placed = engine.l1.place(key, cached, Placement::Update);
                if !placed.placed {
                    engine.forget_value(key);
                }
                engine.settle(key, &placed);
                seen.size = u32::try_from(size).unwrap_or(u32::MAX);
                seen.expires_at = end;
            }),
        }
        engine.metrics.update_received(key.chain());
        engine.shadow.forget(key);
        engine.queue(seen);
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let (engine, key) = (self.engine, &self.key);
            ticket.land(|_| engine.forget_value(key));
            engine.queue(Observation::new(key, What::Unkept, Timestamp::ZERO));
        }
    }
}

impl Engine {
    /// A command that may change the key is about to be sent to L2. The answer must be told with
    /// [`Announced::end`] before the client hears of it.
    pub fn announce_write(&self, key: Key) -> Announced<'_> {
        Announced {
            engine: self,
            ticket: Some(self.flights.begin_write(&key)),
            key,
        }
    }

    /// L1 no longer serves its copy of the key.
    fn forget_value(&self, key: &Key) {
        if self.l1.mark_stale(key, None) {
            self.lost(key);
        }
    }

    /// Writes L2, then L1.
    ///
    /// L1 takes the value only if nothing else was heard of the key meanwhile: with two writes
    /// under way at once, or an update of the stream in between, nobody knows which of them L2
    /// took last, and the next read asks L2. The same after an error and when the caller goes
    /// away: whether L2 took the write is then unknown.
    ///
    /// A value older than the one that L1 holds is not written: the newer stays, as in a store that
    /// knows versions. Redis knows none, so there the guarantee reaches as far as L1 remembers. What
    /// such a store did not take L1 does not take either.
    pub async fn put(&self, key: &Key, stored: Stored, now: Timestamp) -> Result<(), LookupError> {
        self.put_begun(key, stored, now, || self.flights.begin_write(key))
            .await
    }

    /// [`put`](Self::put), fenced from `begin` on.
    pub(super) async fn put_begun<'a>(
        &'a self,
        key: &'a Key,
        stored: Stored,
        now: Timestamp,
        begin: impl FnOnce() -> WriteTicket<'a>,
    ) -> Result<(), LookupError> {
        let held = self.l1.peek(key, now).and_then(|held| held.version);
        if stored.version.is_some() && stored.version < held {
            return Ok(());
        }
        let mut writing = Writing {
            engine: self,
            key,
            now,
            ticket: Some(begin()),
        };
        let write = self.l2.put(key, &stored);
        let limit = Limit::from_now(self.config.demand_timeout);
        let kept = self.in_time(CacheOp::Set, limit, write).await?;
        let cached =
            (kept == Kept::This).then(|| Cached::from_stored(stored, now, self.config.default_ttl));
        writing.end(cached);
        Ok(())
    }

    /// The key's value is no longer valid: L1 drops it, and what is on its way is discarded.
    pub fn invalidate(&self, key: &Key) {
        self.flights.discard(key);
        if self.l1.has(key, Timestamp::ZERO) {
            self.metrics
                .eviction(Level::L1, EvictionReason::Invalidation);
        }
        if self.l1.remove(key) {
            self.lost(key);
        }
        self.shadow.forget(key);
        self.queue(Observation::new(key, What::Invalidated, Timestamp::ZERO));
    }

    /// Nothing in L1 can be trusted any more: all of it goes, and what is on its way is discarded.
    pub fn flush(&self) {
        self.flights.discard_all();
        let dropped = self.l1.usage().entries as u64;
        for key in self.l1.clear() {
            self.lost(&key);
        }
        self.shadow.clear();
        self.metrics
            .evictions(Level::L1, EvictionReason::Invalidation, dropped);
        let nobody = Key::new(bytes::Bytes::new(), 0, forewarm_domain::ChainId::DEFAULT);
        self.queue(Observation::new(&nobody, What::Flushed, Timestamp::ZERO));
    }
}
