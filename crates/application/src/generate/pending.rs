//! What is going to happen, taken out in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue by time; what is due at the same time comes out in the order it went in.
#[derive(Debug)]
pub(super) struct Pending<T> {
    heap: BinaryHeap<Reverse<(u64, u64, T)>>,
    pushed: u64,
}

impl<T: Ord> Pending<T> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            pushed: 0,
        }
    }

    pub(super) fn push(&mut self, at_us: u64, what: T) {
        self.heap.push(Reverse((at_us, self.pushed, what)));
        self.pushed += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        self.heap
            .pop()
            .map(|Reverse((at_us, _, what))| (at_us, what))
    }
}
