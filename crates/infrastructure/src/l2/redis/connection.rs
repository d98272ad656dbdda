//! The connections of one database, and what is known about their state.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forewarm_application::ports::SharedCacheError;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::config::{RedisConfig, RedisConfigError};
use super::fault::{fault, text};

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
                silent_since: Mutex::new(None),
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
        tasks.extend(links.iter().map(|link| link.client.connect()));
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
    /// longer than the command timeout.
    pub(super) async fn ask<T, F>(
        &self,
        request: impl FnOnce(Client) -> F,
    ) -> Result<T, SharedCacheError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let link = self.next();
        self.connected(&link.client).await?;
        let answer = request(link.client.clone()).await;
        let answer = answer.map_err(|error| fault(&error, self.command_timeout));
        let silent = matches!(answer, Err(SharedCacheError::Timeout { .. }));
        if link.gives_up(silent, self.patience()) {
            self.connect_anew(link);
        }
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

    fn connect_anew(&self, link: &Link) {
        let reason = format!("no answer for {:?}", self.patience());
        tracing::warn!(%reason, database = self.database, "redis connection made anew");
        self.last_error
            .send_replace(Some(SharedCacheError::Unavailable { reason }));
        let client = link.client.clone();
        tokio::spawn(async move { client.force_reconnection().await });
    }

    /// Connects anew what is connected elsewhere; an error when that takes too long.
    pub(super) async fn lead_to(&self, host: &str, port: u16) -> Result<(), SharedCacheError> {
        let after = self.command_timeout;
        for Link { client, .. } in &self.links {
            let there = |server: &Server| server.host == host && server.port == port;
            if client.active_connections().iter().all(there) {
                continue;
            }
            match timeout(after, client.force_reconnection()).await {
                Ok(connected) => connected.map_err(|error| fault(&error, after))?,
                Err(_) => return Err(SharedCacheError::Timeout { after }),
            }
        }
        Ok(())
    }

    fn next(&self) -> &Link {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            (0..self.links.len()).map(|i| &self.links[turn.wrapping_add(i) % self.links.len()]);
        let up = in_turn.clone().find(|link| link.client.is_connected());
        up.unwrap_or(&self.links[turn % self.links.len()])
    }

    /// How long a connection may answer nothing.
    fn patience(&self) -> Duration {
        (self.command_timeout * 4).max(Duration::from_secs(2))
    }
}

/// One connection (in a cluster: one per node).
struct Link {
    client: Client,
    /// The first timeout since the last answer.
    silent_since: Mutex<Option<Instant>>,
}

impl Link {
    /// Notes an answer or its absence: true when the silence has lasted too long, once.
    ///
    /// The client has a check of its own, but counts from the last *write*: under steady
    /// demand it never notices.
    fn gives_up(&self, silent: bool, patience: Duration) -> bool {
        let mut since = self.silent_since.lock();
        if !silent {
            *since = None;
            return false;
        }
        let now = Instant::now();
        let too_long = since.is_some_and(|since| now - since >= patience);
        *since = if too_long { None } else { since.or(Some(now)) };
        too_long
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
