//! A running Forewarm: the handle of the binary and of programs that embed it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::engine::{Found, LookupError, Observed, Reorg, Status, Update};
use forewarm_application::ports::{SharedCache, Stored};
use forewarm_domain::{ChainMode, Key, PairName, PairNameError, Refused, Timestamp};
use forewarm_infrastructure::TemplateError;
use forewarm_infrastructure::l2::{OpenError, RedisConfigError};
use forewarm_infrastructure::telemetry::TelemetryError;
use forewarm_infrastructure::tls::TlsError;
use forewarm_infrastructure::trace::TraceError;
use forewarm_infrastructure::tracking_link::{LinkConfigError, TrackingLink};
use forewarm_strategies::InvalidParameter;
use tokio::net::{TcpListener, TcpSocket};

use crate::config::{Config, ConfigError, Sources, load};
use crate::core::Core;
use crate::demand::Get;
use crate::feeds::Feeds;
use crate::http::{self, Server};
use crate::invalidation;
use crate::loops::Loops;
use crate::open_files;
use crate::resp::{self, Listeners, RespServer};
use crate::snapshot::Snapshot;
use crate::wiring;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The Redis settings can never work.
    #[error("l2.redis is unusable")]
    Redis(#[from] RedisConfigError),
    /// A certificate or key cannot be used.
    #[error("TLS is unusable")]
    Tls(#[from] TlsError),
    /// The invalidation link can never work.
    #[error("invalidation is unusable")]
    Link(#[from] LinkConfigError),
    /// The strategy's parameters contradict each other.
    #[error("the strategy cannot be built")]
    Strategy(#[from] InvalidParameter),
    /// The key template is none.
    #[error("keys.template is unusable")]
    Template(#[from] TemplateError),
    /// The metrics cannot be exported.
    #[error("telemetry is unusable")]
    Telemetry(#[from] TelemetryError),
    /// The embedded store cannot be opened.
    #[error("cannot open the embedded store in {folder} (l2.embedded.path)")]
    Store {
        /// Where.
        folder: String,
        /// Why.
        source: OpenError,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {addr} ({setting})")]
    Listen {
        /// Which address.
        addr: String,
        /// The setting that names it.
        setting: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A configured recording cannot be read.
    #[error("the feed {path} is unreadable")]
    Feed {
        /// Which file.
        path: String,
        /// Why.
        source: Box<TraceError>,
    },
    /// A thread could not be started.
    #[error("the system refused a thread")]
    System(#[from] io::Error),
}

/// Puts a [`Forewarm`] together.
///
/// Settings are those of the configuration file, by the same names; what is not set has its default. The
/// order of the calls does not matter, but that a whole [`config`](Self::config) takes the place of
/// preset and settings.
///
/// ```no_run
/// # async fn start() -> Result<(), forewarm_service::StartError> {
/// let forewarm = forewarm_service::Forewarm::builder()
///     .preset("production")
///     .set("l2.backend=redis")
///     .set("l2.redis.url=redis://127.0.0.1:6379")
///     .set("l1.capacity_bytes=256MiB")
///     .build()
///     .await?;
/// # forewarm.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Builder {
    sources: Sources,
    config: Option<Config>,
    shared: Option<Arc<dyn SharedCache>>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("sources", &self.sources)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// A whole configuration, in place of preset and settings.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// A preset by name.
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.sources.preset = Some(name.into());
        self
    }

    /// One setting, as `key.path=value`.
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.sources.set.push(setting.into());
        self
    }

    /// A shared cache of your own, in place of the configured backend. It must answer within a time limit
    /// of its own, and `get_many` in one round trip.
    pub fn shared_cache(mut self, shared: Arc<dyn SharedCache>) -> Self {
        self.shared = Some(shared);
        self
    }

    /// Starts it, without the HTTP interface and the Redis port; must be called inside a multi-threaded tokio
    /// runtime. Starts a thread that learns, and with strategies to compare in shadow another. A Redis
    /// that is away is no error: it is reached when it is there.
    ///
    /// # Errors
    ///
    /// A setting that is unknown or out of range, settings that contradict each other, an embedded store
    /// that another process has open.
    pub async fn build(self) -> Result<Forewarm, StartError> {
        let config = match self.config {
            Some(config) => {
                config.validate()?;
                config
            }
            None => load(&self.sources)?.config,
        };
        let named = config.model.snapshot_path.is_some() || config.model.l2_key.is_some();
        // Beside somebody else's cache there is no folder of ours.
        let snapshot = Snapshot::of(&config).filter(|_| named || self.shared.is_none());
        let options = wiring::Options {
            shared: self.shared,
            ..wiring::Options::default()
        };
        Forewarm::start(wiring::core(config, options)?, snapshot)
    }
}

/// The surfaces of a running Forewarm.
#[derive(Debug)]
pub struct Servers {
    /// HTTP.
    pub http: Server,
    /// The Redis protocol; not there in front of a shared cache of a program's own.
    pub resp: Option<RespServer>,
}

/// A running Forewarm.
///
/// Every method may be called from any thread. Dropping it without
/// [`shutdown`](Self::shutdown) ends it without saving the model.
#[derive(Debug)]
pub struct Forewarm {
    core: Arc<Core>,
    loops: Loops,
    feeds: Arc<Feeds>,
    link: Option<TrackingLink>,
    snapshot: Option<Snapshot>,
}

impl Forewarm {
    /// Configures a new one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts the whole service, with HTTP and the Redis protocol.
    pub async fn serve(config: Config) -> Result<(Self, Servers), StartError> {
        Self::serve_with(config, wiring::Options::default(), false).await
    }

    /// With `any_port` a taken address gives way to a free port.
    pub(crate) async fn serve_with(
        mut config: Config,
        options: wiring::Options,
        any_port: bool,
    ) -> Result<(Self, Servers), StartError> {
        open_files::provide(&mut config);
        let listener = listen(&config.http.addr, "http.addr", any_port).await?;
        let resp = listen(&config.resp.addr, "resp.addr", any_port).await?;
        let resp = Listeners::new(resp, config.resp.unix_socket.as_deref()).await?;
        let snapshot = Snapshot::of(&config);
        let core = wiring::core(config, options)?;
        let router = http::router(Arc::clone(&core));
        let tls = core.config.http.tls.server()?;
        let http = http::serve(listener, router, &core.config.http, tls)?;
        let resp = match core.store.clone() {
            Some(store) => {
                let tls = core.config.resp.tls.server()?;
                Some(resp::serve(resp, Arc::clone(&core), store, tls)?)
            }
            None => None,
        };
        Ok((Self::start(core, snapshot)?, Servers { http, resp }))
    }

    /// Starts the feeds and the loops, of which the learner restores the model first.
    fn start(core: Arc<Core>, snapshot: Option<Snapshot>) -> Result<Self, StartError> {
        let link = invalidation::start(&core)?;
        let feeds = Arc::new(Feeds::start(&core)?);
        let loops = Loops::start(&core, &feeds, snapshot.clone())?;
        core.vitals.started.store(true, Ordering::Release);
        Ok(Self {
            core,
            loops,
            feeds,
            link,
            snapshot,
        })
    }

    /// Stops listening, lets requests end within `drain`, then [`shutdown`](Self::shutdown).
    pub async fn stop_serving(self, servers: Servers, drain: Duration) {
        self.core.vitals.draining.store(true, Ordering::Release);
        let http = servers.http.shut_down(drain);
        let resp = async {
            match servers.resp {
                Some(resp) => resp.shut_down(drain).await,
                None => true,
            }
        };
        let (http, resp) = tokio::join!(http, resp);
        if !http || !resp {
            tracing::warn!(?drain, "some requests were cut off");
        }
        self.shutdown().await;
    }

    /// Ends the feeds and loops and saves the model.
    pub async fn shutdown(self) {
        drop(self.feeds);
        drop(self.link);
        self.loops.stop(&self.core).await;
        if let Some(snapshot) = &self.snapshot {
            snapshot.save(&self.core).await;
        }
    }

    /// The key of a pair, by the template.
    pub fn key(&self, chain: &str, pair: &str) -> Result<Key, PairNameError> {
        Ok(self.core.codec.key(&PairName::new(chain, pair)?))
    }

    /// The key's value changed in L2. Without a value L1's copy becomes stale; with one it is
    /// refreshed in place. Learned, and its partners are warmed.
    pub fn observe_update(&self, key: &Key, update: Update) -> Result<Observed, Refused> {
        self.core.observe_update(key, update)
    }

    /// Somebody read the key elsewhere. Learned.
    pub fn observe_read(&self, key: &Key, at: Timestamp) -> Result<Observed, Refused> {
        self.core.observe_read(key, at)
    }

    /// A demand read: L1, else L2.
    ///
    /// To be awaited, or polled by hand: a hit is the answer at the first poll and allocates nothing.
    #[inline]
    pub fn get<'a>(&'a self, key: &'a Key) -> Get<'a> {
        self.core.get(key)
    }

    /// The value, if L1 has a fresh copy that has been read before; for code that cannot wait. It
    /// counts as a demand read when it answers. `None` says nothing and counts as nothing: the key may
    /// be in L2, or warmed and not read yet, and [`get`](Self::get) finds it.
    ///
    /// Synchronous, allocates nothing, and about a tenth cheaper than a hit of `get`.
    #[inline]
    pub fn get_if_cached(&self, key: &Key) -> Option<Bytes> {
        self.core.get_if_cached(key)
    }

    /// Demand reads with one L2 round trip for all that L1 lacks, in the order asked.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Found>>, LookupError> {
        self.core.get_many(keys).await
    }

    /// Writes L2, then L1.
    pub async fn put(&self, key: &Key, stored: Stored) -> Result<(), LookupError> {
        self.core.put(key, stored).await
    }

    /// [`observe_update`](Self::observe_update) of a change that was made in `block` of the key's
    /// chain, so that [`invalidate_from`](Self::invalidate_from) can take it back. Costs a lock and
    /// 1.3 to 1.7 µs more.
    pub fn observe_update_in(
        &self,
        block: u64,
        key: &Key,
        update: Update,
    ) -> Result<Observed, Refused> {
        self.core.observe_update_in(block, key, update)
    }

    /// [`put`](Self::put) of a value that is of `block` of the key's chain.
    pub async fn put_in(&self, block: u64, key: &Key, stored: Stored) -> Result<(), LookupError> {
        self.core.put_in(block, key, stored).await
    }

    /// The chain was reorganised: its blocks from `block` on are no more. Every key of which a change in one
    /// of them was told leaves L1, and no fetch or write of the chain that is under way is placed.
    ///
    /// - **L2 first.** L2 is not touched: put it right *before* this is called, or the next read fetches the
    ///   orphaned value again. A store that keeps the higher version (the embedded one) refuses the value that
    ///   stands if the orphan's version is higher: use no block number for a version.
    /// - **What is covered.** Keys told with [`observe_update_in`](Self::observe_update_in) or
    ///   [`put_in`](Self::put_in), also when their value came into L1 later, by a read or a warm. Keys
    ///   whose changes came without a block stay.
    /// - **Bounded.** The blocks of the latest 65,536 keys are remembered (some 200 bytes each and the key's
    ///   own). A reorganisation that reaches below what is remembered takes the whole chain out of L1
    ///   ([`Reorg::whole_chain`](forewarm_application::engine::Reorg)); an orphan is never missed.
    /// - **Cost.** Some 2 µs a key that leaves, and a look at every fetch under way.
    pub fn invalidate_from(&self, chain: &str, block: u64) -> Reorg {
        self.core.invalidate_from(chain, block)
    }

    /// Your stream of updates had a gap: changes of a chain, or with `None` of all, may have gone unheard.
    /// Nothing that L1 holds of them is served any more, and no fetch under way is placed; the next reads
    /// ask L2. What was learned stays. How many keys that was.
    ///
    /// Needed where the stream is all that L1 hears of changes by: with a shared cache of your own, or
    /// `invalidation.mode = "ttl"`. A Redis that is followed by client tracking tells of every change
    /// itself. Costs a walk over L1, some 1.5 µs an entry of the chain.
    pub fn on_gap(&self, chain: Option<&str>) -> usize {
        let chain = chain.map(|name| self.core.chain_named(name));
        let keys = self.core.engine.gap(chain);
        tracing::warn!(
            keys,
            "the stream had a gap: what L1 holds of it is fetched again"
        );
        keys
    }

    /// Now, by Forewarm's clock: the `at` of events that have just happened.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// Drops L1's copy and fences off every fetch of it that is under way.
    pub fn invalidate(&self, key: &Key) {
        self.core.engine.invalidate(key);
    }

    /// Asks for a warm of what follows this key; whether there was room in the queue.
    pub fn warm(&self, key: &Key) -> bool {
        self.core.request_warm(key)
    }

    /// Switches one chain, or with `None` everything.
    pub fn set_mode(&self, chain: Option<&str>, setting: ChainMode) {
        let chain = chain.map(|name| self.core.chain_named(name));
        self.core.engine.set_mode(chain, setting);
    }

    /// What it has done so far.
    pub fn stats(&self) -> Status {
        self.core.engine.status(self.core.clock.now())
    }

    /// The parts, for surfaces of your own.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

async fn listen(
    addr: &str,
    setting: &'static str,
    any_port: bool,
) -> Result<TcpListener, StartError> {
    let refused = |source| StartError::Listen {
        addr: addr.to_owned(),
        setting,
        source,
    };
    match bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) if any_port && error.kind() == io::ErrorKind::AddrInUse => {
            bind("127.0.0.1:0").await.map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Connections that may wait to be accepted; the kernel allows as many or fewer.
///
/// The usual 128 are full when a few hundred clients come at once, as they do after a restart: whoever
/// finds it full tries again after a second (10,000 clients took 53 s to connect).
const BACKLOG: u32 = 4_096;

/// The first of the address's own addresses that can be had.
async fn bind(addr: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for addr in tokio::net::lookup_host(addr).await? {
        match bind_to(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_to(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of before that the kernel still remembers do not keep the address.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
