//! Threads that meet in the engine, in every order that shuttle thinks of: the fence between what is on
//! its way and what is heard, single-flight, the books.
//!
//! ```sh
//! cargo test -p forewarm-application --lib --features interleavings interleavings
//! ```
//!
//! A failure prints the schedule that led to it; `shuttle::replay` plays it again.
//!
//! Seen to fail when
//! - a flight is placed though it was discarded (`Ticket::land`);
//! - news marks L1's copy stale before it discards what is on its way (`Engine::changed`);
//! - a flight that is landing no longer counts before its value is in L1 (`recount` before `place`);
//! - a warm is placed before the ledger is locked (`place_warm`);
//! - a ticket that is dropped does not say so to those who wait;
//! - a proof reads the clock outside of the lock that keeps a step of the clock away (`extend`);
//! - an absence outlives news of its key; two writes at once do not doubt each other.
//!
//! Not seen to fail, because something else covers them: `lift` without its discard, and `link_opened`
//! without grounding around its flush.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shuttle::future::{block_on, yield_now};
use shuttle::thread;
use shuttle::{check_pct, check_random};
use tokio::runtime::Runtime;

use super::super::*;
use super::world::{World, engine_over, update, valued, world};
use crate::ports::{Kept, Stored};
use crate::sync::{Mutex, atomic};
use crate::testing::{at, key, stored};

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
/// Schedules of each model: at random, and with few changes of thread at places that are.
const RANDOM: usize = 400;
const FEW_SWITCHES: usize = 400;

/// L2: a read takes its value, and somebody else may run before it answers.
#[derive(Default)]
struct Lake {
    values: Mutex<HashMap<Key, Stored>>,
    reads: atomic::AtomicUsize,
    /// So many reads to come fail.
    failures: Mutex<usize>,
}

impl Lake {
    fn set(&self, n: u32, text: &str) {
        self.values.lock().insert(key(n), stored(text, None));
    }

    fn text(&self, n: u32) -> Option<String> {
        let values = self.values.lock();
        let stored = values.get(&key(n))?;
        Some(String::from_utf8_lossy(&stored.value).into_owned())
    }
}

#[async_trait]
impl SharedCache for Lake {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        self.reads.fetch_add(1, atomic::Ordering::SeqCst);
        let found = {
            let values = self.values.lock();
            keys.iter().map(|key| values.get(key).cloned()).collect()
        };
        yield_now().await;
        let fails = {
            let mut failures = self.failures.lock();
            let fails = *failures > 0;
            *failures -= usize::from(fails);
            fails
        };
        if fails {
            let reason = "by the model".to_owned();
            return Err(SharedCacheError::Refused { reason });
        }
        Ok(found)
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        yield_now().await;
        self.values.lock().insert(key.clone(), stored.clone());
        yield_now().await;
        Ok(Kept::This)
    }

    async fn remove(&self, _: &Key) -> Result<bool, SharedCacheError> {
        unreachable!("the engine removes nothing")
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "lake"
    }
}

/// An engine over a lake.
struct Shore {
    engine: Engine,
    lake: Arc<Lake>,
}

impl Shore {
    /// It holds key 2, and knows that it is read after key 1.
    fn new(model: &[u8]) -> Arc<Self> {
        let lake = Arc::new(Lake::default());
        lake.set(2, "old");
        let engine = engine_over(Arc::clone(&lake) as _, 4, |config| {
            config.event_queue_size = 64;
            config.model.max_pairs = 16;
            config.negative_ttl = Some(Duration::from_secs(60));
        });
        engine.restore_model(model, NOW).expect("it was just saved");
        Arc::new(Self { engine, lake })
    }

    fn get(&self, n: u32) -> Option<String> {
        let found = block_on(self.engine.get(&key(n), NOW)).expect("L2 answers");
        found.map(|found| String::from_utf8_lossy(&found.value).into_owned())
    }

    fn held(&self, n: u32) -> Option<String> {
        let cached = self.engine.l1.peek(&key(n), NOW)?;
        Some(String::from_utf8_lossy(&cached.value).into_owned())
    }

