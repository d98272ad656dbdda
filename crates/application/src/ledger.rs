//! The outcome ledger: every warmed entry ends in exactly one outcome.
//!
//! An entry is *live* from its landing until it is read, evicted, expired, overwritten or
//! invalidated. If its insertion evicted someone, the ledger watches for that victim's return
//! during the next as many look-ups as L1 has entries: an entry that is never read and whose victim
//! was demanded in that time is *harmful*. One that ends unread while its watch is open stays
//! *pending* until the watch closes.
//!
//! Invariant, after every call: warmed = useful + late + wasted + harmful + live + pending.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use forewarm_domain::{ChainId, Key, Outcome};
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::ports::Evicted;

/// Victims watched for at once; past that the oldest watch closes as if it had ended.
const MOST_WATCHES: usize = 1 << 16;

/// How many warms ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Entries placed (late ones included).
    pub warmed: u64,
    /// Read in time.
    pub useful: u64,
    /// A demand read was already waiting.
    pub late: u64,
    /// Never read.
    pub wasted: u64,
    /// Never read, and their victim was missed.
    pub harmful: u64,
}

impl Outcomes {
    /// Entries that have ended.
    pub fn ended(&self) -> u64 {
        self.useful + self.late + self.wasted + self.harmful
    }

    /// Useful over ended; 0 before anything has ended.
    pub fn precision(&self) -> f64 {
        match self.ended() {
            0 => 0.0,
            ended => self.useful as f64 / ended as f64,
        }
    }

    /// Of those that a demand read wanted, the share that came before it; 0 before there was one.
    pub fn timeliness(&self) -> f64 {
        match self.useful + self.late {
            0 => 0.0,
            wanted => self.useful as f64 / wanted as f64,
        }
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Useful => self.useful += 1,
            Outcome::Late => self.late += 1,
            Outcome::Wasted => self.wasted += 1,
            Outcome::Harmful => self.harmful += 1,
        }
    }
}

#[derive(Debug)]
struct Warm {
    id: u64,
    chain: ChainId,
    /// A victim of its insertion has been demanded.
    harmed: bool,
    /// Victims still watched for.
    watches: u32,
}

#[derive(Debug, Clone, Copy)]
struct Watch {
    warm: u64,
    /// The last look-up at which the victim's return counts.
    until: u64,
}

/// What the ledger says ended, for the metrics.
pub type Ended = (ChainId, Outcome);

