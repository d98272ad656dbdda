//! What a read may see, and what the engine has been told.
//!
//! Every value bears the number of its write and whether it came from L2 or from a feed: a feed's values
//! are promised to be as fresh as the feed and no fresher.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::super::Found;
use super::schedule::KEYS;
use super::sea::{Id, Seq, State};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    L2(Id),
    Feed(Id),
}

pub(super) fn feed_text(id: Id) -> String {
    format!("f{id}")
}

pub(super) fn origin(value: &[u8]) -> Origin {
    let text = std::str::from_utf8(value).expect("values are texts of ours");
    let id = |digits: &str| digits.parse().expect("values are numbers");
    match text.strip_prefix('f') {
        Some(digits) => Origin::Feed(id(digits)),
        None => Origin::L2(id(text)),
    }
}

/// What was known of a key when a read of it began.
#[derive(Debug, Clone, Default)]
pub(super) struct Floor {
    /// The latest write that the engine had been told of, or had to know of by the bound.
    pub(super) told: Seq,
    /// Of each value that a feed had brought: the latest write told of since.
    since: HashMap<Id, Seq>,
    /// Deliveries of feeds until then.
    deliveries: u64,
}

/// The same, kept up to date.
#[derive(Debug, Default)]
pub(super) struct Judge {
    known: [Floor; KEYS as usize],
    /// The least version that L1 may hold of a key: it held that one, or was told of it, and has kept
    /// the key since.
    least: [Option<Id>; KEYS as usize],
    /// Deliveries of feeds so far, and the number of each value's last one.
    deliveries: u64,
    delivered: HashMap<(u32, Id), u64>,
}

impl Judge {
    /// The engine was told of a write.
    pub(super) fn told(&mut self, n: u32, seq: Seq) {
        let known = &mut self.known[n as usize];
        known.told = known.told.max(seq);
        for since in known.since.values_mut() {
            *since = seq.max(*since);
        }
    }

    /// A feed brings the value of a write, which is news too.
    pub(super) fn fed(&mut self, n: u32, id: Id, seq: Seq) {
        self.told(n, seq);
        self.known[n as usize].since.insert(id, 0);
        self.deliveries += 1;
        self.delivered.insert((n, id), self.deliveries);
    }

    /// Nothing older than what L2 holds may be seen from now on.
    pub(super) fn all_told(&mut self, sea: &State) {
        for n in 0..KEYS {
            self.told(n, sea.current(n).1);
        }
    }

    /// L1 is another one.
    pub(super) fn begin_anew(&mut self, sea: &State) {
        self.all_told(sea);
        self.least = Default::default();
    }

    pub(super) fn floor(&self, n: u32, due: Seq) -> Floor {
        let mut floor = self.known[n as usize].clone();
        floor.told = floor.told.max(due);
        floor.deliveries = self.deliveries;
        floor
    }

    /// A versioned feed told of a write, and L1 has a place for the key.
    pub(super) fn least(&mut self, n: u32, id: Id) {
        let least = &mut self.least[n as usize];
        *least = (*least).max(Some(id));
    }

    /// The key has left L1, which knows nothing of it any more.
    pub(super) fn left(&mut self, n: u32) {
        self.least[n as usize] = None;
    }

    /// What L1 holds of the key between two steps: nothing at all, nothing that it would serve, or a
    /// value, perhaps with a version.
    pub(super) fn holds(&mut self, n: u32, held: Option<Option<Id>>) -> Result<(), TestCaseError> {
        let least = &mut self.least[n as usize];
        match held {
            None => *least = None,
            Some(None) => {}
            Some(version) => {
                prop_assert!(
                    version >= *least,
                    "of key {n} L1 takes version {version:?} in place of {least:?}"
                );
                *least = version;
            }
        }
        Ok(())
    }
}

/// Whether a read that began at `floor` may have found this.
pub(super) fn check(
    judge: &Judge,
    sea: &State,
    n: u32,
    floor: &Floor,
    found: Option<&Found>,
) -> Result<(), TestCaseError> {
    let Some(found) = found else {
        let absent = sea.last_absent(n);
        prop_assert!(
            absent >= Some(floor.told),
            "key {n} is read as absent, last at {absent:?}, after {} was told",
            floor.told
        );
        return Ok(());
    };
    match origin(&found.value) {
        Origin::L2(id) => {
            let seq = sea.seq(id).unwrap_or(0);
            prop_assert!(
                seq >= floor.told,
                "of key {n} write {id} is read, taken at {seq}, after {} was told",
                floor.told
            );
        }
        Origin::Feed(id) => {
            // Brought while the read was under way it is as fresh as the feed.
            if judge.delivered.get(&(n, id)) > Some(&floor.deliveries) {
                return Ok(());
            }
            // Not yet taken by L2 it is ahead of it; never taken, because L2 had a newer one, it has no
            // place in L2's order, and only its version says what it is older than.
            let seq = sea.seq(id).filter(|seq| *seq > 0).unwrap_or(Seq::MAX);
            let since = floor.since.get(&id).copied().unwrap_or(0);
            prop_assert!(
                seq >= since,
                "of key {n} the feed's write {id} is read, taken at {seq}, after {since} was told"
            );
        }
    }
    Ok(())
}