    fn warm(&self) -> WarmReport {
        self.engine.request_warm(&key(1), NOW);
        block_on(self.engine.warm(NOW))
    }

    /// Nothing is on its way, the books balance, and L1 holds nothing that L2 does not.
    fn check(&self) {
        assert!(self.engine.flights.is_empty());
        let status = self.engine.status(NOW);
        let ended = status.outcomes.ended() + status.still_live as u64;
        assert_eq!(status.outcomes.warmed, ended, "{:?}", status.outcomes);
        let held = self.held(2);
        assert!(
            held.is_none() || held == self.lake.text(2),
            "L1 holds {held:?}"
        );
    }
}

/// What a world has learned.
fn model() -> Vec<u8> {
    // Outside of a model there is no schedule to ask.
    let saved: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::default();
    let saved = Arc::new(saved);
    let out = Arc::clone(&saved);
    check_random(
        move || {
            let mut teacher: World = world(4, |config| config.model.max_pairs = 16);
            teacher.teach(&key(1), &[key(2)]);
            *out.lock().expect("one thread") = teacher.engine.save_model(NOW);
        },
        1,
    );
    let saved = saved.lock().expect("one thread");
    saved.clone()
}

/// Plays `meet` in many orders.
fn model_check(meet: impl Fn(&Arc<Shore>) + Send + Sync + 'static) {
    // Its clock stands still: no time-out ends anything.
    let runtime: Arc<Runtime> = Arc::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime"),
    );
    let model = model();
    let play = move || {
        let _entered = runtime.enter();
        let shore = Shore::new(&model);
        meet(&shore);
        shore.check();
    };
    let play = Arc::new(play);
    let again = Arc::clone(&play);
    check_random(move || play(), RANDOM);
    check_pct(move || again(), FEW_SWITCHES, 3);
}

fn spawn<T: Send + 'static>(
    shore: &Arc<Shore>,
    act: impl FnOnce(&Shore) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let shore = Arc::clone(shore);
    thread::spawn(move || act(&shore))
}

/// The ways in which news of key 2 arrives.
const NEWS: [fn(&Engine); 7] = [
    |engine| engine.changed(key(2).bytes(), Some(0), NOW),
    |engine| engine.changed(key(2).bytes(), None, NOW),
    |engine| engine.invalidate(&key(2)),
    |engine| engine.flush(),
    |engine| engine.link_opened(),
    |engine| assert!(engine.observe_update(&key(2), update(NOW), NOW).is_ok()),
    |engine| {
        let news = valued(NOW, "new", None);
        assert!(engine.observe_update(&key(2), news, NOW).is_ok());
    },
];

#[test]
fn a_fill_and_news_that_meet_leave_nothing_outdated() {
    for news in NEWS {
        model_check(move |shore| {
            let reader = spawn(shore, |it| it.get(2));
            let writer = spawn(shore, move |it| {
                it.lake.set(2, "new");
                news(&it.engine);
                // Whoever reads after the news sees it, and joins no read from before.
                assert_eq!(it.get(2).as_deref(), Some("new"));
            });
            reader.join().expect("no panic");
            writer.join().expect("no panic");
        });
    }
}

#[test]
fn a_warm_and_news_that_meet_leave_nothing_outdated() {
    for news in NEWS {
        model_check(move |shore| {
            let warmer = spawn(shore, |it| it.warm());
            let writer = spawn(shore, move |it| {
                it.lake.set(2, "new");
                news(&it.engine);
            });
            warmer.join().expect("no panic");
            writer.join().expect("no panic");
            assert_eq!(shore.get(2).as_deref(), Some("new"));
        });
    }
}

#[test]
fn an_absence_and_news_of_the_key_leave_no_absence() {
    model_check(|shore| {
        let reader = spawn(shore, |it| it.get(3));
        let writer = spawn(shore, |it| {
            it.lake.set(3, "new");
            it.engine.changed(key(3).bytes(), None, NOW);
            assert_eq!(it.get(3).as_deref(), Some("new"));
        });
        reader.join().expect("no panic");
        writer.join().expect("no panic");
        assert_eq!(shore.get(3).as_deref(), Some("new"));
    });
}

