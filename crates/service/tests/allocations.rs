//! What the hot path allocates: nothing, once L1, the model and the queues have grown.
//!
//! The keys and values are made beforehand: whoever builds a key for a call pays for that (its
//! bytes, and the reference count that `Bytes` allots at the first clone of a `Vec`'s bytes).
#![allow(
    unsafe_code,
    reason = "a counting allocator has to implement GlobalAlloc"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forewarm_application::engine::{Engine, EngineConfig, Ghost, Observed, Parts, Tap, Update};
use forewarm_application::learner::Learner;
use forewarm_application::ports::{Kept, SharedCache, SharedCacheError, Stored};
use forewarm_domain::{
    ChainId, Event, Key, KeyRef, ModelConfig, Op, Standing, Timestamp, Trigger, Version,
};
use forewarm_infrastructure::l1::{Capacity, QuickCache};
use forewarm_service::Forewarm;
use forewarm_strategies::{StrategyKind, build_default};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nobody asks.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(call: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    call();
    ALLOCATIONS.get() - before
}

/// An L2 that nobody asks.
struct Nobody;

#[async_trait]
impl SharedCache for Nobody {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        Ok(vec![None; keys.len()])
    }
    async fn put(&self, _: &Key, _: &Stored) -> Result<Kept, SharedCacheError> {
        Ok(Kept::This)
    }
    async fn remove(&self, _: &Key) -> Result<bool, SharedCacheError> {
        Ok(false)
    }
    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }
    fn backend(&self) -> &'static str {
        "nobody"
    }
}

const ENTRIES: u64 = 256;
const ROUNDS: u64 = 2_000;

struct Hot {
    engine: Engine,
    /// Open: the dearest case.
    tap: Arc<Tap>,
    keys: Vec<Key>,
    value: Bytes,
    now: Timestamp,
    version: u64,
}

impl Hot {
    /// An engine whose L1 of [`ENTRIES`] holds the first keys of `keys` and is full.
    fn new(keys: u32) -> Self {
        Self::with_ghost(keys, 1)
    }

    fn with_ghost(keys: u32, one_in: u64) -> Self {
        let l1 = || Box::new(QuickCache::new(Capacity::Entries(ENTRIES), 7));
        let parts = Parts {
            l1: l1(),
            l2: Arc::new(Nobody),
            ghost: Ghost::new(l1(), one_in),
            strategy: build_default(StrategyKind::Adaptive),
            metrics: Arc::default(),
            key_of: Box::new(|bytes, database| Key::new(bytes, database, ChainId::DEFAULT)),
            wake_learner: Box::new(|| {}),
            wake_warmer: Box::new(|| {}),
        };
        let keys = (0..keys).map(|n| {
            let key = Key::new(format!("price:ethereum:0x{n:040x}"), 0, ChainId::DEFAULT);
            // Shared from now on: cloning counts.
            drop(key.clone());
            key
        });
        let tap = Arc::new(Tap::new(4_096, Vec::new()));
        tap.open();
        let engine = Engine::new(EngineConfig::default(), parts).with_tap(Arc::clone(&tap));
        // As behind a link: with an end to the time in which L1 may answer.
        engine.proven(|| Timestamp::from_millis(1_900_000_000_000));
        let mut hot = Self {
            engine,
            tap,
            keys: keys.collect(),
            value: Bytes::from_static(b"{\"reserve0\":1,\"reserve1\":2}"),
            now: Timestamp::from_millis(1_735_689_600_000),
            version: 0,
        };
        for round in 0..20_000 {
            hot.update(round, true);
            hot.update(round * 7 + 1, false);
            hot.get(round * 3);
            hot.learn();
        }
        hot
    }

    fn key(&self, n: u64) -> &Key {
        &self.keys[n as usize % self.keys.len()]
    }

    fn update(&mut self, n: u64, value: bool) {
        self.now = self.now + Duration::from_millis(3);
        self.version += 1;
        let update = Update {
            at: self.now,
            version: Some(Version(self.version)),
            value: value.then(|| self.value.clone()),
            ttl: None,
        };
        let observed = self.engine.observe_update(self.key(n), update, self.now);
        assert_eq!(observed, Ok(Observed::Queued));
    }

