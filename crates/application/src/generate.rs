//! Generated recordings: seeded, documented models of streams, the same bytes for ever.
//!
//! All are event generators in virtual time; random numbers and the functions used on them are
//! our own (see `random`). Pairs are dealt to the chains evenly: pair p belongs to chain
//! p mod (number of chains).
//!
//! # `market`
//!
//! The stream of an arbitrage team. Per chain a planted graph: token n trades against the hubs
//! WETH, USDC, USDT, DAI with probability 1, 0.6, 0.35, 0.15 and with 0.3 against one earlier
//! token; a token pair has 1 + Geometric venues (each further one with probability 0.45, at most five). A
//! route starts at each pool: 1, 2 or 3 pools (40, 40, 20 %) that share tokens.
//!
//! Blocks come every B seconds ± 5 % (ethereum 12, bsc 3, polygon 2, arbitrum 0.25, others 2).
//! Each has U{1…15} trades with Exp(5 ms) between them; a trade's first pool is drawn by
//! popularity (weight of rank r: r^−0.9), the further pools of its route follow 0.3 ms apart,
//! each with probability 0.85. All of these are *updates*. 3 ms after each, the detector *reads*
//! the pool, and with probability 0.95 each: the same tokens on other venues and both legs of up
//! to four triangles, 0.05 ms apart. Background reads by popularity are a Poisson process with a ninth of the
//! detector's mean rate: one read in ten. Drift: every minute 0.5 % of the routes are planted anew and as many
//! ranks change hands.
//!
//! # `null`
//!
//! Nothing to learn: each pair is updated and read by two independent Poisson processes, their
//! rates log-uniform in 0.001 … 1 a second.
//!
//! # `bursts`
//!
//! Groups of U{4…12} pairs. Chain c has a block every c + 1 seconds: in it one to three groups
//! (Zipf 0.7 by group) update within 5 ms in a shuffled order, and 3 ms later are read, shuffled again and 0.1 ms
//! apart. 40 % of a block's updates and reads are noise, uniform over the chain's pairs and over 50 ms.
//!
//! # `flip`
//!
//! `bursts`, but after half of the events the pairs are dealt into the groups anew: what was
//! learned is wrong from then on.
//!
//! # `scan`
//!
//! `market`, interrupted after every 3 × L events by a scan: L = max(100, pairs / 2) reads of
//! keys never seen before or after, 0.2 ms apart. These keys come on top of `pairs`.
//!
//! # `zipf`
//!
//! Independent reads, Poisson with 1,000 a second, weight of rank r: r^−0.9, ranks shuffled.

mod graph;
mod groups;
mod independent;
mod market;
mod pending;
mod random;
mod scan;
mod weights;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use forewarm_domain::{Op, Timestamp, Version};

use graph::Graph;
use groups::Groups;
use independent::Independent;
use market::{Market, MarketChain};
use random::Random;
use scan::Scan;

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Blocks, routed trades, a detector's look-ups, background reads, drift.
    #[default]
    Market,
    /// Independent updates and reads: nothing to learn.
    Null,
    /// Planted groups that move together, in shuffled order, with noise.
    Bursts,
    /// Bursts whose groups change half-way.
    Flip,
    /// A market interrupted by long scans.
    Scan,
    /// Independent reads by popularity.
    Zipf,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 6] = [
        Self::Market,
        Self::Null,
        Self::Bursts,
        Self::Flip,
        Self::Scan,
        Self::Zipf,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Null => "null",
            Self::Bursts => "bursts",
            Self::Flip => "flip",
            Self::Scan => "scan",
            Self::Zipf => "zipf",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {0:?}, expected market, null, bursts, flip, scan or zipf")]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;
    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// How much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateConfig {
    /// Events to emit.
    pub events: u64,
    /// Pairs in all; at least one is taken.
    pub pairs: u32,
    /// The chains' names; without any, `default`.
    pub chains: Vec<String>,
    /// The same seed gives the same events.
    pub seed: u64,
    /// The time of the beginning, in milliseconds since the epoch.
    pub start_ms: u64,
}

impl Default for GenerateConfig {
    /// 200,000 events of 2,000 pairs on ethereum, bsc and polygon, from 2025-01-01 UTC on.
    fn default() -> Self {
        Self {
            events: 200_000,
            pairs: 2_000,
            chains: ["ethereum", "bsc", "polygon"].map(str::to_owned).to_vec(),
            seed: 1,
            start_ms: 1_735_689_600_000,
        }
    }
}