#[test]
fn two_writes_and_a_read_that_meet_leave_l1_with_what_l2_took_last_or_nothing() {
    model_check(|shore| {
        let write = |text: &'static str| {
            spawn(shore, move |it| {
                let two = key(2);
                let written = it.engine.put(&two, stored(text, None), NOW);
                block_on(written).expect("L2 answers");
            })
        };
        let threads = [
            write("one"),
            write("two"),
            spawn(shore, |it| drop(it.get(2))),
        ];
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(shore.get(2), shore.lake.text(2));
    });
}

#[test]
fn a_write_that_is_announced_meets_a_read_and_news() {
    model_check(|shore| {
        let writer = spawn(shore, |it| {
            let announced = it.engine.announce_write(key(2));
            it.lake.set(2, "mine");
            announced.end(Written::Value(stored("mine", None)), NOW);
        });
        let other = spawn(shore, |it| {
            it.lake.set(2, "other");
            it.engine.changed(key(2).bytes(), None, NOW);
        });
        let reader = spawn(shore, |it| drop(it.get(2)));
        for thread in [writer, other, reader] {
            thread.join().expect("no panic");
        }
        assert_eq!(shore.get(2), shore.lake.text(2));
    });
}

#[test]
fn readers_of_one_key_share_a_read_and_all_get_the_answer() {
    model_check(|shore| {
        let readers = [0, 1, 2].map(|_| spawn(shore, |it| it.get(2)));
        for reader in readers {
            assert_eq!(reader.join().expect("no panic").as_deref(), Some("old"));
        }
        // Who has missed L1 before the first one landed and boards after that reads once more, at most.
        let reads = shore.lake.reads.load(atomic::Ordering::SeqCst);
        let flown = shore.engine.governor.lock().reads();
        assert_eq!(reads as u64, flown, "every read is in the books");
    });
}

#[test]
fn a_reader_that_joined_a_warm_in_vain_reads_for_itself() {
    model_check(|shore| {
        *shore.lake.failures.lock() = 1;
        let warmer = spawn(shore, |it| it.warm());
        let reader = spawn(shore, |it| block_on(it.engine.get(&key(2), NOW)));
        let report = warmer.join().expect("no panic");
        let answer = reader.join().expect("no panic");
        // One read fails: the warm's, or the reader's own.
        let failed = report.keys > 0 && report.warmed == 0;
        assert_eq!(answer.is_ok(), failed, "{report:?}, {answer:?}");
    });
}

#[test]
fn a_warm_and_its_first_read_that_meet_have_one_outcome() {
    model_check(|shore| {
        let warmer = spawn(shore, |it| it.warm());
        let reader = spawn(shore, |it| it.get(2));
        warmer.join().expect("no panic");
        assert_eq!(reader.join().expect("no panic").as_deref(), Some("old"));
        assert_eq!(shore.get(2).as_deref(), Some("old"));
        // Useful, late, or wasted: a read that had missed before the warm landed and flew after it has
        // brought the value once more.
        let status = shore.engine.status(NOW);
        assert_eq!(
            status.outcomes.ended(),
            status.outcomes.warmed,
            "{:?}",
            status.outcomes
        );
    });
}

#[test]
fn a_proof_that_meets_a_step_of_the_clock_ends_by_the_new_clock() {
    model_check(|shore| {
        let (before, after, bound) = (2_000_000_u64, 1_000_000_u64, Duration::from_secs(5));
        let clock = Arc::new(AtomicU64::new(before));
        shore.engine.proven(|| at(before) + bound);
        let (read, step) = (Arc::clone(&clock), clock);
        let prover = spawn(shore, move |it| {
            it.engine
                .proven(|| at(read.load(atomic::Ordering::SeqCst)) + bound);
        });
        let setter = spawn(shore, move |it| {
            let set = || step.store(after, atomic::Ordering::SeqCst);
            it.engine.clock_set(true, set);
        });
        prover.join().expect("no panic");
        setter.join().expect("no panic");
        let late = at(after) + bound;
        assert!(
            !shore.engine.answers_locally(late),
            "an hour ahead by the new clock"
        );
    });
}