    fn get(&self, n: u64) -> bool {
        self.engine.get_local(self.key(n), self.now).is_some()
    }

    fn learn(&self) {
        while self.tap.pop().is_some() {}
        while self.engine.learn(self.now) > 0 {}
    }
}

#[test]
fn an_update_of_a_resident_key_allocates_nothing() {
    let mut hot = Hot::new(64);
    for value in [true, false] {
        for n in 0..ROUNDS {
            let spent = allocations(|| hot.update(n, value));
            assert_eq!(spent, 0, "with value: {value}, call {n}");
            hot.learn();
        }
    }
}

#[test]
fn an_update_that_brings_a_new_key_and_evicts_another_allocates_nothing() {
    let mut hot = Hot::new(2_000);
    let mut play = |rounds: std::ops::Range<u64>| -> usize {
        let each = rounds.map(|n| {
            let spent = allocations(|| hot.update(n * 13, true));
            hot.learn();
            spent
        });
        each.sum()
    };
    // L1's index makes room for the keys it only remembers once, some thousands of evictions in.
    let growing = play(0..10 * ROUNDS);
    assert!(growing <= 4, "{growing} allocations while L1's index grows");
    assert_eq!(play(10 * ROUNDS..20 * ROUNDS), 0);
}

#[test]
fn a_look_up_allocates_nothing_whether_it_hits_or_misses() {
    let mut hot = Hot::new(2_000);
    let (mut hits, mut spent) = (0, 0);
    for n in 0..ROUNDS {
        if n % 4 == 0 {
            hot.update(n, true);
        }
        spent += allocations(|| hits += u64::from(hot.get(n - n % 4)));
        hot.get(n * 31);
        hot.learn();
    }
    assert_eq!(hot.tap.counts().dropped, 0);
    assert!(hits > ROUNDS * 9 / 10, "{hits} hits");
    assert_eq!(spent, 0, "in {ROUNDS} calls");
    let misses = allocations(|| {
        for n in 0..ROUNDS {
            hot.get(n * 31);
        }
    });
    assert_eq!(misses, 0);
}

#[test]
fn a_hit_by_borrowed_bytes_that_is_not_learned_from_allocates_nothing() {
    // The books are kept on one key in sixteen, which is made for them.
    let mut hot = Hot::with_ghost(64, 16);
    // A contest would hear of every hit.
    hot.tap.close();
    for n in 0..64 {
        hot.update(n, true);
        hot.get(n);
    }
    let (mut hits, mut spent) = (0, 0);
    for n in 0..ROUNDS {
        let key = hot.key(n);
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        spent += allocations(|| {
            let hit = hot
                .engine
                .hit_plain(name, key.chain(), hot.now, || false, Bytes::len);
            hits += u64::from(hit.is_some());
        });
        hot.learn();
    }
    assert_eq!(hits, ROUNDS);
    assert!(
        spent < ROUNDS as usize / 4,
        "{spent} allocations in {ROUNDS} hits"
    );
}

#[test]
fn a_read_that_is_told_of_allocates_nothing() {
    let mut hot = Hot::new(64);
    for n in 0..ROUNDS {
        hot.now = hot.now + Duration::from_millis(3);
        let key = hot.key(n);
        let spent = allocations(|| {
            let observed = hot.engine.observe_read(key, hot.now, hot.now);
            assert_eq!(observed, Ok(Observed::Queued));
        });
        assert_eq!(spent, 0, "call {n}");
        hot.learn();
    }
}

#[test]
fn a_plain_hit_allocates_nothing() {
    let mut hot = Hot::with_ghost(64, 16);
    hot.tap.close();
    for n in 0..64 {
        hot.update(n, true);
        hot.get(n);
    }
    let mut hits = 0;
    for n in 0..ROUNDS {
        let (key, now) = (hot.key(n), hot.now);
        let sure = now + Duration::from_millis(50);
        let spent = allocations(|| {
            hits += u64::from(hot.engine.get_plain(key, now, sure).is_some());
        });
        assert_eq!(spent, 0, "call {n}");
        hot.learn();
    }
    assert_eq!(hits, ROUNDS);
}

