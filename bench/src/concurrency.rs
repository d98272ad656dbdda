//! Fifty at once: readers and warmers of the same keys, every answer looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use forewarm_service::Forewarm;

use crate::job::{GROUP, Job, before, redis};
use crate::row::Row;
use crate::stopwatch::{Times, rate, shown};
use crate::world::{Draw, runtime, value};

const GROUPS: usize = 1_143;
const MANY: usize = 50;

pub(crate) fn run(quick: bool) -> Result<()> {
    let span = Duration::from_secs(if quick { 2 } else { 10 });
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        let forewarm = before(&redis).build().await?;
        let keys = Job::new(&forewarm, GROUPS, Some(&redis)).await?.keys;
        let taught = forewarm.stats().operations;
        let (forewarm, keys) = (Arc::new(forewarm), Arc::new(keys));
        let alone = at_once(&forewarm, &keys, 1, span).await?;
        let many = at_once(&forewarm, &keys, MANY, span).await?;
        Row::plain(
            "one task: invalidate, warm, read a group",
            format!("{} reads, p95 {}", rate(alone.0), shown(alone.1)),
        );
        Row::judged(
            format!("{MANY} tasks at once"),
            format!(
                "{} reads, {:.1} × one task, p95 {}, every answer right",
                rate(many.0),
                many.0 / alone.0,
                shown(many.1)
            ),
            "more than one task does; no error, no wrong value",
            many.0 > alone.0,
        );
        let operations = forewarm.stats().operations;
        let failed = operations.error + operations.timeout - taught.error - taught.timeout;
        let sent = failed + operations.success - taught.success;
        Row::judged(
            "warms that failed or came too late (50 ms)",
            format!("{failed} of {sent}"),
            "< 0.1 %",
            (failed as f64) < 0.001 * sent as f64,
        );
        let late = taught.error + taught.timeout;
        Row::plain(
            "the same of the bursts before, of 8,000 events each, that taught the groups",
            format!("{late} of {}", late + taught.success),
        );
        Ok(())
    })
}

/// Reads a second of all tasks, and the p95 of one.
async fn at_once(
    forewarm: &Arc<Forewarm>,
    keys: &Arc<Vec<forewarm_domain::Key>>,
    tasks: usize,
    span: Duration,
) -> Result<(f64, f64)> {
    let reads = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let running: Vec<_> = (0..tasks as u64)
        .map(|seed| {
            let (forewarm, keys, reads) =
                (Arc::clone(forewarm), Arc::clone(keys), Arc::clone(&reads));
            tokio::spawn(async move {
                let (mut draw, mut times) = (Draw::new(seed + 1), Times::default());
                let expected = value();
                while started.elapsed() < span {
                    let group = draw.below(keys.len() / GROUP);
                    let group = &keys[group * GROUP..][..GROUP];
                    forewarm.invalidate(&group[draw.below(GROUP)]);
                    forewarm.warm(&group[0]);
                    for key in group {
                        let began = Instant::now();
                        let found = forewarm.get(key).await?;
                        times.push(began.elapsed());
                        let right = found.is_some_and(|found| found.value == expected);
                        ensure!(right, "a wrong value of {key:?}");
                    }
                    reads.fetch_add(GROUP as u64, Ordering::Relaxed);
                }
                Ok(times)
            })
        })
        .collect();
    let mut all = Times::default();
    for task in running {
        all.append(task.await??);
    }
    let per_second = reads.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    Ok((per_second, all.quantile(0.95)))
}
