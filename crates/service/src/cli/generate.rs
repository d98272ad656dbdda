//! `forewarm generate`.

use std::path::PathBuf;

use clap::Args;
use forewarm_application::generate::{GenerateConfig, Generator, Profile};
use forewarm_infrastructure::trace::{Naming, TraceColumns, TraceLine, TraceWriter};

use super::Failure;

pub(super) const EXAMPLES: &str = "\
Profiles: market (blocks, routed trades, a detector's reads), null (nothing to learn), bursts
(planted groups), flip (groups that change half-way), scan (a market with long scans), zipf.

Examples:
  forewarm generate --out market.csv.gz
  forewarm generate --profile null --events 50000 --seed 7 | forewarm replay -";

#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// The model: market, null, bursts, flip, scan or zipf.
    #[arg(long, default_value = "market", value_name = "NAME")]
    profile: Profile,
    /// Lines to write.
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Pairs, over all chains.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pairs: u32,
    /// The chains' names, separated by commas.
    #[arg(
        long,
        default_value = "ethereum,bsc,polygon",
        value_delimiter = ',',
        value_name = "LIST"
    )]
    chains: Vec<String>,
    /// The same seed gives the same trace.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file, compressed when it ends in .gz or .zst; `-` is standard output.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    if let Some(bad) = arguments.chains.iter().find(|name| name.trim().is_empty()) {
        let error = anyhow::anyhow!("--chains: {bad:?} is no name for a chain");
        return Err(Failure::Usage(error));
    }
    let config = GenerateConfig {
        events: arguments.events,
        pairs: arguments.pairs,
        chains: arguments
            .chains
            .iter()
            .map(|name| name.trim().to_lowercase())
            .collect(),
        seed: arguments.seed,
        ..GenerateConfig::default()
    };
    let columns = TraceColumns {
        naming: Naming::Pairs,
        version: true,
        value: false,
    };
    let mut writer = TraceWriter::create(&arguments.out, columns)?;
    let mut generator = Generator::new(arguments.profile, config);
    while let Some(event) = generator.next() {
        writer.write(&TraceLine {
            at: event.at,
            chain: generator.chain_name(event.chain),
            name: generator.pair_name(event.pair).as_bytes(),
            op: event.op,
            version: event.version,
            value: None,
        })?;
    }
    writer.finish()?;
    Ok(())
}
