//! What the learner takes, in nanoseconds and bytes: `learning_speed <pairs> [events a pair]`.
//!
//! Groups of six pairs act together, in an order of their own, among 40 % noise: an update, then
//! reads, 35,000 events a second. Each key's bytes are made anew for every event, as they come from
//! a feed, so the model's own copies are the only ones that stay. After the warm-up every event and every
//! selection is timed by itself; the clock's own cost is printed beside them and not taken off.
#![allow(
    clippy::disallowed_methods,
    reason = "an example that measures has to read the clock"
)]

use std::time::Instant;

use forewarm_application::learner::Learner;
use forewarm_domain::{ChainId, Event, Key, ModelConfig, Op, Standing, Timestamp, Trigger};
use forewarm_strategies::{StrategyKind, build_default};

const EVENTS_PER_SECOND: u64 = 35_000;
const GROUP: u64 = 6;
/// Events and selections that are timed.
const TIMED: usize = 1_000_000;
/// One selection for so many events.
const SELECT_EVERY: usize = 8;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let pairs = arguments.next().and_then(Result::ok);
    let each = arguments.next().and_then(Result::ok).unwrap_or(12);
    let Some(pairs) = pairs.filter(|&pairs| pairs >= GROUP) else {
        eprintln!("usage: learning_speed <pairs, at least {GROUP}> [events a pair]");
        std::process::exit(64);
    };
    let mut stream = Stream::new(pairs);
    let before = resident_bytes();
    let config = ModelConfig {
        max_pairs: pairs as usize,
        ..ModelConfig::default()
    };
    let strategy = build_default(StrategyKind::Adaptive);
    let mut learner = Learner::new(config, strategy, 1_024);
    // Until every pair has been seen: the model is full then.
    let mut events = 0;
    while events < pairs * each || (learner.model().len() as u64) < pairs * 999 / 1_000 {
        let event = stream.next();
        learner.observe(&event, Trigger::Elsewhere, event.at);
        events += 1;
    }
    let grown = resident_bytes().saturating_sub(before);
    let tracked = learner.model().len() as u64;

    let mut learning = Vec::with_capacity(TIMED);
    let mut selecting = Vec::with_capacity(TIMED / SELECT_EVERY);
    let (mut candidates, mut chosen) = (0, 0);
    for number in 0..TIMED {
        let event = stream.next();
        let start = Instant::now();
        let request = learner.observe(&event, Trigger::Elsewhere, event.at);
        learning.push(start.elapsed().as_nanos() as u32);
        if number % SELECT_EVERY == 0 {
            candidates += learner.candidates(request, event.at).len();
            let start = Instant::now();
            chosen += learner
                .select(request, event.at, 8, 0.0, |_, _| Standing::Absent)
                .len();
            selecting.push(start.elapsed().as_nanos() as u32);
        }
    }
    let mut clock: Vec<u32> = (0..TIMED / 10)
        .map(|_| Instant::now().elapsed().as_nanos() as u32)
        .collect();
    let selections = selecting.len();
    let miss = miss_ns();
    let [l50, l95] = percentiles(&mut learning);
    let [s50, s95] = percentiles(&mut selecting);
    let [c50, _] = percentiles(&mut clock);
    println!(
        "{{\"pairs\":{tracked},\"events\":{events},\"learn_p50_ns\":{l50},\"learn_p95_ns\":{l95},\
         \"select_p50_ns\":{s50},\"select_p95_ns\":{s95},\"clock_ns\":{c50},\"miss_ns\":{miss:.1},\
         \"candidates\":{:.1},\"chosen\":{:.1},\
         \"resident_bytes_per_pair\":{},\"counted_bytes_per_pair\":{}}}",
        candidates as f64 / selections as f64,
        chosen as f64 / selections as f64,
        grown / tracked,
        learner.model().memory_bytes() as u64 / tracked,
    );
}

/// The 50th and the 95th percentile.
fn percentiles(values: &mut [u32]) -> [u32; 2] {
    values.sort_unstable();
    [values.len() / 2, values.len() * 95 / 100].map(|at| values[at])
}

/// What a read that no cache answers takes, each waiting for the one before it: a walk in random order
/// through 256 MiB.
fn miss_ns() -> f64 {
    const LINES: usize = 256 * 1_024 * 1_024 / 64;
    const STEPS: usize = 1_000_000;
    let mut next: Vec<[u32; 16]> = (0..LINES as u32).map(|at| [at; 16]).collect();
    let mut stream = Stream::new(GROUP);
    // Sattolo's shuffle: one cycle through all lines.
    for at in (1..LINES).rev() {
        let other = stream.below(at as u64) as usize;
        let (a, b) = (next[at][0], next[other][0]);
        (next[at][0], next[other][0]) = (b, a);
    }
    let (start, mut at) = (Instant::now(), 0);
    for _ in 0..STEPS {
        at = next[at as usize][0];
    }
    std::hint::black_box(at);
    start.elapsed().as_nanos() as f64 / STEPS as f64
}

/// The process's resident set; 0 where there is no `/proc`.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// The events.
struct Stream {
    pairs: u64,
    random: u64,
    number: u64,
    /// What is left of the group that acts.
    waiting: Vec<u64>,
}

impl Stream {
    fn new(pairs: u64) -> Self {
        Self {
            pairs,
            random: 1,
            number: 0,
            waiting: Vec::with_capacity(GROUP as usize),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    fn next(&mut self) -> Event {
        let pair = if self.below(10) < 4 {
            self.below(self.pairs)
        } else {
            if self.waiting.is_empty() {
                let first = self.below(self.pairs / GROUP) * GROUP;
                self.waiting.extend(first..first + GROUP);
            }
            let at = self.below(self.waiting.len() as u64) as usize;
            self.waiting.swap_remove(at)
        };
        let op = if self.below(4) == 0 {
            Op::Update
        } else {
            Op::Read
        };
        self.number += 1;
        let at = 1_000_000_000 + self.number * 1_000_000 / EVENTS_PER_SECOND;
        Event {
            key: Key::new(format!("price:ethereum:0x{pair:040x}"), 0, ChainId::DEFAULT),
            op,
            at: Timestamp::from_micros(at),
        }
    }
}
