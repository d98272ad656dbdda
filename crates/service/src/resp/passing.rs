//! Commands that L2 carries out, over the client's own connection.
//!
//! Commands gather and leave together; their answers are passed on in order, each after L1 has been put
//! right for it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::ports::SharedCacheError;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::command::{Command, Effect, Passed};
use super::connection::{Connection, FLUSH_BYTES, Flow, READ_BYTES, Socket, timed_out};
use super::effects::{copied_elsewhere, value_set};
use super::port::Store;
use super::request::Arguments;
use super::upstream::{Awaited, Heard, Upstream};

/// Commands and bytes on their way to L2 at once, for one client.
const PIPELINE: usize = 1_024;
const PIPELINE_BYTES: usize = 256 << 10;

/// A command whose answer may take as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until it comes or the client goes.
    Forever,
}

/// Whose end it is.
pub(super) enum Failure {
    Client(io::Error),
    Upstream(io::Error),
}

impl<'a, S: Socket> Connection<'a, S> {
    /// Passes a command to L2 over this client's own connection.
    pub(super) async fn pass(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        command: Command,
        passed: Passed,
    ) -> io::Result<Flow> {
        if self.state.transaction.is_open() {
            return self.pass_in_transaction(raw, arguments, command).await;
        }
        if !self.ready().await? {
            return Ok(Flow::On);
        }
        let awaited = self.awaited(arguments, command, passed);
        let flow = self.queue_passed(raw, arguments, awaited).await?;
        if passed.waits && flow == Flow::On {
            return self.settle(Some(Wait::Forever)).await;
        }
        Ok(flow)
    }

