//! The cost of learning, for an instruction counter: `learning_cost <active pairs> <events>`.
//!
//! 35,000 events a second, half of them updates and half reads, of pairs drawn at random from so
//! many that are all active in the window. The difference of two runs, divided by the
//! difference of their events, is the cost of one event without that of the start.

use forewarm_domain::{ChainId, Event, Key, Model, ModelConfig, Op, Timestamp};

const EVENTS_PER_SECOND: u64 = 35_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(active)), Some(Ok(events))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: learning_cost <active pairs> <events>");
        std::process::exit(64);
    };
    let keys: Vec<Key> = (0..active.max(1))
        .map(|n| Key::new(format!("price:ethereum:0x{n:040x}"), 0, ChainId::DEFAULT))
        .collect();
    let config = ModelConfig::default();
    let mut model = Model::new(ModelConfig {
        // None of them is evicted: that would be another cost.
        max_pairs: config.max_pairs.max(keys.len()),
        ..config
    });
    let mut random = 1_u64;
    for number in 0..events {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let key = keys[((random >> 33) % keys.len() as u64) as usize].clone();
        let op = if random & (1 << 20) == 0 {
            Op::Update
        } else {
            Op::Read
        };
        let at = Timestamp::from_micros(1_000_000_000 + number * 1_000_000 / EVENTS_PER_SECOND);
        model.observe(&Event { key, op, at }, at);
    }
    println!("{} pairs, {} bytes", model.len(), model.memory_bytes());
}
