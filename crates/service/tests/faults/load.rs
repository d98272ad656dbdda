//! What goes on while something breaks: warms are asked for and their keys read, values are
//! written through Forewarm, and a writer goes past it with readers behind (`rig::Traffic`).

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::rig::{BOUND, Traffic};
use crate::scene::{DEMAND, GROUPS, MARGIN, PARTNERS, Scene, update};

const BETWEEN_REQUESTS: Duration = Duration::from_millis(30);
/// From a source's update to the reads of its partners: a warm takes some milliseconds.
const LAG: Duration = Duration::from_millis(10);

/// A demand read of a group.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// What was wrong.
    pub(crate) error: Option<String>,
}

/// What the load has done.
#[derive(Default)]
pub(crate) struct Log {
    calls: Mutex<Vec<Call>>,
    lookups: AtomicU64,
    /// Writes that were acknowledged, and when they began.
    written: Mutex<Vec<(usize, Instant)>>,
    refused: AtomicU64,
    stop: AtomicBool,
}

/// A load under way.
pub(crate) struct Load {
    pub(crate) traffic: Traffic,
    pub(crate) log: Arc<Log>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// The writer that goes past Forewarm writes to `port` and waits for so many `replicas`.
    pub(crate) fn start(scene: &Scene, port: u16, replicas: usize) -> Self {
        let log = Arc::new(Log::default());
        let tasks = vec![ask(scene, &log), write(scene, &log)];
        Self {
            traffic: Traffic::start(&scene.forewarm, port, replicas),
            log,
            tasks,
        }
    }

    /// Ends it; what happened.
    pub(crate) async fn stop(self) -> (Arc<Log>, Arc<History>) {
        self.log.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.expect("no task of the load panics");
        }
        let asked = Arc::clone(&self.traffic.asked);
        let history = self.traffic.stop().await;
        self.log.lookups.fetch_add(asked.load(Relaxed), Relaxed);
        (self.log, history)
    }
}

/// Sources are updated and their partners read; L1 has lost those before.
fn ask(scene: &Scene, log: &Arc<Log>) -> JoinHandle<()> {
    let (forewarm, log) = (Arc::clone(&scene.forewarm), Arc::clone(log));
    let groups: Vec<_> = (0..GROUPS)
        .map(|group| (scene.source(group), scene.partners(group)))
        .collect();
    tokio::spawn(async move {
        let mut reads = Vec::new();
        for (source, partners) in groups.iter().cycle() {
            if log.stop.load(Relaxed) {
                break;
            }
            for partner in partners {
                forewarm.invalidate(partner);
            }
            let now = forewarm.core().clock.now();
            forewarm
                .observe_update(source, update(now))
                .expect("timely");
            let (forewarm, partners) = (Arc::clone(&forewarm), partners.clone());
            let log = Arc::clone(&log);
            reads.push(tokio::spawn(async move {
                sleep(LAG).await;
                let begun = Instant::now();
                let answer = forewarm.get_many(&partners).await;
                log.lookups.fetch_add(PARTNERS as u64, Relaxed);
                log.calls.lock().expect("nobody panics").push(Call {
                    begun,
                    took: begun.elapsed(),
                    error: answer.err().map(|error| error.to_string()),
                });
            }));
            sleep(BETWEEN_REQUESTS).await;
        }
        for read in reads {
            read.await.expect("no read panics");
        }
    })
}

/// Each write is of a key of its own, so that none hides the loss of another.
fn write(scene: &Scene, log: &Arc<Log>) -> JoinHandle<()> {
    let (forewarm, log) = (Arc::clone(&scene.forewarm), Arc::clone(log));
    tokio::spawn(async move {
        for n in 0.. {
            if log.stop.load(Relaxed) {
                break;
            }
            let key = forewarm.key("t", &format!("w{n}")).expect("a name");
            let stored = forewarm_application::ports::Stored {
                value: n.to_string().into(),
                version: None,
                ttl: None,
            };
            let begun = Instant::now();
            match forewarm.put(&key, stored).await {
                Ok(()) => log.written.lock().expect("nobody panics").push((n, begun)),
                Err(_) => {
                    log.refused.fetch_add(1, Relaxed);
                }
            }
            sleep(Duration::from_millis(15)).await;
        }
    })
}

/// How the demand reads of some time went.
#[derive(Debug)]
#[allow(dead_code, reason = "figures for people")]
pub(crate) struct Served {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    pub(crate) slowest: Duration,
    pub(crate) median: Duration,
}

impl Log {
    /// A test's own demand reads, for the books.
    pub(crate) fn looked_up(&self, keys: u64) {
        self.lookups.fetch_add(keys, Relaxed);
    }

    pub(crate) fn lookups(&self) -> u64 {
        self.lookups.load(Relaxed)
    }

    /// Writes that failed, and said so.
    pub(crate) fn refused_writes(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The demand reads that began within the span.
    pub(crate) fn served(&self, from: Instant, to: Instant) -> Served {
        let calls = self.calls.lock().expect("nobody panics");
        let of_span = calls
            .iter()
            .filter(|call| from <= call.begun && call.begun < to);
        let mut took: Vec<_> = of_span.clone().map(|call| call.took).collect();
        took.sort_unstable();
        Served {
            calls: took.len(),
            failed: of_span.filter(|call| call.error.is_some()).count(),
            slowest: took.last().copied().unwrap_or_default(),
            median: took.get(took.len() / 2).copied().unwrap_or_default(),
        }
    }

    /// Every demand read has ended in time, and who failed said why.
    pub(crate) fn ended_in_time(&self) {
        let calls = self.calls.lock().expect("nobody panics");
        assert!(calls.len() > 50, "only {} reads", calls.len());
        for call in calls.iter() {
            assert!(call.took < DEMAND + MARGIN, "{call:?}");
            let said = call.error.as_deref();
            assert!(
                said.is_none_or(|said| said.contains("shared cache")),
                "{call:?}"
            );
        }
    }

    /// Every acknowledged write that began before `until` is there, as `held` finds it in Redis.
    pub(crate) fn nothing_is_lost(&self, until: Instant, mut held: impl FnMut(&str) -> String) {
        let written = self.written.lock().expect("nobody panics");
        assert!(written.len() > 20, "only {} writes", written.len());
        for (n, _) in written.iter().filter(|(_, begun)| *begun < until) {
            let found = held(&format!("price:t:w{n}"));
            let text = n.to_string();
            assert_eq!(found, format!("${}\r\n{text}\r\n", text.len()), "w{n}");
        }
    }
}

/// No read was too old, and there was something to judge.
pub(crate) fn fresh(history: &History) {
    fresh_within(BOUND, history);
}

pub(crate) fn fresh_within(bound: Duration, history: &History) {
    let judged = history.judge(bound);
    assert_eq!(judged.violations, [""; 0], "of {} reads", judged.reads);
    assert!(
        judged.reads > 100 && judged.from_l1 > 50,
        "only {} reads were judged, {} of them of L1",
        judged.reads,
        judged.from_l1
    );
}
