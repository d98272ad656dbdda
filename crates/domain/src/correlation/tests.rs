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
        let mut window = Window::new(WindowConfig {
            span: Duration::from_secs(1),
            events: 20,
        });
        window.push_source(pair(row), SourceKind::Update, self.now);
        for follower in first..first + 20 {
            let entry = window.enter(&mut LastTarget::default(), self.now);
            window.push_target(pair(follower), entry, [0.001; 2], self.now);
        }
        let closed = window.close_next(self.now).expect("twenty followed");
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
