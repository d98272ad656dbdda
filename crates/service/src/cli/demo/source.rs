//! What the demo plays: a recording or a generated market.

use std::path::Path;
use std::time::Duration;

use forewarm_application::generate::{GenerateConfig, Generator, Profile};
use forewarm_domain::{Key, Op, PairName, Timestamp};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::trace::TraceReader;

use super::super::Failure;
use super::pace::Pace;

/// Events from which the pace is taken.
const SAMPLE: usize = 20_000;

/// One event of the demo.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub(super) key: Key,
    pub(super) op: Op,
    pub(super) at: Timestamp,
}

/// Events to come, with all that is known of them beforehand.
pub(super) struct Source {
    events: Box<dyn Iterator<Item = Played> + Send>,
    /// Every key that L2 is to hold.
    pub(super) keys: Vec<Key>,
    pub(super) pace: Pace,
    name: String,
}

impl Source {
    /// A recording, read whole: its distinct keys must be known to size L1.
    pub(super) fn recording(
        path: &Path,
        codec: &KeyCodec,
        speed: Option<f64>,
    ) -> Result<Self, Failure> {
        let mut events = Vec::new();
        for event in TraceReader::open(path, codec, false)? {
            let event = event?;
            events.push(Played {
                key: event.key,
                op: event.op,
                at: event.at,
            });
        }
        let spread = spread(&mut events);
        let mut keys: Vec<Key> = events.iter().map(|event| event.key.clone()).collect();
        keys.sort();
        keys.dedup();
        let sample: Vec<_> = events.iter().take(SAMPLE).map(|event| event.at).collect();
        Ok(Self {
            pace: Pace::new(speed, &sample),
            name: format!(
                "{}: {} events of {} keys{}",
                path.display(),
                events.len(),
                keys.len(),
                if spread {
                    ", those of one second spread over it"
                } else {
                    ""
                }
            ),
            events: Box::new(events.into_iter()),
            keys,
        })
    }

    /// A market without end.
    pub(super) fn market(codec: &KeyCodec, seed: u64, speed: Option<f64>) -> Self {
        let config = GenerateConfig {
            events: u64::MAX,
            seed,
            ..GenerateConfig::default()
        };
        let sample: Vec<_> = Generator::new(Profile::Market, config.clone())
            .take(SAMPLE)
            .map(|event| event.at)
            .collect();
        let generator = Generator::new(Profile::Market, config);
        let keys: Vec<Key> = generator
            .pairs()
            .map(|(chain, pair)| key(&generator, codec, chain, pair))
            .collect();
        let chains = generator.config().chains.join(", ");
        let codec = codec.clone();
        Self {
            pace: Pace::new(speed, &sample),
            name: format!("a generated market: {} pairs on {chains}", keys.len()),
            events: Box::new(Market { generator, codec }),
            keys,
        }
    }

    pub(super) fn describe(&self) -> String {
        self.name.clone()
    }

    pub(super) fn next(&mut self) -> Option<Played> {
        self.events.next()
    }
}

/// A recording that knows whole seconds alone says when nothing happened at once: its events of one
/// second are spread evenly over it, in their order. Whether that was so.
fn spread(events: &mut [Played]) -> bool {
    const SECOND: u64 = 1_000_000;
    let coarse = |event: &Played| event.at.as_micros().is_multiple_of(SECOND);
    if events.len() < 2 || !events.iter().all(coarse) {
        return false;
    }
    for second in events.chunk_by_mut(|a, b| a.at == b.at) {
        let step = SECOND / second.len() as u64;
        for (n, event) in second.iter_mut().enumerate() {
            event.at = event.at + Duration::from_micros(n as u64 * step);
        }
    }
    true
}

struct Market {
    generator: Generator,
    codec: KeyCodec,
}

impl Iterator for Market {
    type Item = Played;
    fn next(&mut self) -> Option<Played> {
        let event = self.generator.next()?;
        Some(Played {
            key: key(&self.generator, &self.codec, event.chain, event.pair),
            op: event.op,
            at: event.at,
        })
    }
}

fn key(generator: &Generator, codec: &KeyCodec, chain: u16, pair: u32) -> Key {
    let name = PairName::new(generator.chain_name(chain), &generator.pair_name(pair));
    codec.key(&name.expect("generated names are well-formed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(ms: &[u64]) -> Vec<Played> {
        let event = |ms: &u64| Played {
            key: Key::new("k", 0, forewarm_domain::ChainId::DEFAULT),
            op: Op::Read,
            at: Timestamp::from_millis(*ms),
        };
        ms.iter().map(event).collect()
    }

    fn spread_to(ms: &[u64]) -> (bool, Vec<u64>) {
        let mut events = played(ms);
        let spread = spread(&mut events);
        (
            spread,
            events.iter().map(|event| event.at.as_millis()).collect(),
        )
    }

    #[test]
    fn whole_seconds_are_spread_and_finer_times_are_left_alone() {
        let coarse = [1_000, 1_000, 1_000, 1_000, 3_000, 7_000, 7_000];
        let apart = vec![1_000, 1_250, 1_500, 1_750, 3_000, 7_000, 7_500];
        assert_eq!(spread_to(&coarse), (true, apart));
        let fine = [1_000, 1_000, 1_003, 2_000];
        assert_eq!(spread_to(&fine), (false, fine.to_vec()));
        assert_eq!(spread_to(&[]), (false, vec![]));
    }
}
