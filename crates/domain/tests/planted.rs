//! Planted groups among 20,000 pairs and 40 % noise: the bounded rows against exact counting.
//!
//! Both see the same windows. Exact counting keeps every pair of pairs in a hash map and ranks by
//! lift (support of two or more, as one coincidence has the lift of its rarity); the model keeps
//! 32 partners a pair and ranks by score. Each is asked for its eight best; the figure is the
//! share of a pair's planted partners among them.

use std::collections::HashMap;
use std::time::Duration;

use forewarm_domain::{ChainId, Event, Key, Model, ModelConfig, Op, SourceKind, Timestamp};

const PAIRS: u32 = 20_000;
const GROUP: u32 = 6;
const WINDOW: usize = 20;
const BEST: usize = 8;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }

    fn shuffle(&mut self, items: &mut [u32]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u32 + 1) as usize);
        }
    }
}

/// A read of `pair` at `ms`.
type Line = (u64, u32);

/// Groups act one after the other, each in an order of its own; of ten events four are reads of
/// pairs at random, a few of which are read far more often than most.
fn stream(random: &mut Random, activations: u32, active: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut waiting: Vec<Vec<u32>> = Vec::new();
    let mut started = 0;
    while started < activations || !waiting.is_empty() {
        while waiting.len() < active && started < activations {
            waiting.push(group(random));
            started += 1;
        }
        let ms = lines.len() as u64 / 10;
        if random.below(10) < 4 {
            lines.push((ms, noise(random)));
            continue;
        }
        let at = random.below(waiting.len() as u32) as usize;
        let pair = waiting[at].pop().expect("empty groups leave");
        if waiting[at].is_empty() {
            waiting.swap_remove(at);
        }
        lines.push((ms, pair));
    }
    lines
}

/// Every 12 s a block in which some groups act, all at the same millisecond and in log order.
fn blocks(random: &mut Random, activations: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    for block in 0..activations / 50 {
        let ms = u64::from(block) * 12_000;
        for _ in 0..50 {
            for pair in group(random) {
                while random.below(10) < 4 {
                    lines.push((ms, noise(random)));
                }
                lines.push((ms, pair));
            }
        }
    }
    lines
}

fn group(random: &mut Random) -> Vec<u32> {
    let first = random.below(PAIRS / GROUP) * GROUP;
    let mut members: Vec<u32> = (first..first + GROUP).collect();
    random.shuffle(&mut members);
    members
}

/// A fifth of the noise hits twenty pairs only.
fn noise(random: &mut Random) -> u32 {
    match random.below(5) {
        0 => random.below(20) * 997,
        _ => random.below(PAIRS),
    }
}

fn key(pair: u32) -> Key {
    Key::new(pair.to_string(), 0, ChainId::DEFAULT)
}

/// The share of planted partners among the best eight, over all pairs that acted in a group.
fn recall(mut best: impl FnMut(u32) -> Vec<u32>) -> f64 {
    let mut found = 0;
    for pair in 0..PAIRS {
        let group = pair / GROUP;
        found += best(pair)
            .iter()
            .filter(|&&partner| partner / GROUP == group)
            .count();
    }
    found as f64 / f64::from(PAIRS * (GROUP - 1))
}

fn by_exact_counting(lines: &[Line]) -> f64 {
    let mut together: Vec<HashMap<u32, f64>> = vec![HashMap::new(); PAIRS as usize];
    let mut windows = vec![0.0; PAIRS as usize];
    let mut entered = vec![0.0; PAIRS as usize];
    for (at, &(ms, source)) in lines.iter().enumerate() {
        windows[source as usize] += 1.0;
        let mut seen = Vec::new();
        for &(later, partner) in lines[at + 1..].iter().take(WINDOW) {
            if later <= ms + 1_000 && partner != source && !seen.contains(&partner) {
                seen.push(partner);
                *together[source as usize].entry(partner).or_default() += 1.0;
                entered[partner as usize] += 1.0;
            }
        }
    }
    recall(|pair| {
        let mut ranked: Vec<(f64, u32)> = together[pair as usize]
            .iter()
            .filter(|(_, count)| **count >= 2.0)
            .map(|(&partner, count)| (count / entered[partner as usize], partner))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(BEST);
        ranked.into_iter().map(|(_, partner)| partner).collect()
    })
}

fn by_the_model(lines: &[Line]) -> f64 {
    let mut model = Model::new(ModelConfig {
        max_pairs: PAIRS as usize,
        half_life: Duration::from_secs(30 * 24 * 3_600),
        ..ModelConfig::default()
    });
    let mut now = Timestamp::ZERO;
    for &(ms, pair) in lines {
        now = Timestamp::from_millis(1_000_000 + ms);
        let op = Op::Read;
        model.observe(
            &Event {
                key: key(pair),
                op,
                at: now,
            },
            now,
        );
    }
    now = now + Duration::from_secs(10);
    model.advance(now, usize::MAX);
    recall(|pair| {
        let Some(id) = model.id(&key(pair)) else {
            return Vec::new();
        };
        let mut partners = Vec::new();
        model.associations(id, SourceKind::Read, now, &mut partners);
        partners.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.pair.cmp(&b.pair)));
        partners
            .iter()
            .take(BEST)
            .filter_map(|partner| {
                let name = model.key(partner.pair)?.bytes();
                std::str::from_utf8(name).ok()?.parse().ok()
            })
            .collect()
    })
}

#[track_caller]
fn check(name: &str, lines: &[Line]) {
    let (exact, model) = (by_exact_counting(lines), by_the_model(lines));
    println!(
        "{name}: {} events, exact counting with lift {exact:.3}, the model {model:.3} ({:.3} of it)",
        lines.len(),
        model / exact
    );
    assert!(
        exact > 0.5,
        "{name}: exact counting finds {exact:.3}, so nothing is compared"
    );
    assert!(
        model >= 0.9 * exact,
        "{name}: {model:.3} against {exact:.3}"
    );
}

#[test]
fn planted_groups_are_found_nearly_as_well_as_by_exact_counting() {
    let mut random = Random(20_260);
    let activations = 12 * PAIRS / GROUP;
    check("one group at a time", &stream(&mut random, activations, 1));
    check("three interleaved", &stream(&mut random, activations, 3));
    check("blocks", &blocks(&mut random, activations));
}
