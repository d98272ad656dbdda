//! How L1 learns of changes in L2: the link's events become the engine's, and its state is kept for
//! people and probes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::engine::Engine;
use forewarm_application::metrics::Invalidation;
use forewarm_infrastructure::tracking_link::{LinkEvents, TrackingLink};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::InvalidationMode;
use crate::core::Core;
use crate::service::StartError;

/// The state of the link.
#[derive(Debug)]
pub struct Link {
    /// Whether there is to be one at all.
    wanted: bool,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct State {
    /// The way in force, or tried.
    how: Invalidation,
    open: bool,
    proof: Option<Instant>,
    /// Why it is not open, or not as good as wanted.
    trouble: Option<String>,
}

impl Link {
    /// Whether L2 tells of changes, or L1 answers nothing until it does.
    fn tells(&self) -> bool {
        self.state.lock().how != Invalidation::Ttl
    }

    /// Before anything was tried. With a link to come, `engine`'s L1 answers nothing until it is
    /// there.
    pub(crate) fn new(mode: Option<InvalidationMode>, engine: &Engine) -> Self {
        let how = match mode {
            None | Some(InvalidationMode::Ttl) => Invalidation::Ttl,
            Some(InvalidationMode::Auto | InvalidationMode::Tracking) => Invalidation::Tracking,
            Some(InvalidationMode::Keyspace) => Invalidation::Keyspace,
        };
        let wanted = how != Invalidation::Ttl;
        if wanted {
            engine.link_lapsed();
            engine.metrics().set_invalidation_link_up(false);
        }
        engine.metrics().set_invalidation_mode(how);
        Self {
            wanted,
            state: Mutex::new(State {
                how,
                open: false,
                proof: None,
                trouble: None,
            }),
        }
    }

    /// The way in force: `tracking`, `keyspace` or `ttl`.
    pub fn mode(&self) -> &'static str {
        self.state.lock().how.name()
    }

    /// Whether L1 is kept from answering.
    pub(crate) fn blinds(&self, core: &Core) -> bool {
        self.wanted && !core.engine.answers_locally(core.clock.now())
    }

    /// For people; `null` where there is no link to be.
    pub fn report(&self, core: &Core) -> Value {
        if !self.wanted {
            return Value::Null;
        }
        let state = self.state.lock().clone();
        let age = state.proof.map(|proof| proof.elapsed());
        json!({
            "up": state.open && !self.blinds(core),
            "proof_age_ms": age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            "max_staleness_ms": core.config.invalidation.max_staleness.0.as_millis() as u64,
            "trouble": state.trouble,
        })
    }

    /// Brings the gauge up to date; about once a second.
    pub(crate) fn tick(&self, core: &Core) {
        if self.wanted {
            let up = self.state.lock().open && !self.blinds(core);
            core.metrics.set_invalidation_link_up(up);
        }
    }
}

/// Starts the link, where there is to be one.
pub(crate) fn start(core: &Arc<Core>) -> Result<Option<TrackingLink>, StartError> {
    let Some(store) = core.redis().filter(|_| core.link.wanted) else {
        return Ok(None);
    };
    let config = core.config.link()?;
    let events = Arc::new(Hearer(Arc::clone(core)));
    Ok(Some(TrackingLink::start(config, Some(store), events)?))
}

/// Passes on what the link tells.
struct Hearer(Arc<Core>);

impl Core {
    /// A feed has lost events. Where L2 tells of every change itself L1 is right all the same; elsewhere
    /// the feed is all that it hears of changes by.
    pub(crate) fn feed_gap(&self) {
        if self.link.tells() {
            return;
        }
        let keys = self.engine.gap(None);
        tracing::warn!(keys, "a feed had a gap: what L1 held is fetched again");
    }
}

impl Hearer {
    fn bound(&self) -> Duration {
        self.0.config.invalidation.max_staleness.0
    }
}

impl LinkEvents for Hearer {
    fn opened(&self, how: Invalidation) {
        let core = &self.0;
        core.engine.link_opened();
        let mut state = core.link.state.lock();
        *state = State {
            how,
            open: true,
            proof: None,
            trouble: None,
        };
        core.metrics.set_invalidation_mode(how);
        core.metrics.set_invalidation_link_up(true);
        tracing::info!(
            mode = how.name(),
            "the invalidation link is open; L1 begins anew"
        );
    }

    fn changed(&self, key: &Bytes, database: Option<u16>) {
        let core = &self.0;
        core.engine.changed(key, database, core.clock.now());
    }

    fn all_changed(&self) {
        self.0.engine.flush();
    }

    fn proven(&self, asked: Instant) {
        let core = &self.0;
        core.engine.proven(|| {
            let now = core.clock.now();
            now - asked.elapsed() + self.bound()
        });
        core.link.state.lock().proof = Some(asked);
    }

    fn lost(&self, reason: &str) {
        let core = &self.0;
        core.engine.link_lost();
        let mut state = core.link.state.lock();
        if state.trouble.is_none() {
            let bound = self.bound();
            tracing::warn!(%reason, ?bound, "there is no invalidation link; L1 answers no longer than the bound");
        }
        state.open = false;
        state.trouble = Some(reason.to_owned());
        core.metrics.set_invalidation_link_up(false);
    }

    fn lapsed(&self) {
        let core = &self.0;
        core.engine.link_lapsed();
        tracing::warn!(bound = ?self.bound(), "no proof of life of the invalidation link; L1 answers nothing");
    }

    fn unsupported(&self, reason: &str) {
        let core = &self.0;
        let mut state = core.link.state.lock();
        state.trouble = Some(reason.to_owned());
        if state.how == Invalidation::Ttl {
            return;
        }
        (state.how, state.open, state.proof) = (Invalidation::Ttl, false, None);
        core.engine.without_link();
        core.metrics.set_invalidation_mode(Invalidation::Ttl);
        core.metrics.set_invalidation_link_up(false);
        tracing::warn!(%reason, "the server tells of no changes; L1 relies on time to live");
    }
}
