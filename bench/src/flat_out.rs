//! The whole loop as fast as it goes: learn, select, L1's filter, queue, MGET, L1.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::job::{Job, Since, before, redis};
use crate::row::Row;
use crate::stopwatch::rate;
use crate::world::runtime;

const GROUPS: usize = 1_143;

pub(crate) fn run(quick: bool) -> Result<()> {
    let span = Duration::from_secs(if quick { 3 } else { 20 });
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        let forewarm = before(&redis).build().await?;
        let mut job = Job::new(&forewarm, GROUPS, Some(&redis)).await?;
        let (since, started) = (Since::now(&forewarm), Instant::now());
        let dropped_before = dropped(&forewarm);
        while started.elapsed() < span {
            for _ in 0..1_000 {
                job.any_update();
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let rates = since.rates(&forewarm);
        let dropped = dropped(&forewarm) - dropped_before;
        let sent = job.sent as f64 / seconds;
        Row::judged(
            "whole loop flat out, updates taken in",
            format!(
                "{} ({} learned, the rest lost to learning and counted)",
                rate(sent),
                rate(rates.learned)
            ),
            "≥ 1.2 M/s",
            sent >= 1.2e6,
        );
        Row::plain(
            "of it warming",
            format!(
                "{} operations, {} keys, {} requests dropped and counted, {:.3} % errors",
                rate(rates.operations),
                rate(rates.warmed),
                rate(dropped as f64 / seconds),
                100.0 * rates.error_ratio
            ),
        );
        forewarm.shutdown().await;
        Ok(())
    })
}

fn dropped(forewarm: &forewarm_service::Forewarm) -> u64 {
    let of = |(attempt, n): (forewarm_domain::Attempt, u64)| {
        if attempt == forewarm_domain::Attempt::Dropped {
            n
        } else {
            0
        }
    };
    forewarm.stats().attempts.into_iter().map(of).sum()
}
