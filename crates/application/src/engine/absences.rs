//! Keys that L2 was found not to have (negative caching): a decorator of L1.
//!
//! Everything that puts a value of a key into L1, makes one stale or takes one out is also news about
//! the key's absence, so this hears of it where L1 does, under the same fence: an absence that was
//! read before a change was announced is never remembered after it.

use crate::sync::atomic::{AtomicUsize, Ordering};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::Mutex;
use foldhash::fast::RandomState;
use forewarm_domain::{ChainId, Key, KeyRef, Standing, Timestamp, Version};
use hashbrown::HashMap;

use crate::ports::{Cached, Glimpse, LocalCache, LocalLookup, Placed, Placement, Usage};

/// Most keys remembered. With [`LONGEST_KEY`] they take some 16 MiB at worst.
const MOST_KEYS: usize = 16_384;
/// Longer keys are asked for every time.
const LONGEST_KEY: usize = 1_024;

/// The keys that L2 lately did not have.
#[derive(Debug)]
pub(super) struct Absences {
    /// How long an absence is believed.
    ttl: Duration,
    /// Keys in the table, so that nobody takes the lock while there are none.
    count: AtomicUsize,
    table: Mutex<Table>,
}

/// L1, whose news end absences.
struct Beside {
    l1: Box<dyn LocalCache>,
    absences: Arc<Absences>,
}

/// L1 with absences beside it; without a time to live L1 as it is, which then pays for nothing.
pub(super) fn beside(
    l1: Box<dyn LocalCache>,
    ttl: Option<Duration>,
) -> (Box<dyn LocalCache>, Option<Arc<Absences>>) {
    let Some(ttl) = ttl else { return (l1, None) };
    let absences = Arc::new(Absences::new(ttl));
    let beside = Beside {
        l1,
        absences: Arc::clone(&absences),
    };
    (Box::new(beside), Some(absences))
}

/// Two generations: when the young one is full the old one is forgotten.
#[derive(Debug, Default)]
struct Table {
    young: Generation,
    old: Generation,
}

/// Until when each absence is believed.
type Generation = HashMap<Key, Timestamp, RandomState>;

impl Table {
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl Absences {
    fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            count: AtomicUsize::new(0),
            table: Mutex::default(),
        }
    }

    /// L2 was asked at `now` and has no such key. To be called where a value would have been placed.
    pub(super) fn note(&self, key: &Key, now: Timestamp) {
        if key.bytes().len() > LONGEST_KEY {
            return;
        }
        let mut table = self.table.lock();
        if table.young.len() >= MOST_KEYS / 2 {
            table.old = mem::take(&mut table.young);
        }
        table.young.insert(key.clone(), now + self.ttl);
        self.count.store(table.len(), Ordering::SeqCst);
    }

    /// Whether the key is known not to be in L2.
    pub(super) fn holds(&self, key: &Key, now: Timestamp) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let table = self.table.lock();
        // The younger of two notes counts.
        let until = table.young.get(key).or_else(|| table.old.get(key));
        until.is_some_and(|until| *until > now)
    }

    fn forget(&self, key: &Key) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut table = self.table.lock();
        table.young.remove(key);
        table.old.remove(key);
        self.count.store(table.len(), Ordering::SeqCst);
    }

    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        let table = self.table.lock();
        let keys = table.young.keys().chain(table.old.keys());
        keys.filter(|key| key.chain() == chain).cloned().collect()
    }

    fn forget_all(&self) {
        let mut table = self.table.lock();
        *table = Table::default();
        self.count.store(0, Ordering::SeqCst);
    }
}

impl LocalCache for Beside {
    fn get(&self, key: &Key, now: Timestamp) -> LocalLookup {
        self.l1.get(key, now)
    }

