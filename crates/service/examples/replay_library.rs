//! Replay as a library: what would warming gain on a stream, without a server and without a clock.
//!
//! ```sh
//! cargo run -p forewarm-service --example replay_library                # a generated market
//! cargo run -p forewarm-service --example replay_library recording.csv.gz
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use forewarm_application::generate::{GenerateConfig, Generator, Profile};
use forewarm_application::ports::LocalCache;
use forewarm_application::replay::{
    Contender, L1Size, Policy, ReplayConfig, Report, Stage, replay,
};
use forewarm_application::trace::TraceEvent;
use forewarm_domain::{ModelConfig, PairName};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::l1::{Capacity, LruCache, QuickCache};
use forewarm_infrastructure::trace::TraceReader;
use forewarm_service::config::{Strategy, Warming};

/// The events of a recording, in their order.
fn recorded(path: &Path, codec: &KeyCodec) -> Result<Vec<TraceEvent>, Box<dyn Error>> {
    let events = TraceReader::open(path, codec, false)?;
    Ok(events.collect::<Result<_, _>>()?)
}

/// A market of 300 pairs, the same every time.
fn generated(codec: &KeyCodec) -> Result<Vec<TraceEvent>, Box<dyn Error>> {
    let config = GenerateConfig {
        events: 40_000,
        pairs: 300,
        ..GenerateConfig::default()
    };
    let mut market = Generator::new(Profile::Market, config);
    let mut events = Vec::new();
    while let Some(one) = market.next() {
        let name = PairName::new(market.chain_name(one.chain), &market.pair_name(one.pair))?;
        events.push(TraceEvent {
            key: codec.key(&name),
            op: one.op,
            at: one.at,
            version: one.version,
            value: None,
            size: None,
        });
    }
    Ok(events)
}

/// Plays `off`, plain LRU and two strategies on the same L1: a tenth of the keys.
pub(crate) fn play(path: Option<&Path>) -> Result<Report, Box<dyn Error>> {
    let codec = KeyCodec::default();
    let events = match path {
        Some(path) => recorded(path, &codec)?,
        None => generated(&codec)?,
    };
    let warming = Warming::default();
    let contenders = vec![
        Contender::Off,
        Contender::Lru,
        Contender::Strategy(warming.build(Strategy::TopN)?),
        Contender::Strategy(warming.build(Strategy::Adaptive)?),
    ];
    let config = ReplayConfig {
        model: ModelConfig::default(),
        l1: L1Size::Percent(10.0),
        max_pairs_per_warm: warming.max_pairs_per_warm,
        extra_l2_reads: Some(0.25),
        l1_share: 0.2,
        default_ttl: None,
        l2_latency: Duration::ZERO,
    };
    let mut stage = Stage {
        caches: &|policy, entries| -> Box<dyn LocalCache> {
            match policy {
                Policy::Product => Box::new(QuickCache::new(Capacity::Entries(entries as u64), 1)),
                Policy::Lru => Box::new(LruCache::new(entries)),
            }
        },
        // Nobody asks here how long it took.
        stopwatch: &|| Duration::ZERO,
        progress: &mut |_, _| {},
    };
    Ok(replay(&events, contenders, &config, &mut stage))
}

#[allow(dead_code, reason = "the test calls `play`")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1);
    let report = play(path.as_deref().map(Path::new))?;
    println!(
        "{} reads of {} keys",
        report.trace.reads, report.trace.distinct_keys
    );
    for run in &report.runs {
        println!(
            "{:<10} hit ratio {:.3}, misses removed {:>5.1} %, precision {:.3}, L2 reads {:+.1} %",
            run.strategy,
            run.l1_hit_ratio,
            run.misses_removed_ratio * 100.0,
            run.outcomes.precision(),
            run.extra_l2_reads_ratio * 100.0,
        );
    }
    println!("recommended: {}", report.recommended);
    Ok(())
}