/// The ledger. Every call is O(1) amortised; memory is bounded by the live warms and the
/// victims of the last `horizon` look-ups.
#[derive(Debug)]
pub struct Ledger {
    live: HashMap<Key, Warm, RandomState>,
    /// Ended unread, with open watches; by id.
    pending: HashMap<u64, Warm, RandomState>,
    /// Victim to watch.
    watches: HashMap<Key, Watch, RandomState>,
    closing: VecDeque<(u64, Key)>,
    /// Live warms by id, for harm found while they live.
    keys: HashMap<u64, Key, RandomState>,
    /// Ids in order of landing; may hold some that are no longer live.
    order: VecDeque<u64>,
    next_id: u64,
    totals: Outcomes,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self {
            live: HashMap::default(),
            pending: HashMap::default(),
            watches: HashMap::default(),
            closing: VecDeque::new(),
            keys: HashMap::default(),
            order: VecDeque::new(),
            next_id: 0,
            totals: Outcomes::default(),
        }
    }

    /// The totals so far.
    pub fn totals(&self) -> Outcomes {
        self.totals
    }

    /// Warmed entries that have not ended.
    pub fn still_live(&self) -> usize {
        self.live.len() + self.pending.len()
    }

    /// Warmed entries that lie unread in L1.
    pub fn unread(&self) -> usize {
        self.live.len()
    }

    /// Whether `key` lies unread in L1 after a warm.
    pub fn is_unread(&self, key: &Key) -> bool {
        self.live.contains_key(key)
    }

    /// The warms that lie unread in L1, oldest first.
    pub fn unread_by_age(&self) -> impl Iterator<Item = &Key> {
        self.order.iter().filter_map(|id| self.keys.get(id))
    }

    /// The warm that has lain unread in L1 for longest.
    pub fn oldest_unread(&mut self) -> Option<&Key> {
        while self
            .order
            .front()
            .is_some_and(|id| !self.keys.contains_key(id))
        {
            self.order.pop_front();
        }
        self.keys.get(self.order.front()?)
    }

    /// Victims watched for.
    pub fn watching(&self) -> usize {
        self.watches.len()
    }

    /// A warm was placed in L1 at look-up number `lookup`, evicting `victims`; their return
    /// counts for `horizon` look-ups. Says which warms ended by it: a live one of the same key (whose
    /// loss its evictor has not reported yet), and those whose watch it takes over.
    pub fn landed(
        &mut self,
        key: &Key,
        victims: &[Evicted],
        lookup: u64,
        horizon: u64,
    ) -> SmallVec<[Ended; 2]> {
        let mut ended: SmallVec<[Ended; 2]> = self.lost(key).into_iter().collect();
        self.totals.warmed += 1;
        let id = self.next_id;
        self.next_id += 1;
        let mut warm = Warm {
            id,
            chain: key.chain(),
            harmed: false,
            watches: 0,
        };
        for victim in victims
            .iter()
            .filter(|victim| victim.fresh && !victim.unread)
        {
            let until = lookup + horizon;
            let watch = Watch { warm: id, until };
            if let Some(older) = self.watches.insert(victim.key.clone(), watch) {
                // The victim had come back and left again: the first eviction's account is closed.
                // It may be this very warm's, which is not in the books yet.
                if older.warm == id {
                    warm.watches -= 1;
                } else {
                    ended.extend(self.close_watch(older.warm, false));
                }
            }
            self.closing.push_back((until, victim.key.clone()));
            warm.watches += 1;
        }
        self.keys.insert(id, key.clone());
        self.live.insert(key.clone(), warm);
        self.order.push_back(id);
        if self.order.len() > 4 * self.live.len() + 64 {
            let keys = &self.keys;
            self.order.retain(|id| keys.contains_key(id));
        }
        // Without demand no watch closes by itself.
        while self.closing.len() > MOST_WATCHES {
            ended.extend(self.close_oldest());
        }
        ended
    }

    /// A warm landed while a demand read was already waiting for it.
    pub fn late(&mut self, key: &Key) -> Ended {
        self.totals.warmed += 1;
        self.totals.late += 1;
        (key.chain(), Outcome::Late)
    }

    /// The first demand read of a live warm.
    pub fn read(&mut self, key: &Key) -> Option<Ended> {
        let warm = self.live.remove(key)?;
        self.keys.remove(&warm.id);
        Some(self.end(warm.chain, Outcome::Useful))
    }

    /// A live warm left L1 unread, whatever the reason.
    pub fn lost(&mut self, key: &Key) -> Option<Ended> {
        let warm = self.live.remove(key)?;
        self.keys.remove(&warm.id);
        if warm.harmed {
            return Some(self.end(warm.chain, Outcome::Harmful));
        }
        if warm.watches > 0 {
            self.pending.insert(warm.id, warm);
            return None;
        }
        Some(self.end(warm.chain, Outcome::Wasted))
    }

    /// A demand read missed `key` at look-up number `lookup`.
    pub fn missed(&mut self, key: &Key, lookup: u64) -> Option<Ended> {
        let watch = self.watches.get(key).copied()?;
        if lookup > watch.until {
            return None;
        }
        self.watches.remove(key);
        self.close_watch(watch.warm, true)
    }

    /// Closes the watches that ended before look-up number `lookup`.
    pub fn advance(&mut self, lookup: u64, mut ended: impl FnMut(Ended)) {
        while let Some((until, _)) = self.closing.front() {
            if *until >= lookup {
                break;
            }
            if let Some(outcome) = self.close_oldest() {
                ended(outcome);
            }
        }
    }

    /// Closes the watch that ends first, as unharmed.
    fn close_oldest(&mut self) -> Option<Ended> {
        let (until, key) = self.closing.pop_front()?;
        // The same victim may have been watched anew since.
        if self.watches.get(&key)?.until != until {
            return None;
        }
        let watch = self.watches.remove(&key)?;
        self.close_watch(watch.warm, false)
    }

    fn close_watch(&mut self, id: u64, harmed: bool) -> Option<Ended> {
        if let Some(warm) = self.keys.get(&id).and_then(|key| self.live.get_mut(key)) {
            warm.watches -= 1;
            warm.harmed |= harmed;
            return None;
        }
        let warm = self.pending.get_mut(&id)?;
        warm.watches -= 1;
        if !harmed && warm.watches > 0 {
            return None;
        }
        let warm = self.pending.remove(&id).expect("it was just found");
        let outcome = if harmed {
            Outcome::Harmful
        } else {
            Outcome::Wasted
        };
        Some(self.end(warm.chain, outcome))
    }

    fn end(&mut self, chain: ChainId, outcome: Outcome) -> Ended {
        self.totals.count(outcome);
        (chain, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> Key {
        Key::new(vec![n], 0, ChainId::DEFAULT)
    }

    fn victim(n: u8) -> Evicted {
        Evicted {
            key: key(n),
            unread: false,
            fresh: true,
        }
    }

    fn balanced(ledger: &Ledger) -> bool {
        ledger.totals.warmed == ledger.totals.ended() + ledger.still_live() as u64
    }

    #[test]
    fn a_read_warm_is_useful_even_if_its_victim_is_missed() {
        let mut ledger = Ledger::new();
        ledger.landed(&key(1), &[victim(2)], 10, 5);
        assert_eq!(ledger.missed(&key(2), 12), None);
        assert_eq!(ledger.read(&key(1)).unwrap().1, Outcome::Useful);
        assert!(balanced(&ledger));
    }

    #[test]
    fn a_key_warmed_again_is_as_young_as_its_last_warm() {
        let mut ledger = Ledger::new();
        ledger.landed(&key(1), &[], 0, 5);
        ledger.landed(&key(2), &[], 0, 5);
        ledger.read(&key(1));
        ledger.landed(&key(1), &[], 0, 5);
        assert_eq!(ledger.oldest_unread(), Some(&key(2)));
        assert!(ledger.unread_by_age().eq([&key(2), &key(1)]));
        ledger.lost(&key(2));
        assert_eq!(ledger.oldest_unread(), Some(&key(1)));
        for _ in 0..1_000 {
            ledger.read(&key(1));
            ledger.landed(&key(1), &[], 0, 5);
        }
        assert!(ledger.order.len() <= 70, "{}", ledger.order.len());
        ledger.read(&key(1));
        assert_eq!(ledger.oldest_unread(), None);
    }

    #[test]
    fn an_unread_warm_is_harmful_only_if_its_victim_returns_in_time() {
        for (return_at, expected) in [(15, Outcome::Harmful), (16, Outcome::Wasted)] {
            // The victim returns before the warm is lost …
            let mut ledger = Ledger::new();
            ledger.landed(&key(1), &[victim(2)], 10, 5);
            let mut outcome = None;
            ledger.advance(return_at, |ended| outcome = Some(ended.1));
            outcome = outcome.or(ledger.missed(&key(2), return_at).map(|ended| ended.1));
            outcome = outcome.or(ledger.lost(&key(1)).map(|ended| ended.1));
            assert_eq!(
                outcome,
                Some(expected),
                "victim back at {return_at}, then lost"
            );
            // … or after.
            let mut ledger = Ledger::new();
            ledger.landed(&key(1), &[victim(2)], 10, 5);
            assert_eq!(
                ledger.lost(&key(1)),
                None,
                "pending while the watch is open"
            );
            assert_eq!(ledger.still_live(), 1);
            let mut outcome = ledger.missed(&key(2), return_at).map(|ended| ended.1);
            ledger.advance(return_at, |ended| outcome = Some(ended.1));
            assert_eq!(
                outcome,
                Some(expected),
                "lost, then victim back at {return_at}"
            );
            assert!(balanced(&ledger));
        }
    }

    #[test]
    fn evicting_a_stale_or_unread_entry_is_no_harm() {
        let mut ledger = Ledger::new();
        let stale = Evicted {
            fresh: false,
            ..victim(2)
        };
        let unread = Evicted {
            unread: true,
            ..victim(3)
        };
        ledger.landed(&key(1), &[stale, unread], 0, 100);
        assert!(ledger.watching() == 0);
        assert_eq!(ledger.lost(&key(1)).unwrap().1, Outcome::Wasted);
    }

    proptest! {
        /// Any order of calls: the books balance and the watches stay bounded.
        #[test]
        fn every_warm_ends_in_exactly_one_outcome(
            calls in prop::collection::vec((0_u8..6, 0_u8..12, 0_u8..12), 1..300)
        ) {
            let mut ledger = Ledger::new();
            let mut counted = Outcomes::default();
            for (lookup, (call, a, b)) in calls.iter().enumerate() {
                let lookup = lookup as u64;
                let mut ended = Vec::new();
                match call {
                    0 => {
                        let victims = [victim(*b), victim(b.wrapping_add(1))];
                        ended.extend(ledger.landed(&key(*a), &victims, lookup, 7));
                    }
                    1 => ended.extend(ledger.read(&key(*a))),
                    2 => ended.extend(ledger.lost(&key(*a))),
                    3 => ended.extend(ledger.missed(&key(*a), lookup)),
                    4 => ended.push(ledger.late(&key(*a))),
                    _ => ledger.advance(lookup, |e| ended.push(e)),
                }
                for (_, outcome) in ended {
                    counted.count(outcome);
                }
                prop_assert!(balanced(&ledger), "{:?}", ledger.totals);
            }
            ledger.advance(u64::MAX, |(_, outcome)| counted.count(outcome));
            prop_assert!(ledger.pending.is_empty() && ledger.watching() == 0);
            counted.warmed = ledger.totals.warmed;
            prop_assert_eq!(counted, ledger.totals);
        }
    }

    #[test]
    fn a_warm_of_a_key_whose_loss_is_not_yet_reported_ends_the_older_one() {
        let mut ledger = Ledger::new();
        ledger.landed(&key(1), &[], 0, 5);
        let ended = ledger.landed(&key(1), &[], 1, 5);
        assert_eq!(ended[..], [(ChainId::DEFAULT, Outcome::Wasted)]);
        assert!(balanced(&ledger));
    }

    #[test]
    fn watches_are_bounded_when_nobody_reads() {
        let mut ledger = Ledger::new();
        for n in 0..MOST_WATCHES as u64 + 100 {
            let name = |kind: u8| {
                let mut bytes = n.to_le_bytes().to_vec();
                bytes.push(kind);
                Key::new(bytes, 0, ChainId::DEFAULT)
            };
            let victim = Evicted {
                key: name(1),
                ..victim(0)
            };
            ledger.landed(&name(0), &[victim], 0, 1_000);
            ledger.lost(&name(0));
        }
        assert!(ledger.closing.len() <= MOST_WATCHES && ledger.watches.len() <= MOST_WATCHES);
        assert_eq!(ledger.totals().wasted, 100);
        assert!(balanced(&ledger));
    }
}
