//! The loops that drive the engine: learner, warmers, ticker, saver.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::{self, JoinHandle as Thread};
use std::time::Duration;

use forewarm_infrastructure::telemetry::Collector;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::core::Core;
use crate::feeds::{Feeds, consumer};
use crate::history::Sample;
use crate::shadow::Shadow;
use crate::snapshot::Snapshot;
use crate::warmers::Warmers;

/// How long the learner sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(100);
/// A learner that was woken again within this has a busy stream before it.
const BUSY: Duration = Duration::from_millis(1);
/// How long it then lets events gather: waking it costs whoever wakes it some 2 µs, and at 100,000
/// events a second it would be woken for every one of them.
const GATHER: Duration = Duration::from_micros(100);
/// How long the start waits for the saved model: 30,000 pairs and their partners take so long. A larger
/// one comes while reads are served already, and events wait in their queue.
const PATIENCE: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_secs(1);

/// The loops of one service. They end when [`Loops::stop`] is called.
#[derive(Debug)]
pub(crate) struct Loops {
    learner: Thread<()>,
    shadow: Option<Thread<()>>,
    warmers: Warmers,
    tasks: Vec<JoinHandle<()>>,
}

impl Loops {
    /// Starts them all; must be called inside a tokio runtime.
    pub(crate) fn start(
        core: &Arc<Core>,
        feeds: &Arc<Feeds>,
        snapshot: Option<Snapshot>,
    ) -> io::Result<Self> {
        let (restored, is_restored) = mpsc::channel();
        core.vitals
            .restoring
            .store(snapshot.is_some(), Ordering::Release);
        let learner = {
            let (core, snapshot) = (Arc::clone(core), snapshot.clone());
            let runtime = Handle::current();
            thread::Builder::new()
                .name("forewarm-learner".to_owned())
                .spawn(move || {
                    if let Some(snapshot) = snapshot {
                        snapshot.load(&core, &runtime);
                        core.vitals.restoring.store(false, Ordering::Release);
                    }
                    let _ = restored.send(());
                    learn(&core);
                })?
        };
        // A model of ordinary size is there from the first event on.
        let _ = is_restored.recv_timeout(PATIENCE);
        let shadow = if core.shadow.has_contenders() {
            let core = Arc::clone(core);
            let named = thread::Builder::new().name("forewarm-shadow".to_owned());
            Some(named.spawn(move || Shadow::run(&core))?)
        } else {
            None
        };
        let _ = core.wakers.learner.set(learner.thread().clone());
        let mut tasks = vec![tokio::spawn(tick(Arc::clone(core), Arc::clone(feeds)))];
        let warmers = Warmers::start(core)?;
        tasks.extend(push_metrics(core));
        let every = core.config.model.interval.0;
        if let Some(snapshot) = snapshot.filter(|_| !every.is_zero()) {
            tasks.push(tokio::spawn(save(Arc::clone(core), snapshot, every)));
        }
        Ok(Self {
            learner,
            shadow,
            warmers,
            tasks,
        })
    }

    /// Ends the loops; what is queued is left.
    pub(crate) async fn stop(self, core: &Core) {
        core.vitals.stopping.store(true, Ordering::Release);
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            let _ = task.await;
        }
        self.warmers.stop().await;
        core.wakers.wake_learner();
        for thread in std::iter::once(self.learner).chain(self.shadow) {
            thread.thread().unpark();
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Sends metrics to a collector, where there is one.
fn push_metrics(core: &Arc<Core>) -> Option<JoinHandle<()>> {
    let settings = &core.config.telemetry;
    let collector = Collector::new(settings.otlp_endpoint.as_deref()?);
    let collector = collector.expect("the configuration has been checked");
    let (instance, every) = (consumer(&core.config.http.addr), settings.otlp_interval.0);
    let telemetry = Arc::clone(&core.telemetry);
    Some(tokio::spawn(telemetry.push(collector, instance, every)))
}

/// A thread of its own: learning and choosing are computing, are never held up by the runtime, and never
/// hold it up. Ends with an empty queue.
fn learn(core: &Core) {
    let mut parked_at = Duration::ZERO;
    let mut gathers = false;
    loop {
        let mut done = 0;
        loop {
            core.vitals.learner_lives(core.clock.running());
            let now = core.clock.now();
            match core.engine.learn(now) + core.engine.choose(now) {
                0 => break,
                more => done += more,
            }
        }
        if core.vitals.stopping.load(Ordering::Acquire) {
            return;
        }
        let running = core.clock.running();
        if done > 0 && (gathers || running.saturating_sub(parked_at) < BUSY) {
            // Not parked, so that nobody pays for waking it.
            gathers = true;
            thread::sleep(GATHER);
            continue;
        }
        gathers = false;
        parked_at = running;
        core.wakers.park_learner(NAP, || {
            core.engine.has_work() || core.vitals.stopping.load(Ordering::Acquire)
        });
    }
}

async fn tick(core: Arc<Core>, feeds: Arc<Feeds>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        core.vitals.ticker_lives(core.clock.running());
        if let Some(back) = core.clock.stepped() {
            core.engine.clock_set(back, || core.clock.follow());
        }
        core.link.tick(&core);
        core.engine.tick(core.clock.now());
        note_history(&core);
        if let Some(lag) = feeds.lag() {
            core.metrics.set_feed_lag(lag);
        }
        let answered = core.shared.ping().await;
        core.metrics.set_l2_up(answered.is_ok());
        note_l2(&core, answered.err().map(|error| error.to_string()));
    }
}

/// A sample for those who look at the page later.
fn note_history(core: &Core) {
    let at_ms = core.clock.running().as_millis() as u64;
    let sample = || Sample::new(at_ms, &core.engine.status(core.clock.now()));
    core.history.note(at_ms, sample);
}

/// Logs each change of L2's state once.
fn note_l2(core: &Core, error: Option<String>) {
    let mut down = core.vitals.l2_down.lock();
    match (down.as_ref(), &error) {
        (None, Some(reason)) => tracing::warn!(%reason, "L2 does not answer; serving from L1"),
        (Some(_), None) => tracing::info!("L2 answers again"),
        _ => {}
    }
    *down = error;
}

async fn save(core: Arc<Core>, snapshot: Snapshot, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !core.vitals.restoring.load(Ordering::Acquire) {
            snapshot.save(&core).await;
        }
    }
}
