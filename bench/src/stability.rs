//! The whole loop at a steady pace for minutes, and through a spike.

use std::time::{Duration, Instant};

use anyhow::Result;
use forewarm_service::Forewarm;

use crate::job::{Job, before, gap, redis, wait_until};
use crate::memory::resident;
use crate::row::Row;
use crate::stopwatch::{Times, rate, shown};
use crate::world::runtime;

const GROUPS: usize = 1_143;
const PACE: u64 = 36_000;
const PROMISED: f64 = 35_000.0;
/// What goes beyond a quarter of the first part's figure is drift.
const DRIFT: f64 = 1.25;

pub(crate) fn run(quick: bool) -> Result<()> {
    let (parts, span) = match quick {
        true => (4, Duration::from_secs(5)),
        false => (5, Duration::from_secs(60)),
    };
    with_job(|forewarm, job| {
        // The queues, L1 and the model fill up first.
        part(forewarm, job, PACE, Duration::from_secs(3));
        let all: Vec<Part> = (0..parts)
            .map(|_| part(forewarm, job, PACE, span))
            .collect();
        let (first, last) = (&all[0], &all[parts - 1]);
        let least = all.iter().map(|part| part.learned).fold(f64::MAX, f64::min);
        Row::judged(
            format!("{} s, updates learned", parts * span.as_secs() as usize),
            format!(
                "first {} s {}, last {}, least {}",
                span.as_secs(),
                rate(first.learned),
                rate(last.learned),
                rate(least)
            ),
            "≥ 35,000/s, last within 25 % of the first",
            least >= PROMISED && last.learned * DRIFT >= first.learned,
        );
        Row::judged(
            "p95 of `observe_update`",
            format!("first {}, last {}", shown(first.p95), shown(last.p95)),
            "last within 25 % of the first",
            last.p95 <= first.p95 * DRIFT,
        );
        Row::judged(
            "resident memory",
            format!(
                "first {:.1} MB, last {:.1} MB",
                first.resident as f64 / 1e6,
                last.resident as f64 / 1e6
            ),
            "grows by at most 5 %",
            last.resident as f64 <= first.resident as f64 * 1.05,
        );
        let failed: u64 = all.iter().map(|part| part.failed).sum();
        Row::judged("warms that failed", failed.to_string(), "none", failed == 0);
    })
}

pub(crate) fn spike(quick: bool) -> Result<()> {
    let (calm, wild) = match quick {
        true => (Duration::from_secs(2), Duration::from_secs(1)),
        false => (Duration::from_secs(10), Duration::from_secs(5)),
    };
    with_job(|forewarm, job| {
        let before = part(forewarm, job, PACE, calm);
        let during = part(forewarm, job, 10 * PACE, wild);
        let ended = Instant::now();
        let mut recovered = None;
        // At the old pace again, until nothing of the spike waits.
        let (gap, mut due) = (gap(PACE), Instant::now());
        while recovered.is_none() && ended.elapsed() < Duration::from_secs(10) {
            due += gap;
            wait_until(due, || {});
            job.any_update();
            if !forewarm.core().engine.has_news() {
                recovered = Some(ended.elapsed());
            }
        }
        let after = part(forewarm, job, PACE, calm);
        Row::plain(
            "before the spike",
            format!(
                "{} learned, p95 {}",
                rate(before.learned),
                shown(before.p95)
            ),
        );
        Row::plain(
            format!("ten times that for {} s", wild.as_secs()),
            format!(
                "{} sent, {} learned, {} lost and counted, p95 {}",
                rate(during.sent),
                rate(during.learned),
                rate(during.lost),
                shown(during.p95)
            ),
        );
        let took = recovered.map_or(f64::INFINITY, |took| took.as_nanos() as f64);
        Row::judged(
            "from its end until nothing of it waits",
            shown(took),
            "< 1 s",
            took < 1e9,
        );
        Row::judged(
            "afterwards",
            format!(
                "{} learned, p95 {}, {} warms failed",
                rate(after.learned),
                shown(after.p95),
                after.failed
            ),
            "pace and p95 within 25 % of before",
            after.learned * DRIFT >= before.learned && after.p95 <= before.p95 * DRIFT,
        );
    })
}

fn with_job(measure: impl FnOnce(&Forewarm, &mut Job<'_>)) -> Result<()> {
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        let forewarm = before(&redis).build().await?;
        let mut job = Job::new(&forewarm, GROUPS, Some(&redis)).await?;
        measure(&forewarm, &mut job);
        forewarm.shutdown().await;
        Ok(())
    })
}

/// What a stretch of time was like; rates are per second.
struct Part {
    sent: f64,
    lost: f64,
    learned: f64,
    failed: u64,
    p95: f64,
    resident: usize,
}

fn part(forewarm: &Forewarm, job: &mut Job<'_>, pace: u64, span: Duration) -> Part {
    let (gap, started) = (gap(pace), Instant::now());
    let (sent, lost, before) = (job.sent, job.lost, forewarm.stats());
    let mut times = Times::with_capacity(1 << 20);
    let (mut due, mut n) = (started, 0_u64);
    while due - started < span {
        due += gap;
        wait_until(due, || {});
        n += 1;
        if n % 8 == 0 {
            let began = Instant::now();
            job.any_update();
            times.push(began.elapsed());
        } else {
            job.any_update();
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = forewarm.stats();
    let failed = |status: &forewarm_application::engine::Status| {
        status.operations.error + status.operations.timeout
    };
    Part {
        sent: (job.sent - sent) as f64 / seconds,
        lost: (job.lost - lost) as f64 / seconds,
        learned: (after.events.1 - before.events.1) as f64 / seconds,
        failed: failed(&after) - failed(&before),
        p95: times.quantile(0.95),
        resident: resident(),
    }
}
