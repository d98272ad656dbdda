//! Whether demand reads feel that warming runs flat out: the same reads with warming on and off.

use std::time::{Duration, Instant};

use anyhow::Result;
use forewarm_domain::{ChainMode, Mode};
use forewarm_service::Forewarm;

use crate::job::{Job, before, fill, gap, redis, wait_until};
use crate::row::Row;
use crate::stopwatch::{Times, median, shown};
use crate::world::{Draw, runtime, value};

const GROUPS: usize = 1_143;
const PACE: u64 = 35_000;
/// Reads of keys that L1 has not, so that each goes to L2 beside the warms.
const COLD: usize = 50_000;

pub(crate) fn run(quick: bool) -> Result<()> {
    let rounds = if quick { 3 } else { 15 };
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        // Small, so that the cold keys stay cold.
        let forewarm = before(&redis).set("l1.capacity_bytes=4MiB").build().await?;
        let mut job = Job::new(&forewarm, GROUPS, Some(&redis)).await?;
        let cold: Vec<_> = (0..COLD)
            .map(|n| forewarm.key("cold", &format!("0x{n:040x}")))
            .collect::<Result<_, _>>()?;
        fill(&redis, &cold, &value()).await?;
        let mut p99 = [Vec::new(), Vec::new()];
        let mut draw = Draw::new(3);
        for _ in 0..rounds {
            for (mode, p99) in [Mode::Off, Mode::On].into_iter().zip(&mut p99) {
                forewarm.set_mode(None, ChainMode { mode, percent: 100 });
                let mut times = reads(&forewarm, &mut job, &cold, &mut draw).await?;
                p99.push(times.quantile(0.99));
            }
        }
        let [off, on] = p99.map(|p99| median(&p99));
        Row::plain(
            "demand reads of L2 at 35,000 updates/s, warming off",
            format!("p99 {}", shown(off)),
        );
        Row::judged(
            "the same with warming flat out",
            format!("p99 {}, {:+.0} %", shown(on), 100.0 * (on / off - 1.0)),
            "p99 within 5 % of off",
            on <= 1.05 * off,
        );
        forewarm.shutdown().await;
        Ok(())
    })
}

/// One second of updates on this thread, and of reads one after the other beside it.
async fn reads(
    forewarm: &Forewarm,
    job: &mut Job<'_>,
    cold: &[forewarm_domain::Key],
    draw: &mut Draw,
) -> Result<Times> {
    let end = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let runtime = runtime()?;
            runtime.block_on(async {
                let mut times = Times::default();
                while Instant::now() < end {
                    let key = &cold[draw.below(cold.len())];
                    let started = Instant::now();
                    forewarm.get(key).await?;
                    times.push(started.elapsed());
                    tokio::time::sleep(Duration::from_micros(300)).await;
                }
                anyhow::Ok(times)
            })
        });
        let (gap, mut due) = (gap(PACE), Instant::now());
        while Instant::now() < end {
            due += gap;
            wait_until(due, || {});
            job.any_update();
        }
        reading.join().expect("it returns its errors")
    })
}