    /// Queues a command; once too many have gathered, waits for their answers.
    pub(super) async fn queue_passed(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        awaited: Awaited<'a>,
    ) -> io::Result<Flow> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(Flow::On);
        };
        upstream.queue(awaited, |out| arguments.write_to(raw, out));
        if upstream.pending() >= PIPELINE || upstream.unsent() >= PIPELINE_BYTES {
            return self.settle(None).await;
        }
        Ok(Flow::On)
    }

    /// What is to be known when the answer comes. The keys' reads that are under way are fenced
    /// from here on.
    pub(super) fn awaited(
        &self,
        arguments: Arguments<'_>,
        command: Command,
        passed: Passed,
    ) -> Awaited<'a> {
        let port = self.port;
        let database = self.state.database;
        let elsewhere = copied_elsewhere(arguments);
        let announced: Vec<_> = command
            .written_keys(arguments)
            .map(|key| (key, database))
            .chain(elsewhere)
            .map(|(key, database)| port.key(key, database))
            .filter(|key| port.core.may_cache(key))
            .map(|key| port.core.engine.announce_write(key))
            .collect();
        Awaited {
            sets: match passed.effect {
                Effect::Sets if !announced.is_empty() => value_set(arguments),
                _ => None,
            },
            announced,
            uncertain: passed.effect == Effect::Uncertain,
            flushes: passed.effect == Effect::Flushes,
            is_exec: false,
            at: port.core.clock.now(),
        }
    }

    /// Makes sure that there is a connection to L2; false when there is none, and the client has
    /// been told.
    pub(super) async fn ready(&mut self) -> io::Result<bool> {
        let Store::Redis(store) = &self.port.store else {
            return Ok(false);
        };
        let idle = self.pending() == 0 && !self.state.transaction.is_pinned();
        if idle && self.upstream.as_mut().is_some_and(Upstream::is_closed) {
            self.upstream = None;
        }
        if self.upstream.is_some() {
            return Ok(true);
        }
        match store.dial(&self.state.greeting()).await {
            Ok(stream) => {
                self.upstream = Some(Upstream::new(stream));
                Ok(true)
            }
            Err(error) => {
                self.l2_error(&error);
                Ok(false)
            }
        }
    }

    /// Says what went wrong with L2, in words that a client shows to people.
    pub(super) fn l2_error(&mut self, error: &SharedCacheError) {
        let text = match error {
            SharedCacheError::Refused { reason } if has_code(reason) => reason.clone(),
            error => format!("ERR {error}"),
        };
        self.reply().error(&text);
    }

    /// Sends what waits for L2 and passes on every answer. Commands that wait by themselves have
    /// no limit, but end when their client goes away.
    pub(super) async fn settle(&mut self, wait: Option<Wait>) -> io::Result<Flow> {
        if self.pending() == 0 {
            return Ok(Flow::On);
        }
        match self.pass_answers(wait).await {
            Ok(flow) => Ok(flow),
            Err(Failure::Client(error)) => Err(error),
            Err(Failure::Upstream(error)) => self.lost_upstream(&error),
        }
    }

    async fn pass_answers(&mut self, wait: Option<Wait>) -> Result<Flow, Failure> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(Flow::On);
        };
        let limit = self.port.limits.command;
        let sent = timeout(limit, upstream.send()).await;
        sent.map_err(|_| timed_out())
            .and_then(|sent| sent)
            .map_err(Failure::Upstream)?;
        loop {
            let Some(upstream) = &mut self.upstream else {
                return Ok(Flow::On);
            };
            let core = &self.port.core;
            let passed = upstream.pass(&mut self.out, core);
            match passed.map_err(Failure::Upstream)? {
                Heard::Reply if upstream.pending() == 0 => return Ok(Flow::On),
                Heard::Reply => {}
                Heard::Partial => {
                    if self.out.len() > FLUSH_BYTES {
                        self.flush().await.map_err(Failure::Client)?;
                    }
                    self.hear(wait, limit).await?;
                }
            }
        }
    }

    /// Waits for L2 to say more, and for a command without a limit also for the client's end.
    async fn hear(&mut self, wait: Option<Wait>, limit: Duration) -> Result<(), Failure> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(());
        };
        if wait.is_none() {
            let heard = timeout(limit, upstream.read()).await;
            let heard = heard.map_err(|_| timed_out()).and_then(|heard| heard);
            return heard.map_err(Failure::Upstream);
        }
        while !self.hear_either().await? {}
        Ok(())
    }

    /// Waits until either side says something; whether it was L2.
    pub(super) async fn hear_either(&mut self) -> Result<bool, Failure> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(true);
        };
        // Past this the client must wait for its answer before it is read again.
        let room = self.input.len() < self.port.limits.max_request_bytes;
        self.input.reserve(READ_BYTES);
        tokio::select! {
            biased;
            heard = upstream.read() => heard.map(|()| true).map_err(Failure::Upstream),
            said = self.socket.read_buf(&mut self.input), if room => match said {
                Ok(0) => Err(Failure::Client(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => Ok(false),
                Err(error) => Err(Failure::Client(error)),
            },
        }
    }

    /// Every command that waits is told; a transaction or subscription that is gone ends the
    /// connection, as it would with L2 itself.
    pub(super) fn lost_upstream(&mut self, error: &io::Error) -> io::Result<Flow> {
        let Some(upstream) = self.upstream.take() else {
            return Ok(Flow::On);
        };
        if upstream.is_midway() {
            // Half an answer is with the client: nothing that follows could be understood.
            return Ok(Flow::Close);
        }
        let text = match error.kind() {
            io::ErrorKind::TimedOut => format!(
                "ERR no answer from the shared cache within {:?}; whether it took the command is \
                 unknown",
                self.port.limits.command
            ),
            _ => "ERR the connection to the shared cache was lost; whether it took the command is \
                  unknown"
                .to_owned(),
        };
        for _ in 0..upstream.pending() {
            self.reply().error(&text);
        }
        drop(upstream);
        let pinned = self.state.transaction.is_pinned();
        Ok(if pinned { Flow::Close } else { Flow::On })
    }
}

/// Whether the text begins with a code of Redis' own, such as `WRONGTYPE`.
fn has_code(text: &str) -> bool {
    let code = text.split(' ').next().unwrap_or_default();
    code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