/// One generated event; the names are [`Generator::chain_name`] and [`Generator::pair_name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// When; never before the event before it.
    pub at: Timestamp,
    /// Number of the chain.
    pub chain: u16,
    /// Number of the pair, over all chains.
    pub pair: u32,
    /// Update or read.
    pub op: Op,
    /// Of an update: how often the pair has been updated, from 1.
    pub version: Option<Version>,
}

/// The events, in the order of time; some millions a second.
pub struct Generator {
    config: GenerateConfig,
    source: Box<dyn Source + Send>,
    names: Vec<String>,
    versions: Vec<u64>,
    emitted: u64,
}

/// An endless model.
trait Source {
    /// The next event; `emitted` came before it.
    fn next(&mut self, emitted: u64) -> Emitted;
}

struct Emitted {
    at_us: u64,
    pair: u32,
    op: Op,
}

impl Generator {
    /// Plants the world of a profile.
    pub fn new(profile: Profile, config: GenerateConfig) -> Self {
        let mut config = config;
        config.pairs = config.pairs.max(1);
        if config.chains.is_empty() {
            config.chains.push("default".to_owned());
        }
        let pairs = config.pairs;
        let mut random = Random::new(config.seed);
        // Named in every profile like the pools of a market, so that the profiles look alike.
        let worlds = plant(&config, &mut random);
        let mut names = vec![String::new(); pairs as usize];
        for world in &worlds {
            for (pair, name) in world.pairs.iter().zip(&world.graph.names) {
                names[*pair as usize].clone_from(name);
            }
        }
        let by_chain = || {
            worlds
                .iter()
                .map(|world| world.pairs.clone())
                .collect::<Vec<_>>()
        };
        let source: Box<dyn Source + Send> = match profile {
            Profile::Market => Box::new(Market::new(worlds, random)),
            Profile::Null => Box::new(Independent::null(pairs, random)),
            Profile::Zipf => Box::new(Independent::zipf(pairs, random)),
            Profile::Bursts => Box::new(Groups::new(&by_chain(), None, random)),
            Profile::Flip => Box::new(Groups::new(&by_chain(), Some(config.events / 2), random)),
            Profile::Scan => {
                let length = u64::from(pairs / 2).max(100);
                Box::new(Scan::new(Market::new(worlds, random), pairs, length))
            }
        };
        let versions = vec![0; pairs as usize];
        Self {
            config,
            source,
            names,
            versions,
            emitted: 0,
        }
    }

    /// The name of a chain.
    pub fn chain_name(&self, chain: u16) -> &str {
        &self.config.chains[usize::from(chain)]
    }

    /// The name of a pair, lower-case.
    pub fn pair_name(&self, pair: u32) -> Cow<'_, str> {
        match self.names.get(pair as usize) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("scan:{pair}")),
        }
    }

    /// Every pair that can be updated, with its chain: what an L2 would hold at the beginning.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u32)> {
        (0..self.config.pairs).map(|pair| (self.chain_of(pair), pair))
    }

    /// The configuration in force.
    pub fn config(&self) -> &GenerateConfig {
        &self.config
    }

    fn chain_of(&self, pair: u32) -> u16 {
        (pair as usize % self.config.chains.len()) as u16
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        if self.emitted == self.config.events {
            return None;
        }
        let Emitted { at_us, pair, op } = self.source.next(self.emitted);
        self.emitted += 1;
        let version = op.updates().then(|| {
            let version = &mut self.versions[pair as usize];
            *version += 1;
            Version(*version)
        });
        let at = Timestamp::from_micros(self.config.start_ms.saturating_mul(1_000) + at_us);
        Some(Generated {
            at,
            chain: self.chain_of(pair),
            pair,
            op,
            version,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.config.events - self.emitted).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("config", &self.config)
            .field("emitted", &self.emitted)
            .finish_non_exhaustive()
    }
}

fn plant(config: &GenerateConfig, random: &mut Random) -> Vec<MarketChain> {
    let chains = config.chains.len();
    (0..chains)
        .map(|chain| {
            (chain as u32..config.pairs)
                .step_by(chains)
                .collect::<Vec<u32>>()
        })
        .zip(&config.chains)
        .filter(|(pairs, _)| !pairs.is_empty())
        .map(|(pairs, name)| MarketChain {
            graph: Graph::plant(pairs.len(), random),
            pairs,
            block_us: block_us(name),
        })
        .collect()
}

fn block_us(chain: &str) -> u64 {
    match chain.to_lowercase().as_str() {
        "ethereum" => 12_000_000,
        "bsc" => 3_000_000,
        "arbitrum" => 250_000,
        _ => 2_000_000,
    }
}

#[cfg(test)]
mod tests;
