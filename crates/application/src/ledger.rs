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

use crate::ports::Placed;

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
    /// The look-up at which it landed.
    since: u64,
    /// L1 had nothing of it before.
    newcomer: bool,
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
    /// Ids of newcomers in order of landing; may hold some that are no longer live.
    order: VecDeque<u64>,
    /// Live ones that are newcomers.
    newcomers: usize,
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
            newcomers: 0,
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

    /// Warmed entries that lie unread in L1 and were not in it before. Not those that put an outdated
    /// copy right: L1 would hold them anyway.
    pub fn unread(&self) -> usize {
        self.newcomers
    }

    /// Whether `key` lies unread in L1 after a warm.
    pub fn is_unread(&self, key: &Key) -> bool {
        self.live.contains_key(key)
    }

    /// The newcomers that lie unread in L1, oldest first.
    pub fn unread_by_age(&self) -> impl Iterator<Item = &Key> {
        self.order.iter().filter_map(|id| self.keys.get(id))
    }

    /// The newcomer that has lain unread in L1 for longest.
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

    /// The newcomer that has lain unread in L1 for longest, if it landed before look-up `lookup`.
    pub fn unread_since_before(&mut self, lookup: u64) -> Option<&Key> {
        self.oldest_unread()?;
        let key = self.keys.get(self.order.front()?)?;
        self.live.get(key).filter(|warm| warm.since < lookup)?;
        Some(key)
    }

    /// Victims watched for.
    pub fn watching(&self) -> usize {
        self.watches.len()
    }

    /// A warm was `placed` in L1 at look-up number `lookup`; the return of those it evicted
    /// counts for `horizon` look-ups. Says which warms ended by it: a live one of the same key (whose
    /// loss its evictor has not reported yet), and those whose watch it takes over.
    pub fn landed(
        &mut self,
        key: &Key,
        placed: &Placed,
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
            since: lookup,
            newcomer: !placed.in_place,
            harmed: false,
            watches: 0,
        };
        for victim in placed
            .evicted
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
        if !placed.in_place {
            self.newcomers += 1;
            self.order.push_back(id);
        }
        if self.order.len() > 4 * self.newcomers + 64 {
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
        let warm = self.leave(key)?;
        Some(self.end(warm.chain, Outcome::Useful))
    }

    /// A live warm left L1 unread, whatever the reason.
    pub fn lost(&mut self, key: &Key) -> Option<Ended> {
        let warm = self.leave(key)?;
        if warm.harmed {
            return Some(self.end(warm.chain, Outcome::Harmful));
        }
        if warm.watches > 0 {
            self.pending.insert(warm.id, warm);
            return None;
        }
        Some(self.end(warm.chain, Outcome::Wasted))
    }

    /// It is live no longer.
    fn leave(&mut self, key: &Key) -> Option<Warm> {
        let warm = self.live.remove(key)?;
        self.keys.remove(&warm.id);
        self.newcomers -= usize::from(warm.newcomer);
        Some(warm)
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

    /// Whether [`missed`](Self::missed) and [`advance`](Self::advance) may have something to do.
    pub fn is_watching(&self) -> bool {
        // Each watch has its place in it, if only until that is next looked at.
        !self.closing.is_empty()
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
mod tests;
