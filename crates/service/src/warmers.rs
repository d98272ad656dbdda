//! Who fetches what the learner chose: tasks that take a share of it, read it from L2 and put it into L1.
//!
//! In front of a Redis they live on a thread of their own, with a runtime for it alone and a connection
//! that nobody else waits on: a warm then neither stands behind the application's tasks nor holds up
//! the reads that somebody waits for. Any other L2 may be made for the runtime that the service was
//! started on, and is asked there.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle as Thread};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use forewarm_infrastructure::l2::RedisStore;

use crate::core::Core;
use crate::resp::Store;

/// Those that fetch. They end when [`Warmers::stop`] is called.
#[derive(Debug)]
pub(crate) enum Warmers {
    /// On the service's runtime.
    Here(Vec<JoinHandle<()>>),
    /// On a thread of their own, which ends when the sender is gone.
    Apart(oneshot::Sender<()>, Thread<()>),
}

impl Warmers {
    /// Starts them; must be called inside a tokio runtime.
    pub(crate) fn start(core: &Arc<Core>) -> io::Result<Self> {
        match &core.store {
            Some(Store::Redis(store)) if store.reads_near() => Self::apart(core, store),
            _ => Ok(Self::Here(begin(core))),
        }
    }

    fn apart(core: &Arc<Core>, store: &Arc<RedisStore>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (core, store) = (Arc::clone(core), Arc::clone(store));
        let thread = thread::Builder::new()
            .name("forewarm-warmer".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    begin(&core);
                    tokio::select! {
                        never = store.keep_near() => match never {},
                        _ = stopped => {}
                    }
                });
                // What is under way ends here: whoever has joined it reads for itself.
            })?;
        Ok(Self::Apart(stop, thread))
    }

    /// Ends them; what they were fetching is left.
    pub(crate) async fn stop(self) {
        match self {
            Self::Here(tasks) => {
                for task in &tasks {
                    task.abort();
                }
                for task in tasks {
                    let _ = task.await;
                }
            }
            Self::Apart(stop, thread) => {
                drop(stop);
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        }
    }
}

/// As many as may have a read under way.
fn begin(core: &Arc<Core>) -> Vec<JoinHandle<()>> {
    (0..core.config.warming.concurrency)
        .map(|_| tokio::spawn(warm(Arc::clone(core))))
        .collect()
}

async fn warm(core: Arc<Core>) {
    loop {
        // A wake-up before this line is remembered.
        core.wakers.chosen.notified().await;
        loop {
            let started = Instant::now();
            let report = core.engine.serve(core.clock.now()).await;
            if report.operations == 0 {
                break;
            }
            for sent in report.sent {
                let took = sent.waited + started.elapsed();
                core.engine.warm_took(took);
                core.metrics.warming_duration(sent.chain, took);
            }
        }
    }
}
