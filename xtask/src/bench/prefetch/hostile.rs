//! Streams made to hurt a prefetcher, beyond the profiles of `forewarm generate`. Seeded: the same
//! lines for ever.

use std::fmt::Write as _;

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): a fixed function, so streams never change.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound`; the bias of the multiplication is below bound / 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Makes a stream of so many events, as CSV.
type Make = fn(u64) -> String;

/// The streams: name, and how it is made.
pub(super) const STREAMS: [(&str, Make); 4] = [
    ("random", random),
    ("write-hot", write_hot),
    ("one-hit", one_hit),
    ("phases", phases),
];

const HEADER: &str = "ts_ms,key,op\n";

fn line(text: &mut String, ts_ms: u64, key: impl std::fmt::Display, op: &str) {
    writeln!(text, "{ts_ms},{key},{op}").expect("a String takes every write");
}

/// Every read is uniform over 2,000 keys: neither popularity nor association.
fn random(events: u64) -> String {
    let mut random = Random::new(1);
    let mut text = HEADER.to_owned();
    for n in 0..events {
        line(&mut text, n, random.below(2_000), "read");
    }
    text
}

/// 240 keys are updated in fixed groups of six, over and over, and never read; every fourth event
/// is a read among 2,000 others. Whoever refreshes or warms what is written fetches in vain.
fn write_hot(events: u64) -> String {
    let mut random = Random::new(2);
    let mut text = HEADER.to_owned();
    let mut group = 0;
    for n in 0..events {
        match n % 8 {
            3 | 7 => line(&mut text, n, 1_000 + skewed(&mut random, 2_000), "read"),
            at => {
                if at == 0 {
                    group = random.below(40);
                }
                line(&mut text, n, group * 6 + at - at / 4, "update");
            }
        }
    }
    text
}

/// Reads of a hot set of 500 keys; after every 2,000 of them a scan of 2,000 keys that never come
/// again, always entered through the same five keys.
fn one_hit(events: u64) -> String {
    let mut random = Random::new(3);
    let mut text = HEADER.to_owned();
    let mut fresh = 10_000;
    for n in 0..events {
        match n % 4_000 {
            0..2_000 => line(&mut text, n, skewed(&mut random, 500), "read"),
            at @ 2_000..2_005 => line(&mut text, n, 9_000 + at, "read"),
            _ => {
                fresh += 1;
                line(&mut text, n, fresh, "read");
            }
        }
    }
    text
}

/// 400 groups of five keys are read in order, but what follows what is dealt anew eight times; half
/// of the reads are noise.
fn phases(events: u64) -> String {
    let mut random = Random::new(4);
    let mut text = HEADER.to_owned();
    let mut group = 0;
    for n in 0..events {
        let phase = n * 8 / events.max(1);
        let key = if n % 2 == 0 {
            let at = n / 2 % 5;
            if at == 0 {
                group = skewed(&mut random, 400);
            }
            // An odd stride is a permutation of 2,048 places; another in each phase.
            (group * 5 + at) * (2 * phase + 3) % 2_048
        } else {
            skewed(&mut random, 2_048)
        };
        line(&mut text, n, key, "read");
    }
    text
}

/// In `0..bound`, the small ones more often: the smaller of two draws.
fn skewed(random: &mut Random, bound: u64) -> u64 {
    random.below(bound).min(random.below(bound))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn reads_and_updates(text: &str) -> (HashMap<&str, usize>, HashMap<&str, usize>) {
        let (mut reads, mut updates) = (HashMap::new(), HashMap::new());
        for line in text.lines().skip(1) {
            let mut columns = line.split(',').skip(1);
            let (key, op) = (columns.next().expect("a key"), columns.next());
            let counts = match op.expect("an op") {
                "read" => &mut reads,
                _ => &mut updates,
            };
            *counts.entry(key).or_default() += 1;
        }
        (reads, updates)
    }

    #[test]
    fn every_stream_has_the_events_asked_for_and_is_the_same_each_time() {
        for (name, stream) in STREAMS {
            let text = stream(5_000);
            assert_eq!(text.lines().count(), 5_001, "{name}");
            assert_eq!(text, stream(5_000), "{name}");
        }
    }

    #[test]
    fn what_is_hot_by_writing_is_never_read() {
        let text = write_hot(8_000);
        let (reads, updates) = reads_and_updates(&text);
        assert!(updates.keys().all(|key| !reads.contains_key(key)));
        assert_eq!(updates.values().sum::<usize>(), 6_000);
        assert_eq!(updates.len(), 240);
    }

    #[test]
    fn scanned_keys_come_once() {
        let text = one_hit(8_000);
        let (reads, _) = reads_and_updates(&text);
        let once = reads.values().filter(|&&times| times == 1).count();
        assert!(once >= 3_990, "{once}");
    }
}
