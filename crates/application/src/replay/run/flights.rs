//! What is on its way from L2, in virtual time, and what becomes of it in L1.

use forewarm_domain::{Key, Timestamp};

use super::{KeyTable, Mind, Run};
use crate::learner::stay;
use crate::ports::{Placed, Placement};

/// A key on its way from L2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) key: u32,
    pub(super) lands_at: Timestamp,
    pub(super) warm: bool,
    pub(super) awaited: bool,
    pub(super) discarded: bool,
}

impl Run<'_> {
    pub(super) fn depart(&mut self, keys: &KeyTable, key: u32, warm: bool, now: Timestamp) {
        // They land in the order of departure, even when L2 has become faster meanwhile.
        let last = self
            .flights
            .back()
            .map_or(Timestamp::ZERO, |flight| flight.lands_at);
        let lands_at = (now + self.config.l2_latency).max(last);
        let flight = Flight {
            key,
            lands_at,
            warm,
            awaited: !warm,
            discarded: false,
        };
        if self.config.l2_latency.is_zero() {
            self.land(keys, flight, now);
            return;
        }
        self.flights.push_back(flight);
        self.departed += 1;
        self.flight_of[key as usize] = self.departed;
        self.note(keys, key, now);
    }

    pub(super) fn flight_mut(&mut self, number: u64) -> &mut Flight {
        let landed = self.departed - self.flights.len() as u64;
        &mut self.flights[(number - landed) as usize]
    }

    pub(super) fn land_until(&mut self, keys: &KeyTable, now: Timestamp) {
        while self
            .flights
            .front()
            .is_some_and(|flight| flight.lands_at <= now)
        {
            let flight = self.flights.pop_front().expect("there is a front");
            if !flight.discarded {
                self.flight_of[flight.key as usize] = 0;
                self.land(keys, flight, flight.lands_at);
            }
        }
    }

    pub(super) fn land(&mut self, keys: &KeyTable, flight: Flight, now: Timestamp) {
        let name = keys.name(flight.key);
        let cached = self.cached(None, now);
        let unread = flight.warm && !flight.awaited;
        let placement = if unread {
            Placement::Warm
        } else {
            Placement::Demand
        };
        let placed = self.l1.place(name, cached, placement);
        self.account(keys, flight.key, &placed, now);
        if !placed.placed {
            return;
        }
        if unread {
            let horizon = self.l1_entries as u64;
            self.ledger.landed(name, &placed, self.tally.reads, horizon);
            // To refresh is to keep what L1 held anyway.
            if !matches!(self.mind, Mind::Refresh) {
                self.keep_share(keys, now);
            }
        } else if flight.warm {
            self.ledger.late(name);
        }
    }

    /// A warm was read, or left L1 unread: into the books and back to who chose it.
    pub(super) fn end(&mut self, key: &Key, useful: bool) {
        if !self.ledger.is_unread(key) {
            return;
        }
        if useful {
            self.ledger.read(key);
        } else {
            self.ledger.lost(key);
        }
        if let Mind::Strategy(learner) = &mut self.mind
            && !useful
        {
            learner.lost(key);
        }
    }

    /// Ends what a placement ended.
    pub(super) fn account(&mut self, keys: &KeyTable, key: u32, placed: &Placed, now: Timestamp) {
        if placed.overwrote_unread {
            self.end(keys.name(key), false);
        }
        for left in &placed.evicted {
            if left.unread {
                self.end(&left.key, false);
            }
            if let Some(key) = keys.number(&left.key) {
                self.note(keys, key, now);
            }
        }
        self.note(keys, key, now);
    }

    /// Warms that were not read in time leave.
    pub(super) fn give_up(&mut self, keys: &KeyTable, now: Timestamp) {
        let entries = self.l1_entries as u64;
        let stay = match self.mind {
            // What is popular is fetched for its next read, whenever that is.
            Mind::Popularity(_) => entries,
            _ => stay(entries, self.config.l1_share),
        };
        let Some(before) = self.tally.reads.checked_sub(stay) else {
            return;
        };
        while let Some(key) = self.ledger.unread_since_before(before) {
            let Some(key) = keys.number(key) else { return };
            self.drop_unread(keys, key, now);
        }
    }

    /// Unread warms fill at most their share of L1: the oldest goes.
    pub(super) fn keep_share(&mut self, keys: &KeyTable, now: Timestamp) {
        let share = (self.l1_entries as f64 * self.config.l1_share) as usize;
        let most = 2 * self.config.max_pairs_per_warm;
        let most = match self.mind {
            Mind::Strategy(_) => self.governor.unread_allowed(share, most),
            _ => share.max(most),
        };
        while self.ledger.unread() > most {
            let oldest = self.ledger.oldest_unread();
            let Some(key) = oldest.and_then(|key| keys.number(key)) else {
                return;
            };
            self.drop_unread(keys, key, now);
        }
    }
}