#[test]
fn the_value_alone_of_a_hit_allocates_nothing_learned_from_or_not() {
    let mut hot = Hot::with_ghost(64, 16);
    hot.tap.close();
    for n in 0..64 {
        hot.update(n, true);
        hot.get(n);
    }
    let mut hits = 0;
    for n in 0..ROUNDS {
        let (key, now) = (hot.key(n), hot.now);
        let sure = now + Duration::from_millis(50);
        let learns = n % 2 == 0;
        let spent = allocations(|| {
            hits += u64::from(hot.engine.get_value(key, now, sure, learns).is_some());
        });
        assert_eq!(spent, 0, "call {n}");
        hot.learn();
    }
    assert_eq!(hits, ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_of_get_is_its_first_polls_answer_and_allocates_nothing() {
    let builder = Forewarm::builder().shared_cache(Arc::new(Nobody));
    let forewarm = builder.build().await.expect("it starts");
    let key = forewarm.key("ethereum", "0xab").expect("well-formed");
    let update = Update {
        at: forewarm.now(),
        version: None,
        value: Some(Bytes::from_static(b"3150.2")),
        ttl: None,
    };
    assert_eq!(forewarm.observe_update(&key, update), Ok(Observed::Queued));
    drop(key.clone());
    let mut context = Context::from_waker(Waker::noop());
    let mut hit = || {
        let found = pin!(forewarm.get(&key)).poll(&mut context);
        matches!(found, Poll::Ready(Ok(Some(_))))
    };
    // This thread gets its counters.
    assert!(hit());
    // More than are learned from, so both ways are taken.
    let mut hits = 0;
    let spent = allocations(|| hits = (0..50_000).filter(|_| hit()).count());
    assert_eq!((hits, spent), (50_000, 0));
    drop(forewarm.get(&key));
    assert_eq!(forewarm.stats().demand, (50_001, 0), "it reads when polled");
    forewarm.shutdown().await;
}

#[test]
fn a_selection_from_the_model_allocates_nothing_in_the_steady_state() {
    let keys: Vec<Key> = (0..9)
        .map(|n| Key::new(format!("price:ethereum:0x{n:040x}"), 0, ChainId::DEFAULT))
        .collect();
    let strategy = build_default(StrategyKind::TopN);
    let mut learner = Learner::new(ModelConfig::default(), strategy, 16);
    let mut now = Timestamp::from_millis(1_735_689_600_000);
    let mut chosen = 0;
    for round in 0..5_000 {
        now = now + Duration::from_secs(2);
        let event = |key: &Key, op| Event {
            key: key.clone(),
            op,
            at: now,
        };
        let request = learner.observe(&event(&keys[0], Op::Update), Trigger::Update, now);
        let spent = allocations(|| {
            chosen = learner
                .select(request, now, 16, 0.0, |_, _| Standing::Absent)
                .len();
        });
        assert!(round < 4_000 || spent == 0, "{spent} in round {round}");
        for key in &keys[1..] {
            learner.observe(&event(key, Op::Read), Trigger::Miss, now);
        }
    }
    assert!(chosen >= 5, "{chosen} were chosen");
}

#[test]
fn learning_allocates_nothing_in_the_steady_state() {
    let mut hot = Hot::new(64);
    let mut play = |rounds: std::ops::Range<u64>| -> usize {
        rounds
            .map(|n| {
                hot.update(n, n % 2 == 0);
                hot.get(n * 3);
                allocations(|| hot.learn())
            })
            .sum()
    };
    // Every pair gets a row, every full row its ghosts, and the predictions under way their places.
    play(0..20 * ROUNDS);
    assert_eq!(play(20 * ROUNDS..21 * ROUNDS), 0, "in {ROUNDS} calls");
}

/// The key of a miss goes into L1, to the learner and into the table of what is on its way.
#[test]
fn a_short_key_takes_one_allocation_whoever_shares_it() {
    for length in [1, 15, 16, 42, 100, 175] {
        let name = vec![b'k'; length];
        let name = KeyRef {
            bytes: &name,
            database: 0,
        };
        let made = allocations(|| {
            let key = name.to_key(ChainId::DEFAULT);
            assert_eq!(key.clone(), key.clone());
        });
        assert_eq!(made, 1, "{length} bytes");
    }
}
