//! No rule allocates once the caller's vector has grown.
#![allow(
    unsafe_code,
    reason = "a counting allocator has to implement GlobalAlloc"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use forewarm_domain::pair::PairTable;
use forewarm_domain::{
    Association, ChainId, History, Key, Network, PairId, SelectionContext, SourceKind, Timestamp,
};
use forewarm_strategies::{StrategyKind, build_default};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
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

/// Everybody's partners are the same.
struct Everybody(Vec<Association>);

impl Network for Everybody {
    fn partners(&self, _pair: PairId, out: &mut Vec<Association>) {
        out.extend_from_slice(&self.0);
    }
}

#[test]
fn a_selection_allocates_nothing_in_the_steady_state() {
    let mut table = PairTable::new(64);
    let mut partner = |n: usize| Association {
        pair: table
            .intern(&Key::new(n.to_string(), 0, ChainId::DEFAULT))
            .id(),
        kind: SourceKind::Update,
        score: 1.0 - n as f32 / 100.0,
        probability: 0.9,
        lift: 10.0,
        support: 50.0,
        lag: Duration::from_millis(3),
        last_seen: Timestamp::ZERO,
        chance: 0.01,
        followed: History::default(),
        came: History::default(),
        popularity: 10.0,
        expected: 0.9,
    };
    let partners: Vec<_> = (0..32).map(&mut partner).collect();
    let network = Everybody((16..48).map(&mut partner).collect());
    let context = SelectionContext {
        source: partners[0].pair,
        kind: SourceKind::Update,
        now: Timestamp::from_millis(1_000),
        partners: &partners,
        network: &network,
        cap: 12,
    };
    for kind in StrategyKind::ALL {
        let rule = build_default(kind);
        let mut chosen = Vec::new();
        rule.select(&context, &mut chosen);
        assert!(!chosen.is_empty(), "{kind}");
        let before = ALLOCATIONS.get();
        for _ in 0..100 {
            chosen.clear();
            rule.select(&context, &mut chosen);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{kind}");
    }
}
