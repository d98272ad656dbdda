//! What choosing costs: `selection_cost <selections>`.
//!
//! A hundred pairs, whose updates are each followed by reads of eight others, all absent from L1. The
//! difference of two runs under an instruction counter, divided by the difference of their
//! selections, is the cost of one of eight partners; the mean time is printed.
#![allow(
    clippy::disallowed_methods,
    reason = "an example that measures has to read the clock"
)]

use std::time::{Duration, Instant};

use forewarm_application::learner::{Learner, Request, horizon};
use forewarm_domain::{ChainId, Event, Key, ModelConfig, Op, Standing, Timestamp, Trigger};
use forewarm_strategies::{StrategyKind, build_default};

const GROUPS: u64 = 100;
const MEMBERS: u64 = 9;

fn main() {
    let selections = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let Some(selections) = selections else {
        eprintln!("usage: selection_cost <selections>");
        std::process::exit(64);
    };
    let strategy = build_default(StrategyKind::Adaptive);
    let mut learner = Learner::new(ModelConfig::default(), strategy, 1_024);
    learner.set_bounds(horizon(1_000, 0.2), Duration::ZERO);
    let mut requests = Vec::new();
    let mut now = Timestamp::from_millis(1_000_000);
    for _ in 0..20 {
        requests.clear();
        for group in 0..GROUPS {
            now = now + Duration::from_millis(1_500);
            for member in 0..MEMBERS {
                let op = if member == 0 { Op::Update } else { Op::Read };
                let event = Event {
                    key: Key::new(format!("{group}:{member}"), 0, ChainId::DEFAULT),
                    op,
                    at: now,
                };
                let request = learner.observe(&event, Trigger::Update, now);
                if op == Op::Update {
                    requests.push(request);
                }
            }
        }
    }
    let (chosen, spent) = select(&mut learner, &requests, selections, now);
    println!(
        "{:.0} ns a selection, {:.1} chosen",
        spent.as_nanos() as f64 / selections.max(1) as f64,
        chosen as f64 / selections.max(1) as f64,
    );
}

/// So many selections, one group after the other; how many pairs they chose and the time they took.
fn select(
    learner: &mut Learner,
    requests: &[Request],
    selections: usize,
    now: Timestamp,
) -> (usize, Duration) {
    let start = Instant::now();
    let mut chosen = 0;
    for &request in requests.iter().cycle().take(selections) {
        chosen += learner
            .select(request, now, 8, 0.0, |_, _| Standing::Absent)
            .len();
    }
    (chosen, start.elapsed())
}
