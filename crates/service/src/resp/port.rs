//! What all connections share: the core, L2 as itself, limits, counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use forewarm_domain::{Key, compact};
use forewarm_infrastructure::l2::{EmbeddedStore, RedisStore};

use crate::config::Secret;
use crate::core::Core;
use crate::pace::Pace;

/// Hits learned from in each span of the pace: a hit costs some 100 ns here, and ten times that to learn from.
const HITS_LEARNED: u32 = 100;

/// L2 beyond the port of the shared cache.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// A file of our own: what is not implemented here is unknown.
    Embedded(Arc<EmbeddedStore>),
    /// A server that is passed what L1 cannot answer.
    Redis(Arc<RedisStore>),
}

/// How much a client may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max_request_bytes: usize,
    pub(super) max_connections: usize,
    /// The rest of a command that has begun.
    pub(super) half_command: Duration,
    /// A client that does not take its replies.
    pub(super) slow_reader: Duration,
    /// L2's answer to a command that does not wait by itself.
    pub(super) command: Duration,
}

/// The Redis port.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) core: Arc<Core>,
    pub(super) store: Store,
    pub(super) limits: Bounds,
    pub(super) password: Option<Secret>,
    pub(super) pace: Pace,
    pub(super) counts: Counts,
    stopping: AtomicBool,
    over: AtomicBool,
}

/// What the INFO section tells.
#[derive(Debug, Default)]
pub(super) struct Counts {
    ids: AtomicU64,
    pub(super) connected: AtomicUsize,
    pub(super) refused: AtomicU64,
    busy: AtomicUsize,
}

impl Port {
    pub(super) fn new(core: Arc<Core>, store: Store) -> Self {
        let config = &core.config.resp;
        let limits = Bounds {
            max_request_bytes: usize::try_from(config.max_request_bytes.0).unwrap_or(usize::MAX),
            max_connections: config.max_connections,
            half_command: config.half_command_timeout.0,
            slow_reader: config.slow_reader_timeout.0,
            command: config.command_timeout.0,
        };
        Self {
            password: config.password.clone(),
            pace: Pace::new(HITS_LEARNED),
            counts: Counts::default(),
            stopping: AtomicBool::new(false),
            over: AtomicBool::new(false),
            core,
            store,
            limits,
        }
    }

    /// The key of these bytes in a client's database.
    pub(super) fn key(&self, bytes: &[u8], database: u16) -> Key {
        self.core.codec.key_from_bytes(compact(bytes), database)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.counts.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Held while commands are being answered.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.counts.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    /// Connections that are answering just now.
    pub(super) fn at_work(&self) -> usize {
        self.counts.busy.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The drain is over: who is still at work is cut off.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Commands are being answered.
pub(super) struct Busy<'a>(&'a Port);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.counts.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
