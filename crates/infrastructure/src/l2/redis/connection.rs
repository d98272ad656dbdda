//! The connections of one database, and what is known about their state.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forewarm_application::ports::SharedCacheError;
use fred::clients::{Client, Pool};
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::config::{RedisConfig, RedisConfigError};
use super::fault::fault;

/// Connections that make and heal themselves. Dropping closes them.
pub(super) struct Connections {
    pool: Pool,
    database: u16,
    command_timeout: Duration,
    last_error: Arc<Mutex<Option<String>>>,
    tasks: Vec<JoinHandle<Result<(), Error>>>,
}

impl Connections {
    pub(super) fn open(config: &RedisConfig, database: u16) -> Result<Self, RedisConfigError> {
        let settings = config.client(database)?;
        let pool = Pool::new(
            settings.server,
            Some(settings.performance),
            Some(settings.connection),
            Some(settings.policy),
            config.pool_size,
        )
        .map_err(|error| RedisConfigError::Url {
            url: config.shown_url(),
            reason: error.details().to_owned(),
        })?;
        let last_error = Arc::new(Mutex::new(None));
        let announced = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for client in pool.clients() {
            let (last_error, told) = (Arc::clone(&last_error), Arc::clone(&announced));
            tasks.push(client.on_error(move |(error, _server)| {
                let text = error.details().to_owned();
                // Once per outage, not once per attempt: reconnecting goes on for ever.
                if !told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %text, database, "redis connection failed");
                }
                *last_error.lock() = Some(text);
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
        tasks.extend(pool.connect_pool());
        let command_timeout = config.command_timeout;
        Ok(Self {
            pool,
            database,
            command_timeout,
            last_error,
            tasks,
        })
    }

    pub(super) fn database(&self) -> u16 {
        self.database
    }

    pub(super) fn is_up(&self) -> bool {
        self.pool
            .clients()
            .iter()
            .any(|client| client.is_connected())
    }

    pub(super) fn last_error(&self) -> Option<String> {
        if self.is_up() {
            return None;
        }
        self.last_error.lock().clone()
    }

    /// A connected client, or at once the reason why there is none.
    ///
    /// Before the first attempt has ended either way, a client whose commands wait for it (no
    /// longer than the command timeout).
    pub(super) fn client(&self) -> Result<&Client, SharedCacheError> {
        let client = self.pool.next_connected();
        if !client.is_connected()
            && let Some(reason) = self.last_error.lock().clone()
        {
            return Err(SharedCacheError::Unavailable { reason });
        }
        Ok(client)
    }

    pub(super) fn fault(&self, error: &Error) -> SharedCacheError {
        fault(error, self.command_timeout)
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
