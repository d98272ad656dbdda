//! Ten times what can be kept up with, and back.
//!
//! The flood runs in a process of its own, this test binary started again: its memory is its own.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use forewarm_application::engine::Observed;
use forewarm_infrastructure::testing::RedisServer;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::outages::stock;
use crate::proxy::Proxy;
use crate::scene::{MARGIN, PARTNERS, Scene, update};

/// Set in the child.
const CHILD: &str = "FAULTS_FLOOD";
/// Sources, so that requests to warm for them do not fall together in the queue, which holds fewer.
const SOURCES: usize = 1_000;
const PRODUCERS: usize = 2;
/// What L2 takes: what the warmer can keep up with is then its own and not the machine's.
const L2_TAKES: Duration = Duration::from_millis(5);
/// Above what is there before the flood; all queues full are less.
const MOST_MEMORY: u64 = 64 << 20;
/// Back to normal; half a second is seldom needed on a quiet machine.
const RECOVERY: Duration = Duration::from_secs(10);
const RELEARNED: Duration = Duration::from_secs(90);

#[test]
fn ten_times_what_can_be_kept_up_with_and_back() {
    let name = "flood::ten_times_what_can_be_kept_up_with_and_back";
    in_a_process_of_its_own(name, Duration::from_secs(3));
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn ten_times_what_can_be_kept_up_with_for_a_minute_and_back() {
    let name = "flood::ten_times_what_can_be_kept_up_with_for_a_minute_and_back";
    in_a_process_of_its_own(name, Duration::from_secs(60));
}

/// Runs the flood if this is the child, else the test `name` as the child.
fn in_a_process_of_its_own(name: &str, span: Duration) {
    if std::env::var_os(CHILD).is_some() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(flood(span));
    }
    let me = std::env::current_exe().expect("this binary");
    let output = Command::new(me)
        .args([name, "--exact", "--include-ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it runs again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{wrong}");
    let skipped = wrong.contains("SKIPPED");
    assert!(
        skipped || said.contains("figure: "),
        "it has not run:\n{said}"
    );
}

async fn flood(span: Duration) {
    // Beside other tests the producers are not the only ones who take the processors: there the limit
    // is no judgement on Forewarm.
    let demand = if span > Duration::from_secs(10) {
        2
    } else {
        15
    };
    let (limit, bound) = (
        format!("l2.demand_timeout={demand}s"),
        format!("invalidation.max_staleness={}s", 2 * demand),
    );
    let Some(redis) = RedisServer::start() else {
        return;
    };
    stock(redis.port(), SOURCES);
    let proxy = Proxy::before(redis.port()).await;
    let settings = [
        // The producers have the processors, too, and more of them than anybody else.
        &limit,
        &bound,
        "tracking.queue_size=16384",
        "warming.queue_size=256",
        "warming.concurrency=1",
    ];
    let scene = Scene::before(&proxy.url(), &settings).await;
    scene.teach_groups(SOURCES, Duration::from_millis(70));
    proxy.delay(L2_TAKES);
    let kept_up = Loops::run(&scene).await;
    // What a flood leaves behind for good, such as buffers, is there before the one that is judged.
    pour(&scene, Duration::from_secs(1)).await;
    scene.settle();

    let before = Books::of(&scene);
    let readers = Readers::start(&scene);
    let poured = pour(&scene, span).await;
    let ended = Instant::now();
    scene.settle();
    let now = scene.forewarm.core().clock.now();
    let taken = scene.forewarm.observe_update(&scene.source(1), update(now));
    assert_eq!(taken, Ok(Observed::Queued));
    let recovery = ended.elapsed();
    let served = readers.stop().await;
    scene.settle();
    let after = Books::of(&scene);
    let (again, relearned) = Loops::run_until_warmed(&scene, kept_up.warms_per_second / 2.0).await;
    scene.settle();

    let tracked = after.tracked - before.tracked;
    let per_second = poured.offered as f64 / poured.took.as_secs_f64();
    let times = per_second / kept_up.events_per_second;
    println!(
        "figure: {per_second:.0} events/s for {:?}, {times:.0} times what is kept up with end to end \
         ({:.0} events/s, {:.0} warms/s) and {:.1} times what can be learned; {} dropped; resident \
         {} MiB before, {} at most, {} after; {} reads, slowest {:?}, none failed; well again after \
         {recovery:?}; {relearned:?} later half as many warms as before pay again",
        poured.took,
        kept_up.events_per_second,
        kept_up.warms_per_second,
        poured.offered as f64 / tracked as f64,
        poured.dropped,
        before.resident >> 20,
        poured.most_resident >> 20,
        after.resident >> 20,
        served.calls,
        served.slowest,
    );
    assert!(times >= 10.0, "{times} times is no flood");
    assert!(kept_up.warms_per_second > 10.0, "nothing is warmed");
    assert_eq!(served.failed + kept_up.failed + again.failed, 0);
    assert!(served.calls > 10, "{} reads", served.calls);
    let limit = Duration::from_secs(demand);
    assert!(served.slowest < limit + MARGIN, "{:?}", served.slowest);
    assert!(recovery < RECOVERY, "{recovery:?}");
    assert!(poured.dropped > 0, "nothing was too much");
    assert!(poured.most_resident < before.resident + MOST_MEMORY);
    assert!(after.resident < before.resident + MOST_MEMORY);
    // Every event was learned or is counted as lost.
    let lost = after.received - before.received - tracked;
    let most = poured.dropped + served.lookups;
    assert!(
        (poured.dropped..=most).contains(&lost),
        "{lost} lost, {} told of",
        poured.dropped
    );
    scene.audit(kept_up.lookups + served.lookups + again.lookups);
    scene.end().await;
}

/// The job end to end, by as many clients as are served at once without a drop: a group's partners
/// and then its source are updated, a little later the partners are read.
#[derive(Default)]
struct Loops {
    events_per_second: f64,
    warms_per_second: f64,
    lookups: u64,
    failed: u64,
}

impl Loops {
    const CLIENTS: usize = 100;

    /// A flood of updates that nobody reads after has taught that warming does not pay: how long it
    /// takes to see that it does again.
    async fn run_until_warmed(scene: &Scene, warms_per_second: f64) -> (Self, Duration) {
        let (began, mut all) = (Instant::now(), Self::default());
        while all.warms_per_second < warms_per_second {
            assert!(
                began.elapsed() < RELEARNED,
                "only {}/s",
                all.warms_per_second
            );
            let more = Self::run(scene).await;
            all.lookups += more.lookups;
            all.failed += more.failed;
            all.warms_per_second = more.warms_per_second;
        }
        (all, began.elapsed())
    }

    async fn run(scene: &Scene) -> Self {
        let (began, span) = (Instant::now(), Duration::from_secs(1));
        let warmed = scene.warms().warmed;
        let clients: Vec<_> = (0..Self::CLIENTS)
            .map(|first| {
                let forewarm = Arc::clone(&scene.forewarm);
                let mine = (first..SOURCES).step_by(Self::CLIENTS);
                let mine: Vec<_> = mine
                    .map(|group| (scene.source(group), scene.partners(group)))
                    .collect();
                tokio::spawn(async move {
                    let (mut calls, mut failed) = (0_u64, 0_u64);
                    for (source, partners) in mine.iter().cycle() {
                        if began.elapsed() > span {
                            break;
                        }
                        let now = forewarm.core().clock.now();
                        for key in partners.iter().chain([source]) {
                            let taken = forewarm.observe_update(key, update(now));
                            assert_eq!(taken, Ok(Observed::Queued));
                        }
                        sleep(2 * L2_TAKES).await;
                        failed += u64::from(forewarm.get_many(partners).await.is_err());
                        calls += 1;
                    }
                    (calls, failed)
                })
            })
            .collect();
        let mut all = Self::default();
        for client in clients {
            let (calls, failed) = client.await.expect("no client panics");
            all.lookups += calls * PARTNERS as u64;
            all.failed += failed;
        }
        let took = began.elapsed().as_secs_f64();
        // Each of the reads comes with an update of its key, and each call with one of the source.
        let events = 2 * all.lookups + all.lookups / PARTNERS as u64;
        all.events_per_second = events as f64 / took;
        all.warms_per_second = (scene.warms().warmed - warmed) as f64 / took;
        all
    }
}

/// The counters that the flood moves.
struct Books {
    received: u64,
    tracked: u64,
    resident: u64,
}

impl Books {
    fn of(scene: &Scene) -> Self {
        Self {
            received: scene.metric("arbitrage_correlation_updates_received_total", &[]),
            tracked: scene.metric("arbitrage_correlation_updates_tracked_total", &[]),
            resident: resident(scene),
        }
    }
}

fn resident(scene: &Scene) -> u64 {
    scene.metric("process_resident_memory_bytes", &[])
}

struct Poured {
    offered: u64,
    dropped: u64,
    took: Duration,
    most_resident: u64,
}

/// Updates as fast as threads can bring them: of each group the partners, of which L1's copies are
/// outdated by that, and then the source, for which they are warmed.
async fn pour(scene: &Scene, span: Duration) -> Poured {
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|first| {
            let (forewarm, stop) = (Arc::clone(&scene.forewarm), Arc::clone(&stop));
            let group = |group| [scene.partners(group), vec![scene.source(group)]].concat();
            let updated: Vec<_> = (0..SOURCES).flat_map(group).collect();
            thread::spawn(move || {
                let (mut offered, mut dropped) = (0_u64, 0_u64);
                for key in updated
                    .iter()
                    .cycle()
                    .skip(first * updated.len() / PRODUCERS)
                {
                    if stop.load(Relaxed) {
                        break;
                    }
                    let now = forewarm.core().clock.now();
                    let seen = forewarm.observe_update(key, update(now));
                    offered += 1;
                    dropped += u64::from(seen == Ok(Observed::Dropped));
                }
                (offered, dropped)
            })
        })
        .collect();
    let began = Instant::now();
    let mut most_resident = 0;
    while began.elapsed() < span {
        sleep(Duration::from_millis(100)).await;
        most_resident = most_resident.max(resident(scene));
    }
    stop.store(true, Relaxed);
    let took = began.elapsed();
    let (mut offered, mut dropped) = (0, 0);
    for producer in producers {
        let (brought, lost) = producer.join().expect("no producer panics");
        offered += brought;
        dropped += lost;
    }
    Poured {
        offered,
        dropped,
        took,
        most_resident,
    }
}

/// Demand reads while the flood lasts.
struct Readers {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Served>,
}

#[derive(Default)]
struct Served {
    calls: u64,
    failed: u64,
    slowest: Duration,
    lookups: u64,
}

impl Readers {
    fn start(scene: &Scene) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (forewarm, stopped) = (Arc::clone(&scene.forewarm), Arc::clone(&stop));
        let groups: Vec<_> = (0..SOURCES).map(|group| scene.partners(group)).collect();
        let task = tokio::spawn(async move {
            let mut served = Served::default();
            for partners in groups.iter().cycle().step_by(7) {
                if stopped.load(Relaxed) {
                    break;
                }
                let begun = Instant::now();
                let answer = forewarm.get_many(partners).await;
                served.calls += 1;
                served.lookups += PARTNERS as u64;
                served.failed += u64::from(answer.is_err());
                served.slowest = served.slowest.max(begun.elapsed());
                sleep(Duration::from_millis(5)).await;
            }
            served
        });
        Self { stop, task }
    }

    async fn stop(self) -> Served {
        self.stop.store(true, Relaxed);
        self.task.await.expect("no reader panics")
    }
}
