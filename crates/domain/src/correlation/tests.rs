//! Rows that share too little room.

use super::*;
use crate::co_occurrence::{LastTarget, Window, WindowConfig};

const ROWS: usize = 200;
const ROOM: usize = 16 * 1_024;

fn pair(slot: usize) -> PairId {
    PairId {
        slot: slot as u32,
        generation: 0,
    }
}

/// Rows, and the store that has room for a part of them.
struct Rows {
    rows: Vec<Row>,
    partners: Partners,
    decay: Decay,
    now: Timestamp,
    hand: usize,
}

impl Rows {
    fn new() -> Self {
        Self {
            rows: (0..ROWS).map(|_| Row::default()).collect(),
            partners: Partners::within(ROOM),
            decay: Decay::new(Duration::from_secs(600)),
            now: Timestamp::from_millis(1_000),
            hand: 0,
        }
    }

    /// Counts a window of `row` that is followed by pairs `first`..`first + 20`.
    fn count(&mut self, row: usize, first: usize) {
        self.count_followers(row, first..first + 20);
    }

    fn count_followers(&mut self, row: usize, followers: impl IntoIterator<Item = usize>) {
        let mut window = Window::new(WindowConfig {
            span: Duration::from_secs(1),
            events: 20,
        });
        window.push_source(pair(row), SourceKind::Update, self.now);
        for follower in followers {
            let entry = window.enter(&mut LastTarget::default(), self.now);
            window.push_target(pair(follower), entry, [0.001; 2], self.now);
        }
        // By their number, or by the span.
        let end = self.now + Duration::from_millis(1_001);
        let closed = window.close_next(end).expect("its time is over");
        let (partners, decay) = (&mut self.partners, &self.decay);
        self.rows[row].count(closed, self.now, decay, 32, partners, || 7);
        self.now = self.now + Duration::from_millis(100);
        for _ in 0..2 * usize::from(self.partners.is_short()) {
            self.hand = (self.hand + 1) % ROWS;
            self.rows[self.hand].shrink(&mut self.partners);
        }
        assert!(
            self.partners.memory_bytes() <= ROOM,
            "it grew past its room"
        );
    }

    fn held(&self, row: usize) -> Vec<usize> {
        let held = self.rows[row].partners(&self.partners);
        held.map(|partner| partner.pair.index()).collect()
    }
}

#[test]
fn rows_that_are_used_take_the_room_of_those_that_are_not() {
    let mut rows = Rows::new();
    for row in 0..ROWS {
        rows.count(row, row * 100);
    }
    for _ in 0..ROWS {
        rows.count(3, 100_000);
    }
    let held = rows.held(3);
    for follower in 100_000..100_020 {
        assert!(held.contains(&follower), "{follower} of {held:?}");
    }
}

#[test]
fn a_row_that_shrinks_keeps_its_stronger_half() {
    let mut rows = Rows::new();
    for _ in 0..5 {
        rows.count(0, 500);
    }
    rows.count(0, 900);
    assert_eq!(rows.held(0).len(), 32);
    rows.rows[0].shrink(&mut rows.partners);
    assert_eq!(rows.held(0).len(), 32, "used since");
    rows.rows[0].shrink(&mut rows.partners);
    let held = rows.held(0);
    assert_eq!(held.len(), 16);
    assert!(
        held.iter().all(|held| (500..520).contains(held)),
        "{held:?}"
    );
    // Twice more and nothing is left, and the next window begins anew.
    (0..2).for_each(|_| rows.rows[0].shrink(&mut rows.partners));
    assert!(rows.rows[0].is_empty());
    rows.count(0, 700);
    assert_eq!(rows.held(0), (700..720).collect::<Vec<_>>());
}

#[test]
fn strangers_wait_in_the_order_in_which_they_came_beside_those_that_go_on_following() {
    let mut rows = Rows::new();
    let (proven, windows) = (1_000..1_012, 30);
    for window in 0..windows {
        let strangers = 2_000 + window * 7..2_007 + window * 7;
        rows.count_followers(0, proven.clone().chain(strangers));
    }
    let mut held = rows.held(0);
    held.sort_unstable();
    let latest = 2_000 + windows * 7;
    let expected: Vec<usize> = proven.chain(latest - 20..latest).collect();
    assert_eq!(held, expected);
}

#[test]
fn who_comes_back_soon_enough_takes_the_place_of_one_that_was_seen_once() {
    let mut rows = Rows::new();
    for window in 0..32 {
        // Pair 7 follows in every fourth window: by the next, more strangers than the row holds have come.
        let back = (window % 4 == 0).then_some(7);
        rows.count_followers(0, (1_000 + window * 12..1_012 + window * 12).chain(back));
    }
    assert!(rows.held(0).contains(&7), "{:?}", rows.held(0));
}

#[test]
fn a_row_of_proven_partners_yields_to_a_newcomer_by_luck() {
    let mut rows = Rows::new();
    let proven = 100..132;
    for _ in 0..20 {
        // All of them, in two windows.
        rows.count_followers(0, proven.clone().take(16));
        rows.count_followers(0, proven.clone().skip(16));
    }
    rows.count_followers(0, [900]);
    assert!(rows.held(0).contains(&900), "luck was a low number");
    let still = rows
        .held(0)
        .iter()
        .filter(|held| proven.contains(held))
        .count();
    assert_eq!(still, 31);
}
