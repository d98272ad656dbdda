//! What was written past Forewarm and what was read through it, and what is wrong with that.
//!
//! Versions count up over all keys. A read that began at `b` may see nothing older than the last
//! change that was acknowledged at or before `b` minus the bound. That a key is not there is a
//! change like any other (a deletion, an expiry, a flush, a restart without data).

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// A change made past Forewarm.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// `None` = every key.
    pub(crate) key: Option<usize>,
    pub(crate) version: u64,
    /// The key is not there afterwards.
    pub(crate) removes: bool,
    pub(crate) begun: Instant,
    /// `None` = nobody knows whether it happened.
    pub(crate) acknowledged: Option<Instant>,
}

/// A read through Forewarm that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) key: usize,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    /// The version read; `None` = not there.
    pub(crate) seen: Option<u64>,
    pub(crate) from_l1: bool,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: Mutex<Vec<Change>>,
    reads: Mutex<Vec<Read>>,
}

/// How much of a history was to the point.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Reads that could have been too old.
    pub(crate) reads: usize,
    /// Those of them that L1 answered.
    pub(crate) from_l1: usize,
    /// The reads that were too old, for people.
    pub(crate) violations: Vec<String>,
}

impl History {
    pub(crate) fn changed(&self, change: Change) {
        self.changes.lock().expect("nobody panics").push(change);
    }

    pub(crate) fn read(&self, read: Read) {
        self.reads.lock().expect("nobody panics").push(read);
    }

    /// Judges every read.
    pub(crate) fn judge(&self, bound: Duration) -> Judged {
        let changes = self.changes.lock().expect("nobody panics");
        let mut judged = Judged::default();
        for read in self.reads.lock().expect("nobody panics").iter() {
            let of_key = |change: &&Change| change.key.is_none_or(|key| key == read.key);
            let due = |change: &Change| {
                change
                    .acknowledged
                    .is_some_and(|acknowledged| acknowledged + bound <= read.begun)
            };
            let of_key = changes.iter().filter(of_key);
            let least = of_key.clone().filter(|change| due(change));
            let Some(least) = least.max_by_key(|change| change.version) else {
                continue;
            };
            judged.reads += 1;
            judged.from_l1 += usize::from(read.from_l1);
            let removed = of_key
                .filter(|change| change.removes && change.begun <= read.ended)
                .map(|change| change.version)
                .max();
            let seen = read.seen.or(removed).unwrap_or(0);
            if seen < least.version {
                let age = least.acknowledged.map(|at| read.begun - at);
                judged.violations.push(format!(
                    "key {} read as {:?} (L1: {}), version {} was acknowledged {age:?} before",
                    read.key, read.seen, read.from_l1, least.version
                ));
            }
        }
        judged
    }

    /// The latest beginning of a read that L1 answered.
    pub(crate) fn last_hit(&self) -> Option<Instant> {
        let reads = self.reads.lock().expect("nobody panics");
        let hits = reads.iter().filter(|read| read.from_l1);
        hits.map(|read| read.begun).max()
    }
}

const BOUND: Duration = Duration::from_millis(100);

/// A history of one key; times in milliseconds.
struct Tale {
    start: Instant,
    history: History,
}

impl Tale {
    fn begin() -> Self {
        Self {
            start: Instant::now(),
            history: History::default(),
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn change(&self, version: u64, removes: bool, acknowledged: Option<u64>) {
        self.history.changed(Change {
            key: Some(0),
            version,
            removes,
            begun: self.at(acknowledged.unwrap_or(0)),
            acknowledged: acknowledged.map(|ms| self.at(ms)),
        });
    }

    /// Whether reading this at that time is fine.
    fn fine(&self, begun: u64, seen: Option<u64>) -> bool {
        let tale = History::default();
        *tale.changes.lock().expect("fresh") = self.history.changes.lock().expect("fresh").clone();
        tale.read(Read {
            key: 0,
            begun: self.at(begun),
            ended: self.at(begun + 1),
            seen,
            from_l1: true,
        });
        tale.judge(BOUND).violations.is_empty()
    }
}

#[test]
fn the_checker_lets_a_value_go_on_for_the_bound_and_not_a_moment_longer() {
    let tale = Tale::begin();
    tale.change(1, false, Some(0));
    tale.change(2, false, Some(1_000));
    assert!(tale.fine(500, Some(1)) && tale.fine(1_099, Some(1)));
    assert!(!tale.fine(1_100, Some(1)));
    assert!(tale.fine(1_000, Some(2)) && tale.fine(5_000, Some(2)));
}

#[test]
fn the_checker_takes_an_absent_key_only_where_something_removed_it() {
    let tale = Tale::begin();
    tale.change(1, false, Some(0));
    assert!(!tale.fine(500, None), "nothing removed it");
    tale.change(2, true, Some(1_000));
    assert!(tale.fine(1_000, None) && tale.fine(1_050, Some(1)));
    assert!(!tale.fine(1_200, Some(1)), "it was read after its removal");
    tale.change(3, false, Some(2_000));
    assert!(tale.fine(2_050, None) && !tale.fine(2_200, None));
}

#[test]
fn the_checker_asks_nothing_of_a_change_that_nobody_acknowledged() {
    let tale = Tale::begin();
    tale.change(1, false, Some(0));
    tale.change(2, false, None);
    assert!(tale.fine(5_000, Some(1)) && tale.fine(5_000, Some(2)));
}
