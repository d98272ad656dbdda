//! What the demo plays: a recording or a generated market.

use std::path::Path;

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
        let mut keys: Vec<Key> = events.iter().map(|event| event.key.clone()).collect();
        keys.sort();
        keys.dedup();
        let sample: Vec<_> = events.iter().take(SAMPLE).map(|event| event.at).collect();
        Ok(Self {
            pace: Pace::new(speed, &sample),
            name: format!(
                "{}: {} events of {} keys",
                path.display(),
                events.len(),
                keys.len()
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
