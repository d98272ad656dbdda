//! Flights: single-flight reads of L2, for demand and warming alike.
//!
//! A key on its way from L2 has one flight. A demand read of it joins instead of reading again,
//! whoever started the flight. An update or invalidation of the key *discards* the flight: its
//! value still answers those who were waiting (their reads began before), but it is not placed
//! in L1, and a read that comes later starts a flight of its own.
//!
//! A write of ours is fenced alike: its value is placed only if nothing else was heard of the key
//! while it was under way, because the order in which L2 took the two is then unknown.
//!
//! The fence: a value is placed in L1 under the lock of this table and only while its flight is in
//! it; an invalidation takes the flight out before it touches L1. So no order of the two leaves an
//! outdated value in L1.
//!
//! While nobody tells of changes in L2 the flights are *grounded*: they answer who waits and place
//! nothing, because what they bring may have changed unheard.

mod databases;

use crate::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::sync::Mutex;
use foldhash::fast::RandomState;
use forewarm_domain::{ChainId, Key};
use hashbrown::HashMap;
use tokio::sync::Notify;

use crate::ports::{Cached, SharedCacheError};

pub use databases::Databases;

/// How a flight ended.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// L2's answer; `None` = L2 does not have the key.
    Value(Option<Cached>),
    /// L2's error.
    Failed(SharedCacheError),
    /// Whoever flew it went away; the waiter should fly itself.
    Abandoned,
}

/// A flight that demand reads wait for. Most flights have nobody who joins, and so none of these.
#[derive(Debug, Default)]
pub struct Flight {
    arrival: OnceLock<Arrival>,
    ended: Notify,
}

impl Flight {
    /// To be called once it is off the table: who joins from then on joins another.
    fn end(&self, arrival: Arrival) {
        let _ = self.arrival.set(arrival);
        self.ended.notify_waiters();
    }

    /// Waits for its end.
    pub async fn arrival(&self) -> Arrival {
        loop {
            // Before the look: an end between the two is heard.
            let ended = self.ended.notified();
            if let Some(arrival) = self.arrival.get() {
                return arrival.clone();
            }
            ended.await;
        }
    }
}

/// What a demand read has to do.
#[derive(Debug)]
pub enum Boarding<'a> {
    /// Fetch it; the ticket must be landed.
    Fly(Ticket<'a>),
    /// Wait for it.
    Join(Arc<Flight>),
}

/// Whom a demand read may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Any flight.
    Anybody,
    /// Demand flights only; a warm of the key is discarded. For a read that a failed warm has
    /// held up once already.
    Demand,
}

/// How a flight's landing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landing {
    /// The key had not changed meanwhile, so `place` was called.
    pub valid: bool,
    /// A demand read was waiting.
    pub awaited: bool,
}

/// The keys on their way.
#[derive(Debug, Default)]
pub struct Flights {
    table: Mutex<Table>,
    /// Entries of the table, so that the hot path skips the lock when there are none. A flight that
    /// begins after the look reads L2 after it too, and so sees what the caller is announcing.
    /// One that is landing counts until its value is in L1: whoever sees zero may touch L1.
    count: AtomicUsize,
    databases: Databases,
}

#[derive(Debug, Default)]
struct Table {
    reads: HashMap<Key, Flying, RandomState>,
    /// Those who wait for a flight that has been discarded, by its number.
    left: HashMap<u64, Arc<Flight>, RandomState>,
    /// Flights so far.
    departed: u64,
    writes: HashMap<Key, Writes, RandomState>,
    grounded: bool,
}

/// A key on its way.
#[derive(Debug)]
struct Flying {
    /// Its number: a later flight of the key has another.
    number: u64,
    warm: bool,
    /// What those wait for who have joined it.
    company: Option<Arc<Flight>>,
}

/// Our writes of one key that are under way.
#[derive(Debug, Default)]
struct Writes {
    under_way: usize,
    /// Something else was heard of the key, or two of them overlap.
    doubtful: bool,
}

