//! Flights: single-flight reads of L2, for demand and warming alike.
//!
//! A key on its way from L2 has one flight. A demand read of it joins instead of reading again,
//! whoever started the flight. An update or invalidation of the key *discards* the flight: its value still answers
//! those who were waiting (their reads began before), but it is not placed in L1, and a read that
//! comes later starts a flight of its own.
//!
//! The fence: a value is placed in L1 under the lock of this table and only while its flight is in
//! it; an invalidation takes the flight out before it touches L1. So no order of the two leaves an
//! outdated value in L1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use forewarm_domain::Key;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::ports::{Cached, SharedCacheError};

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

/// A key on its way.
#[derive(Debug)]
pub struct Flight {
    warm: bool,
    awaited: AtomicBool,
    arrival: watch::Sender<Option<Arrival>>,
}

impl Flight {
    fn new(warm: bool) -> Self {
        Self {
            warm,
            awaited: AtomicBool::new(false),
            arrival: watch::Sender::new(None),
        }
    }

    /// Whether a demand read waits for it.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Whether it was started by a warm.
    pub fn is_warm(&self) -> bool {
        self.warm
    }

    /// Waits for its end.
    pub async fn arrival(&self) -> Arrival {
        let mut arrivals = self.arrival.subscribe();
        match arrivals.wait_for(Option::is_some).await {
            Ok(arrival) => arrival.clone().expect("waited for Some"),
            Err(_) => Arrival::Abandoned,
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

/// The keys on their way.
#[derive(Debug, Default)]
pub struct Flights {
    table: Mutex<HashMap<Key, Arc<Flight>, RandomState>>,
    /// Entries of the table, so that the hot path skips the lock when there are none. A flight that
    /// begins after the look reads L2 after it too, and so sees what the caller is announcing.
    count: AtomicUsize,
}

impl Flights {
    /// Joins or starts a demand flight.
    pub fn board(&self, key: &Key) -> Boarding<'_> {
        let mut table = self.table.lock();
        if let Some(flight) = table.get(key) {
            flight.awaited.store(true, Ordering::Release);
            return Boarding::Join(Arc::clone(flight));
        }
        Boarding::Fly(self.depart(&mut table, key, false))
    }

    /// Starts a warm flight, unless the key is on its way already.
    pub fn board_warm(&self, key: &Key) -> Option<Ticket<'_>> {
        let mut table = self.table.lock();
        if table.contains_key(key) {
            return None;
        }
        Some(self.depart(&mut table, key, true))
    }

    /// The key has changed: whatever is on its way must not be placed.
    pub fn discard(&self, key: &Key) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut table = self.table.lock();
        table.remove(key);
        self.count.store(table.len(), Ordering::SeqCst);
    }

    /// Everything may have changed.
    pub fn discard_all(&self) {
        let mut table = self.table.lock();
        table.clear();
        self.count.store(0, Ordering::SeqCst);
    }

    /// Keys on their way.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn depart(
        &self,
        table: &mut HashMap<Key, Arc<Flight>, RandomState>,
        key: &Key,
        warm: bool,
    ) -> Ticket<'_> {
        let flight = Arc::new(Flight::new(warm));
        table.insert(key.clone(), Arc::clone(&flight));
        self.count.store(table.len(), Ordering::SeqCst);
        Ticket {
            flights: self,
            key: key.clone(),
            flight,
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
    flight: Arc<Flight>,
    landed: bool,
}

impl Ticket<'_> {
    /// The key that is fetched.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Ends the flight. `place` is called, under the table's lock, only if the key has not changed
    /// meanwhile; it gets to know whether a demand read waits. Whether it was called.
    pub fn land(mut self, arrival: Arrival, place: impl FnOnce(bool)) -> bool {
        let valid = {
            let mut table = self.flights.table.lock();
            let valid = self.take_off_table(&mut table);
            if valid {
                place(self.flight.is_awaited());
            }
            valid
        };
        self.flight.arrival.send_replace(Some(arrival));
        self.landed = true;
        valid
    }

    /// Whether this flight was still the key's; afterwards it is not.
    fn take_off_table(&self, table: &mut HashMap<Key, Arc<Flight>, RandomState>) -> bool {
        let mine = table
            .get(&self.key)
            .is_some_and(|held| Arc::ptr_eq(held, &self.flight));
        if mine {
            table.remove(&self.key);
            self.flights.count.store(table.len(), Ordering::SeqCst);
        }
        mine
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.take_off_table(&mut self.flights.table.lock());
            self.flight.arrival.send_replace(Some(Arrival::Abandoned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forewarm_domain::ChainId;

    fn key() -> Key {
        Key::new("k", 0, ChainId::DEFAULT)
    }

    fn fly(flights: &Flights) -> Ticket<'_> {
        match flights.board(&key()) {
            Boarding::Fly(ticket) => ticket,
            Boarding::Join(_) => panic!("the key is on its way"),
        }
    }

    #[tokio::test]
    async fn a_second_read_joins_and_gets_the_same_answer() {
        let flights = Flights::default();
        let ticket = fly(&flights);
        let Boarding::Join(flight) = flights.board(&key()) else {
            panic!("should join")
        };
        assert!(flights.board_warm(&key()).is_none());
        let mut awaited = None;
        assert!(ticket.land(Arrival::Value(None), |waiting| awaited = Some(waiting)));
        assert_eq!(awaited, Some(true));
        assert!(matches!(flight.arrival().await, Arrival::Value(None)));
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn a_discarded_flight_answers_who_waited_and_places_nothing() {
        let flights = Flights::default();
        let ticket = fly(&flights);
        let Boarding::Join(early) = flights.board(&key()) else {
            panic!("should join")
        };
        flights.discard(&key());
        let later = fly(&flights);
        assert!(!ticket.land(Arrival::Value(None), |_| panic!("placed an outdated value")));
        assert!(matches!(early.arrival().await, Arrival::Value(None)));
        assert!(
            later.land(Arrival::Value(None), |_| {}),
            "the newer flight is untouched"
        );
    }

    #[tokio::test]
    async fn a_flight_whose_task_was_cancelled_strands_nobody() {
        let flights = Flights::default();
        let ticket = fly(&flights);
        let Boarding::Join(flight) = flights.board(&key()) else {
            panic!("should join")
        };
        drop(ticket);
        assert!(matches!(flight.arrival().await, Arrival::Abandoned));
        fly(&flights).land(Arrival::Value(None), |_| {});
    }
}
