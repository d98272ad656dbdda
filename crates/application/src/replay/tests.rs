//! The rules of replay, one by one on traces of a few lines, and its promises on generated ones.

mod contest;
mod promises;
mod rules;

use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::{ModelConfig, Op, Version};

use super::*;
use crate::testing::{MemoryCache, at, key};

fn line(ms: u64, n: u32, op: Op) -> TraceEvent {
    TraceEvent {
        key: key(n),
        op,
        at: at(1_000_000 + ms),
        version: None,
        value: None,
        size: None,
    }
}

fn read(ms: u64, n: u32) -> TraceEvent {
    line(ms, n, Op::Read)
}

fn update(ms: u64, n: u32) -> TraceEvent {
    line(ms, n, Op::Update)
}

fn valued(ms: u64, n: u32, version: u64) -> TraceEvent {
    TraceEvent {
        version: Some(Version(version)),
        value: Some(Bytes::from_static(b"value")),
        ..update(ms, n)
    }
}

fn config(entries: usize, latency_ms: u64) -> ReplayConfig {
    ReplayConfig {
        model: ModelConfig::default(),
        l1: L1Size::Entries(entries),
        max_pairs_per_warm: 16,
        extra_l2_reads: Some(0.25),
        l1_share: 0.2,
        default_ttl: None,
        l2_latency: Duration::from_millis(latency_ms),
    }
}

fn play(events: &[TraceEvent], contenders: Vec<Contender>, config: &ReplayConfig) -> Report {
    let caches = |_: Policy, entries: usize| MemoryCache::boxed(entries);
    let mut stage = Stage {
        caches: &caches,
        stopwatch: &|| Duration::ZERO,
        progress: &mut |_, _| {},
    };
    replay(events, contenders, config, &mut stage)
}

fn run<'a>(report: &'a Report, name: &str) -> &'a RunReport {
    let mut runs = report.runs.iter();
    runs.find(|run| run.strategy == name).expect("it played")
}