impl Table {
    fn len(&self) -> usize {
        self.reads.len() + self.writes.len()
    }

    fn discard_read(&mut self, key: &Key) {
        if let Some(flying) = self.reads.remove(key) {
            self.leave(flying);
        }
    }

    /// It is off the table, and those who joined it are still owed an answer.
    fn leave(&mut self, flying: Flying) {
        if let Some(company) = flying.company {
            self.left.insert(flying.number, company);
        }
    }

    fn discard(&mut self, key: &Key) {
        self.discard_read(key);
        if let Some(writes) = self.writes.get_mut(key) {
            writes.doubtful = true;
        }
    }

    fn discard_all(&mut self) {
        self.discard_where(|_| true);
    }

    fn discard_where(&mut self, doubted: impl Fn(&Key) -> bool) {
        let left = &mut self.left;
        self.reads.retain(|key, flying| {
            let stays = !doubted(key);
            if !stays && let Some(company) = flying.company.take() {
                left.insert(flying.number, company);
            }
            stays
        });
        for (key, writes) in &mut self.writes {
            writes.doubtful |= doubted(key);
        }
    }
}

impl Flights {
    /// Joins or starts a demand flight.
    pub fn board(&self, key: &Key, company: Company) -> Boarding<'_> {
        let mut table = self.table.lock();
        match table.reads.get_mut(key) {
            Some(flying) if company == Company::Anybody || !flying.warm => {
                Boarding::Join(Arc::clone(flying.company.get_or_insert_default()))
            }
            _ => Boarding::Fly(self.depart(&mut table, key, false)),
        }
    }

    /// Whether nothing may be placed, because changes may go unheard.
    pub fn grounded(&self) -> bool {
        self.table.lock().grounded
    }

    /// Whether a read of the key is on its way.
    pub fn is_flying(&self, key: &Key) -> bool {
        !self.is_empty() && self.table.lock().reads.contains_key(key)
    }

    /// Starts a warm flight, unless the key is on its way already.
    ///
    /// None either while the flights are grounded: a warm would be read and thrown away.
    pub fn board_warm(&self, key: &Key) -> Option<Ticket<'_>> {
        let mut table = self.table.lock();
        if table.grounded || table.reads.contains_key(key) {
            return None;
        }
        Some(self.depart(&mut table, key, true))
    }

    /// A write of the key to L2 begins. The ticket must be landed, whatever becomes of the write.
    pub fn begin_write(&self, key: &Key) -> WriteTicket<'_> {
        self.databases.note(key.database());
        let mut table = self.table.lock();
        let writes = table.writes.entry(key.clone()).or_default();
        writes.doubtful |= writes.under_way > 0;
        writes.under_way += 1;
        self.recount(&table);
        WriteTicket {
            flights: self,
            key: key.clone(),
        }
    }

    /// The key has changed: whatever is on its way must not be placed.
    pub fn discard(&self, key: &Key) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut table = self.table.lock();
        table.discard(key);
        self.recount(&table);
    }

    /// Everything of a chain may have changed.
    pub fn discard_chain(&self, chain: ChainId) {
        let mut table = self.table.lock();
        table.discard_where(|key| key.chain() == chain);
        self.recount(&table);
    }

    /// Everything may have changed.
    pub fn discard_all(&self) {
        let mut table = self.table.lock();
        table.discard_all();
        self.recount(&table);
    }

    /// From now on changes may go unheard: nothing that is on its way, or sets out, is placed
    /// until [`lift`](Self::lift).
    pub fn ground(&self) {
        let mut table = self.table.lock();
        table.grounded = true;
        table.discard_all();
        self.recount(&table);
    }

    /// Changes are heard again: what sets out from now on may be placed, nothing from before.
    pub fn lift(&self) {
        let mut table = self.table.lock();
        table.grounded = false;
        table.discard_all();
        self.recount(&table);
    }

    /// The databases whose values L1 may hold.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    fn recount(&self, table: &Table) {
        self.count.store(table.len(), Ordering::SeqCst);
    }

    /// Keys on their way, in either direction.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn depart(&self, table: &mut Table, key: &Key, warm: bool) -> Ticket<'_> {
        self.databases.note(key.database());
        let number = table.departed;
        table.departed += 1;
        let flying = Flying {
            number,
            warm,
            company: None,
        };
        if let Some(before) = table.reads.insert(key.clone(), flying) {
            table.leave(before);
        }
        self.recount(table);
        Ticket {
            flights: self,
            key: key.clone(),
            number,
            landed: false,
        }
    }
}

