//! The link over which L1 learns what changes in Redis or Valkey.
//!
//! ```text
//! find the primaries ─► connect and subscribe to each ─► opened ─► changed… / all_changed…
//!                                                          └─► proof of life every interval ─► proven
//! closed, moved, or no proof for too long ─► lost (─► lapsed) ─► from the start
//! the server cannot tell of changes ─► next best way ─► unsupported: time to live alone, tried again later
//! ```
//!
//! A connection of its own per node, not the client of the store: a proof of life is worth something
//! only if the answer is known to come behind every earlier change *on the same connection*, and a
//! client that reconnects by itself would answer for a connection that tells nothing.

mod check;
mod config;
mod keyspace;
mod member;
mod places;
mod proofs;
mod session;
mod tracking;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::metrics::Invalidation;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::l2::RedisStore;
pub use config::{LinkConfig, LinkConfigError, Preference};
use places::Directory;
use session::{End, Session};
use wire::LinkError;

/// After a server said that it cannot tell of changes it is asked again this much later: it may
/// have been upgraded or have got other permissions.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// A session that lasted this long is opened again at once; a shorter one after a pause.
const STABLE: Duration = Duration::from_secs(1);

/// Who is told. Called from one task, in the order of events; must not block.
pub trait LinkEvents: Send + Sync {
    /// Every change from now on will be told; of those before nothing is known.
    fn opened(&self, how: Invalidation);

    /// A key has changed; without a database, in any of them.
    fn changed(&self, key: &Bytes, database: Option<u16>);

    /// Any key may have changed.
    fn all_changed(&self);

    /// Whatever had been acknowledged before `asked` has been told.
    fn proven(&self, asked: Instant);

    /// The link does not stand; also told of each attempt to open it that fails.
    fn lost(&self, reason: &str);

    /// The last proof is older than the bound, and the link is not open.
    fn lapsed(&self);

    /// The server cannot tell of changes in any way that is allowed.
    fn unsupported(&self, reason: &str);
}

/// A running link. Dropping it ends it.
#[derive(Debug)]
pub struct TrackingLink {
    task: JoinHandle<()>,
}

impl TrackingLink {
    /// Begins to open the link and returns at once, whether the server is there or not; must be called
    /// inside a tokio runtime. Fails only on a configuration that can never work.
    ///
    /// `store` reads the values: behind sentinels it is led to the server that the link is on, so that
    /// no value comes from another one.
    pub fn start(
        config: LinkConfig,
        store: Option<Arc<RedisStore>>,
        events: Arc<dyn LinkEvents>,
    ) -> Result<Self, LinkConfigError> {
        config.check()?;
        let link = Link {
            directory: Directory::new(&config.redis)?,
            config,
            store,
            events,
            lapse: None,
            fallen_back: false,
        };
        Ok(Self {
            task: tokio::spawn(link.run()),
        })
    }
}

impl Drop for TrackingLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Link {
    config: LinkConfig,
    directory: Directory,
    store: Option<Arc<RedisStore>>,
    events: Arc<dyn LinkEvents>,
    /// When the bound after the last proof passes; `None` = that has been told, or there was none.
    lapse: Option<Instant>,
    /// The values' time to live is all there is, until the link can be opened.
    fallen_back: bool,
}

impl Link {
    async fn run(mut self) {
        let (least, most) = (
            self.config.redis.reconnect_min,
            self.config.redis.reconnect_max,
        );
        let mut pause = least;
        loop {
            match self.open().await {
                Ok(session) => {
                    let opened = Instant::now();
                    self.follow(session).await;
                    if opened.elapsed() >= STABLE {
                        pause = least;
                        continue;
                    }
                }
                Err(LinkError::Refused(reason)) if self.config.preference == Preference::Auto => {
                    self.lapse = None;
                    self.fallen_back = true;
                    self.events.unsupported(&reason);
                    sleep(TRY_AGAIN).await;
                    continue;
                }
                Err(error) if self.fallen_back => {
                    tracing::debug!(%error, "the invalidation link was not tried to the end");
                }
                Err(error) => self.events.lost(&error.to_string()),
            }
            self.wait(pause).await;
            pause = (pause * 2).min(most);
        }
    }

    /// Opens it in the best way that the server has; meanwhile the bound may pass.
    async fn open(&mut self) -> Result<Session, LinkError> {
        let Self {
            config,
            directory,
            store,
            events,
            lapse,
            ..
        } = self;
        let opening = Session::open(config, directory, store.as_deref());
        tokio::select! {
            opened = opening => opened,
            never = lapse_in_time(lapse, &**events) => match never {},
        }
    }

    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            never = lapse_in_time(&mut self.lapse, &*self.events) => match never {},
        }
    }

    /// Tells what the session hears until it ends.
    async fn follow(&mut self, mut session: Session) {
        self.fallen_back = false;
        self.lapse = None;
        self.events.opened(session.how());
        self.events.proven(session.proof());
        let end = session.run(&self.config, &*self.events).await;
        self.events.lost(&end.to_string());
        self.lapse = Some(session.proof() + self.config.max_staleness);
        if matches!(end, End::Silent(_)) {
            self.lapse = None;
            self.events.lapsed();
        }
    }
}

/// Tells that the bound has passed when it does, once. Never ends.
async fn lapse_in_time(lapse: &mut Option<Instant>, events: &dyn LinkEvents) -> Infallible {
    if let Some(due) = *lapse {
        sleep_until(due).await;
        *lapse = None;
        events.lapsed();
    }
    std::future::pending().await
}
