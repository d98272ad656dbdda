//! The connections of one database, and what is known about their state.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forewarm_application::ports::SharedCacheError;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::Server;
use fred::types::{ConnectHandle, Value};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::config::{RedisConfig, RedisConfigError};
use super::fault::{fault, is_redirected, text};

/// While a slot of a cluster moves, a command of one of its keys is made again so often, so far
/// apart. Callers have their own limits.
const REDIRECTIONS: u32 = 100;
const SLOT_PAUSE: Duration = Duration::from_millis(10);

/// Connections that make and heal themselves. Dropping closes them.
pub(super) struct Connections {
    links: Vec<Link>,
    turn: AtomicUsize,
    database: u16,
    command_timeout: Duration,
    /// Why the last attempt to connect failed; watched by requests that came before it ended.
    last_error: watch::Sender<Option<SharedCacheError>>,
    tasks: Vec<JoinHandle<Result<(), Error>>>,
}

impl Connections {
    pub(super) fn open(config: &RedisConfig, database: u16) -> Result<Self, RedisConfigError> {
        let settings = config.client(database)?;
        let connect_timeout = config.connect_timeout;
        let links: Vec<_> = (0..config.pool_size)
            .map(|_| Link {
                client: Client::new(
                    settings.server.clone(),
                    Some(settings.performance.clone()),
                    Some(settings.connection.clone()),
                    Some(settings.policy.clone()),
                ),
                silent_since: Arc::default(),
            })
            .collect();
        let last_error = watch::Sender::new(None);
        let announced = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for Link { client, .. } in &links {
            let (last_error, told) = (last_error.clone(), Arc::clone(&announced));
            tasks.push(client.on_error(move |(error, _server)| {
                let text = text(&error);
                // Once per outage, not once per attempt: reconnecting goes on for ever.
                if !told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %text, database, "redis connection failed");
                }
                last_error.send_replace(Some(match fault(&error, connect_timeout) {
                    refused @ SharedCacheError::Refused { .. } => refused,
                    _ => SharedCacheError::Unavailable { reason: text },
                }));
                async { Ok(()) }
            }));
            let told = Arc::clone(&announced);
            tasks.push(client.on_reconnect(move |server| {
                if told.swap(false, Ordering::Relaxed) {
                    tracing::info!(%server, database, "redis connected again");
                }
                async { Ok(()) }
            }));
        }
        let pause = config.reconnect_min;
        tasks.extend(links.iter().map(|link| {
            let client = link.client.clone();
            tokio::spawn(async move { match keep_connected(client, pause).await {} })
        }));
        let command_timeout = config.command_timeout;
        Ok(Self {
            links,
            turn: AtomicUsize::new(0),
            database,
            command_timeout,
            last_error,
            tasks,
        })
    }

    pub(super) fn database(&self) -> u16 {
        self.database
    }

    /// One of the clients, for what they know of the server.
    pub(super) fn client(&self) -> Option<&Client> {
        let link = self.links.iter().find(|link| link.client.is_connected());
        link.map(|link| &link.client)
    }

    pub(super) fn is_up(&self) -> bool {
        self.links.iter().any(|link| link.client.is_connected())
    }

    pub(super) fn last_error(&self) -> Option<String> {
        if self.is_up() {
            return None;
        }
        self.last_error.borrow().as_ref().map(|error| match error {
            SharedCacheError::Unavailable { reason }
            | SharedCacheError::Refused { reason }
            | SharedCacheError::Corrupt { reason } => reason.clone(),
            timeout @ SharedCacheError::Timeout { .. } => timeout.to_string(),
        })
    }

    /// Sends one request over the next connection that stands, or says at once why none does.
    ///
    /// Before the first attempt to connect has ended either way, the request waits for it, no
    /// longer than the command timeout. One that a node of a cluster has sent elsewhere is made again:
    /// nobody has carried it out.
    pub(super) async fn ask<T, F>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<T, SharedCacheError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for attempt in 0..REDIRECTIONS {
            match self.ask_once(&request).await {
                Err(error) if is_redirected(&error) => {
                    // The first time the client has learned of a move that is over; then the slot is
                    // under way.
                    if attempt > 0 {
                        sleep(SLOT_PAUSE).await;
                    }
                }
                answer => return answer,
            }
        }
        self.ask_once(&request).await
    }

    async fn ask_once<T, F>(&self, request: impl Fn(Client) -> F) -> Result<T, SharedCacheError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let link = self.next();
        self.connected(&link.client).await?;
        let asked = Asked {
            connections: self,
            link,
            at: Instant::now(),
            answered: false,
        };
        let answer = request(link.client.clone()).await;
        let answer = answer.map_err(|error| fault(&error, self.command_timeout));
        asked.heard(!matches!(answer, Err(SharedCacheError::Timeout { .. })));
        answer
    }

    async fn connected(&self, client: &Client) -> Result<(), SharedCacheError> {
        if client.is_connected() {
            return Ok(());
        }
        let mut failed = self.last_error.subscribe();
        let first = async {
            tokio::select! {
                // A refused connection and the word of it come together: the word is wanted.
                biased;
                failed = failed.wait_for(Option::is_some) => match failed {
                    Ok(error) => error.clone().map_or(Ok(()), Err),
                    Err(_) => Ok(()),
                },
                Ok(()) = client.wait_for_connect() => Ok(()),
            }
        };
        let after = self.command_timeout;
        let in_time = timeout(after, first).await;
        in_time.unwrap_or(Err(SharedCacheError::Timeout { after }))
    }

    /// Asks a silent connection for a sign of life until it gives one, or makes it anew once it has
    /// given none for too long.
    fn watch(&self, link: &Link) {
        // Whoever went away may have done so with the runtime.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (client, silence) = (link.client.clone(), Arc::clone(&link.silent_since));
        let (database, patience) = (self.database, self.patience());
        let last_error = self.last_error.clone();
        runtime.spawn(async move {
            loop {
                let Some(since) = *silence.lock() else {
                    break;
                };
                let error = match client.ping::<Value>(None).await {
                    // A connection that is being made anew keeps its callers waiting, too.
                    Err(error) if *error.kind() == ErrorKind::Timeout && client.is_connected() => {
                        error
                    }
                    _ => break,
                };
                if since.elapsed() >= patience {
                    let reason = format!("no answer for {patience:?}");
                    tracing::warn!(%reason, %error, database, "redis connection made anew");
                    last_error.send_replace(Some(SharedCacheError::Unavailable { reason }));
                    let _ = client.force_reconnection().await;
                    break;
                }
            }
            *silence.lock() = None;
        });
    }

    /// Connects anew what is connected elsewhere; an error when that takes too long.
    pub(super) async fn lead_to(&self, primaries: &[(&str, u16)]) -> Result<(), SharedCacheError> {
        let after = self.command_timeout;
        for Link { client, .. } in &self.links {
            let known = |server: &Server| primaries.contains(&(&*server.host, server.port));
            let open = client.active_connections();
            // One that is not connected finds its way by itself.
            if open.iter().all(known) && (open.is_empty() || open.len() == primaries.len()) {
                continue;
            }
            match timeout(after, client.force_reconnection()).await {
                Ok(connected) => connected.map_err(|error| fault(&error, after))?,
                Err(_) => return Err(SharedCacheError::Timeout { after }),
            }
        }
        Ok(())
    }

    /// The next in turn that stands and answers; else one that stands; else any.
    fn next(&self) -> &Link {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut in_turn =
            (0..self.links.len()).map(|i| &self.links[turn.wrapping_add(i) % self.links.len()]);
        let mut up = in_turn.clone().filter(|link| link.client.is_connected());
        let answers = up.clone().find(|link| link.silent_since.lock().is_none());
        let best = answers.or_else(|| up.next()).or_else(|| in_turn.next());
        best.expect("a pool has at least one connection")
    }

    /// How long a connection may answer nothing.
    fn patience(&self) -> Duration {
        (self.command_timeout * 4).max(Duration::from_secs(2))
    }
}

