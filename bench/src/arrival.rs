//! From an update to its partner in L1, the queue included, with a client on the same processors.

use std::time::{Duration, Instant};

use anyhow::Result;
use forewarm_service::Forewarm;

use crate::job::{GROUP, Job, Since, before, gap, redis, wait_until};
use crate::row::Row;
use crate::stopwatch::{Times, rate, shown};
use crate::world::runtime;

const GROUPS: usize = 1_143;
/// Groups whose updates are followed with the eye; the others make the stream.
const WATCHED: usize = 64;
const PACE: u64 = 35_000;
const BLOCK: usize = 8_750;
/// Updates to one that is watched: at a steady pace 250 groups a second want six keys each, and the others
/// are read by nobody, so that they are soon not worth warming.
const STEADY_TO_ONE: usize = 140;
/// The same in a block, whose watched groups are all under way at once.
const BLOCK_TO_ONE: usize = 350;
/// A partner that has not come by then counts with this time.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn run(quick: bool) -> Result<()> {
    let span = Duration::from_secs(if quick { 4 } else { 20 });
    let runtime = runtime()?;
    let redis = redis()?;
    runtime.block_on(async {
        let forewarm = before(&redis).build().await?;
        let mut job = Job::new(&forewarm, GROUPS, Some(&redis)).await?;
        Row::plain(
            "stream of the arrivals",
            format!(
                "{} keys, every second update without its value",
                job.keys.len()
            ),
        );
        let mut watch = Watch::new(&forewarm);
        let steady = steady(&forewarm, &mut job, &mut watch, span);
        steady.show("at a steady 35,000 updates/s", 1e6, "≤ 1 ms");
        Row::judged(
            "warms at that pace",
            format!(
                "{} keys, {} operations, {:.3} % errors",
                rate(steady.warmed),
                rate(steady.operations),
                100.0 * steady.error_ratio
            ),
            "≥ 1,000/s, errors < 0.1 %",
            steady.warmed >= 1_000.0 && steady.error_ratio < 0.001,
        );
        let blocks = blocks(&forewarm, &mut job, &mut watch, span);
        blocks.show("in blocks of 8,750", 4e6, "≤ 4 ms");
        forewarm.shutdown().await;
        Ok(())
    })
}

struct Figures {
    times: Times,
    sent: f64,
    lost: f64,
    missed: usize,
    warmed: f64,
    operations: f64,
    error_ratio: f64,
}

impl Figures {
    fn show(&self, name: &str, goal: f64, words: &str) {
        let mut times = self.times.clone();
        let (p50, p95) = (times.quantile(0.5), times.quantile(0.95));
        Row::judged(
            format!("update received → partner in L1, {name}"),
            format!(
                "p50 {}, p95 {} ({} of {} never came; {} sent, {:.2} % not learned)",
                shown(p50),
                shown(p95),
                self.missed,
                times.len(),
                rate(self.sent),
                100.0 * self.lost
            ),
            format!("p95 {words}"),
            p95 <= goal,
        );
    }
}

/// Updates that are waited for.
struct Watch<'a> {
    forewarm: &'a Forewarm,
    open: Vec<(usize, Instant)>,
    next: usize,
    times: Times,
    missed: usize,
}

impl<'a> Watch<'a> {
    fn new(forewarm: &'a Forewarm) -> Self {
        Self {
            forewarm,
            open: Vec::new(),
            next: 0,
            times: Times::default(),
            missed: 0,
        }
    }

    /// Updates the next watched group, whose partners L1 has not.
    fn begin(&mut self, job: &mut Job<'_>) {
        let group = self.next % WATCHED;
        self.next += 1;
        for key in &job.group(group)[1..] {
            self.forewarm.invalidate(key);
        }
        self.open.push((group, Instant::now()));
        job.update(group * GROUP, true);
    }

    /// Ends what has come, and reads it, so that the warm was of use.
    fn look(&mut self, job: &Job<'_>) {
        let core = self.forewarm.core();
        self.open.retain(|&(group, since)| {
            let now = core.clock.now();
            let keys = &job.group(group)[1..];
            let took = since.elapsed();
            let late = took > PATIENCE;
            if !late && !core.engine.holds(&keys[0], now) {
                return true;
            }
            self.times.push(took);
            self.missed += usize::from(late);
            for key in keys {
                let _ = core.engine.get_local(key, now);
            }
            false
        });
    }

    fn end(&mut self, job: &Job<'_>) -> (Times, usize) {
        let due = Instant::now() + PATIENCE + Duration::from_millis(1);
        while !self.open.is_empty() && Instant::now() < due {
            self.look(job);
            std::thread::yield_now();
        }
        (
            std::mem::take(&mut self.times),
            std::mem::take(&mut self.missed),
        )
    }
}

fn steady(
    forewarm: &Forewarm,
    job: &mut Job<'_>,
    watch: &mut Watch<'_>,
    span: Duration,
) -> Figures {
    run_paced(forewarm, job, watch, span, |job, watch| {
        let (gap, mut due) = (gap(PACE), Instant::now());
        // A quarter of a second, as a block's.
        for n in 0..BLOCK {
            due += gap;
            wait_until(due, || watch.look(job));
            if n % STEADY_TO_ONE == 0 {
                watch.begin(job);
            } else {
                background(job);
            }
        }
    })
}

fn blocks(
    forewarm: &Forewarm,
    job: &mut Job<'_>,
    watch: &mut Watch<'_>,
    span: Duration,
) -> Figures {
    run_paced(forewarm, job, watch, span, |job, watch| {
        let due = Instant::now() + gap(PACE) * BLOCK as u32;
        for n in 0..BLOCK {
            if n % BLOCK_TO_ONE == 0 {
                watch.begin(job);
            } else {
                background(job);
            }
        }
        wait_until(due, || watch.look(job));
    })
}

fn run_paced(
    forewarm: &Forewarm,
    job: &mut Job<'_>,
    watch: &mut Watch<'_>,
    span: Duration,
    quarter: impl Fn(&mut Job<'_>, &mut Watch<'_>),
) -> Figures {
    // Once, uncounted: queues and connections are then as they will be.
    quarter(job, watch);
    watch.end(job);
    (job.sent, job.lost) = (0, 0);
    let (since, started) = (Since::now(forewarm), Instant::now());
    while started.elapsed() < span {
        quarter(job, watch);
    }
    let rates = since.rates(forewarm);
    let sent = job.sent as f64 / started.elapsed().as_secs_f64();
    let (times, missed) = watch.end(job);
    Figures {
        times,
        missed,
        sent,
        lost: job.lost as f64 / job.sent as f64,
        warmed: rates.warmed,
        operations: rates.operations,
        error_ratio: rates.error_ratio,
    }
}

/// An update of a key that nobody watches.
fn background(job: &mut Job<'_>) {
    let watched = WATCHED * GROUP;
    let index = watched + job.draw.below(job.keys.len() - watched);
    job.update(index, index.is_multiple_of(2));
}