    fn glance(&self, name: KeyRef<'_>, now: Timestamp, show: &mut dyn FnMut(Glimpse<'_>)) {
        self.l1.glance(name, now, show);
    }

    fn draw(&self, name: KeyRef<'_>) -> u16 {
        self.l1.draw(name)
    }

    fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.l1.peek(key, now)
    }

    fn standing(&self, key: &Key, now: Timestamp) -> Standing {
        self.l1.standing(key, now)
    }

    fn has(&self, key: &Key, now: Timestamp) -> bool {
        self.l1.has(key, now)
    }

    fn place(&self, key: &Key, cached: Cached, placement: Placement) -> Placed {
        self.absences.forget(key);
        self.l1.place(key, cached, placement)
    }

    fn mark_stale(&self, key: &Key, version: Option<Version>) -> bool {
        self.absences.forget(key);
        self.l1.mark_stale(key, version)
    }

    fn remove(&self, key: &Key) -> bool {
        self.absences.forget(key);
        self.l1.remove(key)
    }

    fn clear(&self) -> Vec<Key> {
        self.absences.forget_all();
        self.l1.clear()
    }

    /// Those known to be absent among them: what is told of them ends that knowledge too.
    fn keys_of(&self, chain: ChainId) -> Vec<Key> {
        let mut keys = self.absences.keys_of(chain);
        keys.extend(self.l1.keys_of(chain));
        keys
    }

    fn usage(&self) -> Usage {
        self.l1.usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryCache, at, key};

    const TTL: Duration = Duration::from_millis(100);

    fn remembering() -> (Box<dyn LocalCache>, Arc<Absences>) {
        let (l1, absences) = beside(MemoryCache::boxed(10), Some(TTL));
        (l1, absences.expect("it is on"))
    }

    #[test]
    fn an_absence_is_believed_until_its_end_exactly_and_not_at_all_without_a_ttl() {
        let (_, some) = remembering();
        some.note(&key(1), at(1_000));
        assert!(some.holds(&key(1), at(1_099)) && !some.holds(&key(1), at(1_100)));
        assert!(!some.holds(&key(2), at(1_000)));
        assert!(beside(MemoryCache::boxed(10), None).1.is_none());
    }

    #[test]
    fn a_keys_draw_is_that_of_the_l1_beside_it() {
        let (l1, _) = remembering();
        let name = KeyRef {
            bytes: b"seven b",
            database: 0,
        };
        assert_eq!(l1.draw(name), 7);
    }

    #[test]
    fn whatever_l1_hears_of_the_key_ends_its_absence() {
        let cached = || Cached::from_stored(crate::testing::stored("v", None), at(1_000), None);
        let check = |name: &str, news: &dyn Fn(&dyn LocalCache)| {
            let (l1, some) = remembering();
            some.note(&key(1), at(1_000));
            news(&*l1);
            assert!(!some.holds(&key(1), at(1_000)), "{name}");
        };
        check("placed", &|it| {
            it.place(&key(1), cached(), Placement::Warm);
        });
        check("refreshed", &|it| {
            it.place(&key(1), cached(), Placement::Refresh);
        });
        check("stale", &|it| {
            it.mark_stale(&key(1), None);
        });
        check("removed", &|it| {
            it.remove(&key(1));
        });
        check("cleared", &|it| {
            it.clear();
        });
    }

    #[test]
    fn a_scan_of_keys_that_do_not_exist_takes_no_more_than_the_bound() {
        let (_, some) = remembering();
        for n in 0..3 * MOST_KEYS as u32 {
            some.note(&key(n), at(1_000));
            assert!(some.table.lock().len() <= MOST_KEYS);
        }
        assert!(!some.holds(&key(0), at(1_000)), "the oldest are forgotten");
        assert!(some.holds(&key(3 * MOST_KEYS as u32 - 1), at(1_000)));
        let long = Key::new(vec![b'x'; LONGEST_KEY + 1], 0, ChainId::DEFAULT);
        some.note(&long, at(1_000));
        assert!(!some.holds(&long, at(1_000)));
    }
}