/// The right, and the duty, to land a flight. Dropped without landing (its task was
/// cancelled), it lets those who wait fly themselves.
#[derive(Debug)]
pub struct Ticket<'a> {
    flights: &'a Flights,
    key: Key,
    number: u64,
    landed: bool,
}

impl Ticket<'_> {
    /// The key that is fetched.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Ends the flight. `place` is called, under the table's lock, only if the key has not changed
    /// meanwhile; it gets to know whether a demand read waits. `arrival` is asked for only then.
    pub fn land(mut self, arrival: impl FnOnce() -> Arrival, place: impl FnOnce(bool)) -> Landing {
        self.landed = true;
        let mut table = self.flights.table.lock();
        let (mine, owed) = self.take_off_table(&mut table);
        let (valid, awaited) = (mine && !table.grounded, owed.is_due());
        if valid {
            place(awaited);
        }
        self.flights.recount(&table);
        drop(table);
        if awaited {
            owed.pay(arrival());
        }
        Landing { valid, awaited }
    }

    /// Whether this flight was still the key's, which afterwards it is not, and what is owed to those who
    /// have joined it.
    fn take_off_table(&self, table: &mut Table) -> (bool, Owed) {
        let mine = table
            .reads
            .get(&self.key)
            .is_some_and(|held| held.number == self.number);
        if mine {
            let flying = table.reads.remove(&self.key);
            return (true, Owed(flying.and_then(|flying| flying.company)));
        }
        (false, Owed(table.left.remove(&self.number)))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.landed {
            let mut table = self.flights.table.lock();
            let owed = self.take_off_table(&mut table);
            self.flights.recount(&table);
            drop(table);
            drop(owed);
        }
    }
}

/// The answer to those who have joined a flight. Dropped unpaid, it tells them to fly themselves.
struct Owed(Option<Arc<Flight>>);

impl Owed {
    fn is_due(&self) -> bool {
        self.0.is_some()
    }

    fn pay(mut self, arrival: Arrival) {
        if let Some(flight) = self.0.take() {
            flight.end(arrival);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(flight) = self.0.take() {
            flight.end(Arrival::Abandoned);
        }
    }
}

/// A write under way.
#[derive(Debug)]
#[must_use = "a write that never lands keeps its key in doubt for ever"]
pub struct WriteTicket<'a> {
    flights: &'a Flights,
    key: Key,
}

impl WriteTicket<'_> {
    /// Ends the write. Reads of the key that are under way may have been answered before it
    /// and are discarded. `settle` is called under the table's lock and gets to know whether
    /// the write was alone: only then is its value known to be L2's.
    pub fn land(self, settle: impl FnOnce(bool)) {
        let mut table = self.flights.table.lock();
        table.discard_read(&self.key);
        let grounded = table.grounded;
        let mut alone = false;
        if let Some(writes) = table.writes.get_mut(&self.key) {
            alone = !writes.doubtful && !grounded;
            writes.under_way -= 1;
            if writes.under_way == 0 {
                table.writes.remove(&self.key);
            }
        }
        settle(alone);
        self.flights.recount(&table);
    }
}

#[cfg(test)]
mod tests;