/// Runs the client for ever. Its own task reconnects by itself, but ends with some errors, and then
/// every command would wait for its timeout. Dropping this closes the connection.
pub(crate) async fn keep_connected(client: Client, pause: Duration) -> Infallible {
    struct AbortOnDrop(ConnectHandle);
    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    loop {
        let mut connection = AbortOnDrop(client.connect());
        let reason = match (&mut connection.0).await {
            Ok(Ok(())) => "it was told to".to_owned(),
            Ok(Err(error)) => text(&error),
            Err(panicked) => panicked.to_string(),
        };
        tracing::warn!(%reason, "the redis client ended, starting it again");
        sleep(pause).await;
    }
}

/// One connection (in a cluster: one per node).
struct Link {
    client: Client,
    /// Since when nothing is heard of it; somebody watches it then.
    silent_since: Arc<Mutex<Option<Instant>>>,
}

/// A request under way. Its caller may go away before its answer comes, and nearly always does
/// before the client's own timeout: that is when silence is noticed.
///
/// The client has a check of its own, but counts from the last *write*: under steady demand it
/// never notices.
struct Asked<'a> {
    connections: &'a Connections,
    link: &'a Link,
    at: Instant,
    answered: bool,
}

impl Asked<'_> {
    fn heard(mut self, answered: bool) {
        self.answered = answered;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut silent_since = self.link.silent_since.lock();
        if self.answered {
            *silent_since = None;
            return;
        }
        // Who is in more of a hurry than that, as a warm is, has not waited long enough to tell.
        let waited = self.at.elapsed() >= self.connections.command_timeout / 2;
        if waited && silent_since.is_none() {
            *silent_since = Some(self.at);
            drop(silent_since);
            self.connections.watch(self.link);
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("database", &self.database)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}
