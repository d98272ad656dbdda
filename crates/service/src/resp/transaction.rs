//! Transactions: L2 hears everything, in order, on one connection.

use std::io;

use bytes::Bytes;

use super::command::{Command, Session, Transaction};
use super::connection::{Connection, Flow, Socket};
use super::request::Arguments;
use super::upstream::Awaited;

impl<S: Socket> Connection<'_, S> {
    /// Inside MULTI, or after WATCH: L2 hears everything, in order, on one connection.
    pub(super) async fn pass_in_transaction(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        command: Command,
    ) -> io::Result<Flow> {
        if !self.ready().await? {
            return Ok(Flow::On);
        }
        let core = &self.port.core;
        let mut awaited = Awaited::read(core.clock.now());
        let mut selected = None;
        let transaction = &mut self.state.transaction;
        match command {
            Command::Transaction(Transaction::Exec) if transaction.is_open() => {
                let queued = transaction.end();
                selected = queued.database;
                awaited.is_exec = true;
                awaited.flushes = queued.flushes;
                let keys = queued.keys.into_iter();
                awaited.announced = keys.map(|key| core.engine.announce_write(key)).collect();
            }
            Command::Transaction(Transaction::Discard) if transaction.is_open() => {
                drop(transaction.end());
            }
            Command::Transaction(Transaction::Multi) => transaction.begin(),
            Command::Transaction(Transaction::Watch) if !transaction.is_open() => {
                transaction.watching = true;
            }
            Command::Transaction(Transaction::Unwatch) if !transaction.is_open() => {
                transaction.watching = false;
            }
            Command::Subscription(_) => {
                self.settle(None).await?;
                self.reply().error(
                    "ERR subscribing inside a transaction is not available through Forewarm",
                );
                return Ok(Flow::Close);
            }
            Command::Session(Session::Select) => transaction.select(arguments),
            _ => {
                let database = transaction.database.unwrap_or(self.state.database);
                let keys = command.written_keys(arguments);
                let keys = keys.map(|key| self.port.key(key, database));
                transaction.queue(keys.filter(|key| core.may_cache(key)), command);
            }
        }
        let Some(database) = selected else {
            return self.queue_passed(raw, arguments, awaited).await;
        };
        // The answer tells in which database the connection is now; it must be the only one.
        if self.settle(None).await? == Flow::Close {
            return Ok(Flow::Close);
        }
        self.flush().await?;
        self.queue_passed(raw, arguments, awaited).await?;
        let flow = self.settle(None).await?;
        if self.out.starts_with(b"*") && !self.out.starts_with(b"*-1") {
            self.state.database = database;
        }
        Ok(flow)
    }
}

/// What is never part of a transaction.
pub(super) fn is_local(command: Command) -> bool {
    use Session::{Auth, Hello, Quit, Reset};
    matches!(
        command,
        Command::Session(Auth | Hello | Quit | Reset) | Command::Refused | Command::Own(_)
    )
}
