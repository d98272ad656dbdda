//! One client: reads what it sends, answers in order, one write for all that came together.
//!
//! A run of GETs that L1 can answer never leaves [`Connection::answer_hits`]: no task is woken, no
//! timer armed, nothing locked but a shard of L1. Everything else takes the way of
//! [`Connection::execute`].

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use forewarm_application::ports::SharedCacheError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::command::{Command, Effect, Passed, Session, Transaction, find};
use super::port::{Port, Store};
use super::reply::Reply;
use super::request::{Arguments, Limits, Parser, Progress};
use super::state::State;
use super::upstream::{Awaited, Heard, Upstream};

/// Room for what one read brings.
const READ_BYTES: usize = 16 << 10;
/// Replies are sent when so many bytes have gathered, even if more commands wait.
pub(super) const FLUSH_BYTES: usize = 64 << 10;
/// A buffer that has grown past this is given back once it is empty.
const KEEP_BYTES: usize = 64 << 10;
/// Commands and bytes on their way to L2 at once, for one client.
const PIPELINE: usize = 1_024;
const PIPELINE_BYTES: usize = 256 << 10;

/// What clients are connected through.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It does.
    On,
    /// What was said is sent, then it ends.
    Close,
}

/// One client.
pub(super) struct Connection<'a, S> {
    pub(super) port: &'a Port,
    pub(super) socket: S,
    pub(super) input: BytesMut,
    pub(super) out: Vec<u8>,
    parser: Parser,
    pub(super) state: State,
    pub(super) upstream: Option<Upstream<'a>>,
    /// Look-ups so far: one in so many is timed.
    pub(super) turn: u32,
}

impl<'a, S: Socket> Connection<'a, S> {
    pub(super) fn new(port: &'a Port, socket: S) -> Self {
        Self {
            state: State::new(port),
            port,
            socket,
            input: BytesMut::with_capacity(READ_BYTES),
            out: Vec::with_capacity(READ_BYTES),
            parser: Parser::default(),
            upstream: None,
            turn: 0,
        }
    }

    /// Serves it to its end. An error is the client's going away, or its being too slow.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        while self.read().await? {
            let busy = self.port.busy();
            let flow = self.answer_all().await?;
            self.flush().await?;
            drop(busy);
            if flow == Flow::Close || self.port.is_stopping() {
                break;
            }
        }
        let _ = timeout(Duration::from_secs(1), self.socket.shutdown()).await;
        Ok(())
    }

    /// Reads more of what the client sends; false at its end. Half a command may wait for its
    /// other half only so long.
    async fn read(&mut self) -> io::Result<bool> {
        if self.input.is_empty() && self.input.capacity() > KEEP_BYTES {
            self.input = BytesMut::with_capacity(READ_BYTES);
        }
        // Grows with what has come, not with what was announced.
        self.input.reserve(READ_BYTES.max(self.input.len() / 2));
        let idle = self.input.is_empty();
        let read = self.socket.read_buf(&mut self.input);
        if idle {
            return Ok(read.await? > 0);
        }
        let limit = self.port.limits.half_command;
        timeout(limit, read)
            .await
            .map_err(|_| timed_out())?
            .map(|read| read > 0)
    }

    /// Sends what was said. A client that takes nothing for too long is left.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        while sent < self.out.len() {
            let took = self.write_some(sent).await?;
            if took == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            sent += took;
        }
        self.out.clear();
        if self.out.capacity() > 4 * KEEP_BYTES {
            self.out = Vec::with_capacity(READ_BYTES);
        }
        Ok(())
    }

    /// Writes what the socket takes. The first attempt nearly always succeeds and needs no timer.
    async fn write_some(&mut self, from: usize) -> io::Result<usize> {
        let (socket, bytes) = (&mut self.socket, &self.out[from..]);
        let at_once = poll_fn(|context| {
            let written = Pin::new(&mut *socket).poll_write(context, bytes);
            Poll::Ready(match written {
                Poll::Ready(took) => Some(took),
                Poll::Pending => None,
            })
        });
        match at_once.await {
            Some(took) => took,
            None => timeout(self.port.limits.slow_reader, socket.write(bytes))
                .await
                .map_err(|_| timed_out())?,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            max_request_bytes: self.port.limits.max_request_bytes,
            trusted: self.state.authenticated,
        }
    }

    /// Answers every whole command that has come.
    async fn answer_all(&mut self) -> io::Result<Flow> {
        loop {
            if self.may_answer_hits() && self.answer_hits().await? == Flow::Close {
                return Ok(Flow::Close);
            }
            match self.parser.parse(&self.input, self.limits()) {
                Ok(Progress::Partial) => break,
                Ok(Progress::Nothing { end }) => self.input.advance(end),
                Ok(Progress::Command { end }) => {
                    let raw = self.input.split_to(end).freeze();
                    let parser = mem::take(&mut self.parser);
                    let flow = self.execute(&raw, parser.arguments(&raw)).await?;
                    self.parser = parser;
                    if flow == Flow::Close {
                        self.settle(None).await?;
                        return Ok(flow);
                    }
                }
                Err(error) => {
                    self.settle(None).await?;
                    self.reply().error(&format!("ERR Protocol error: {error}"));
                    return Ok(Flow::Close);
                }
            }
            if self.out.len() > FLUSH_BYTES {
                self.flush().await?;
            }
        }
        self.settle(None).await
    }

    /// GETs may be answered before anything else is asked: the client is known, nothing of an
    /// earlier command is under way, and no transaction wants L2's own word.
    fn may_answer_hits(&self) -> bool {
        !self.parser.is_midway() && self.state.reads_from_l1() && self.pending() == 0
    }

    pub(super) fn pending(&self) -> usize {
        self.upstream.as_ref().map_or(0, Upstream::pending)
    }

    pub(super) fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.out, self.state.protocol)
    }

    /// One command. Commands for L2 may stay under way when it returns; all others find none.
    pub(super) async fn execute(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
    ) -> io::Result<Flow> {
        let name = arguments.get(0).unwrap_or_default();
        let command = find(name);
        if is_http(name) {
            return Ok(Flow::Close);
        }
        if !self.state.authenticated && !is_open(command) {
            self.reply().error("NOAUTH Authentication required.");
            return Ok(Flow::On);
        }
        if let Store::Redis(_) = self.port.store {
            if let Command::Passed(passed) = command {
                return self.pass(raw, arguments, command, passed).await;
            }
            let transaction = &self.state.transaction;
            let is_read = matches!(command, Command::Cached(_) | Command::Transaction(_));
            if transaction.is_open() && !is_local_in_transaction(command)
                || transaction.watching && is_read
            {
                return self.pass_in_transaction(raw, arguments, command).await;
            }
        }
        if self.settle(None).await? == Flow::Close {
            return Ok(Flow::Close);
        }
        match command {
            Command::Cached(read) => return self.cached_read(raw, arguments, read).await,
            Command::Session(session) => return self.session(raw, arguments, session).await,
            Command::Own(own) => self.own(arguments, own).await,
            Command::Refused => {
                let text = format!(
                    "ERR {} is not available through Forewarm",
                    String::from_utf8_lossy(name).to_uppercase()
                );
                self.reply().error(&text);
            }
            Command::Transaction(_) if self.is_redis() => {
                return self.pass_in_transaction(raw, arguments, command).await;
            }
            Command::Subscription(_) if self.is_redis() => {
                return self.relay(raw, arguments).await;
            }
            _ => self.embedded(arguments).await,
        }
        Ok(Flow::On)
    }

    pub(super) fn is_redis(&self) -> bool {
        matches!(self.port.store, Store::Redis(_))
    }

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
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(awaited, |out| arguments.write_to(raw, out));
            if passed.waits {
                return self.settle(Some(Wait::Forever)).await;
            }
            if upstream.pending() >= PIPELINE || upstream.unsent() >= PIPELINE_BYTES {
                return self.settle(None).await;
            }
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
        let elsewhere = super::effects::copied_elsewhere(arguments);
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
                Effect::Sets if !announced.is_empty() => super::effects::value_set(arguments),
                _ => None,
            },
            announced,
            uncertain: passed.effect == Effect::Uncertain,
            flushes: passed.effect == Effect::Flushes,
            is_exec: false,
            at: port.core.clock.now(),
        }
    }

    /// Inside MULTI, or after WATCH: L2 hears everything, in order, on one connection.
    async fn pass_in_transaction(
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
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(awaited, |out| arguments.write_to(raw, out));
            if upstream.pending() >= PIPELINE || upstream.unsent() >= PIPELINE_BYTES {
                return self.settle(None).await;
            }
        }
        match selected {
            Some(database) => self.end_in(database).await,
            None => Ok(Flow::On),
        }
    }

    /// A transaction that was carried out has left the connection in another database.
    async fn end_in(&mut self, database: u16) -> io::Result<Flow> {
        self.flush().await?;
        // Only the answer to EXEC begins so: what was queued before it has `+QUEUED`.
        let flow = self.settle(None).await?;
        let answers = self.out.split(|byte| *byte == b'\n');
        let mut arrays = answers.filter(|line| line.starts_with(b"*"));
        if arrays.next().is_some_and(|line| line != b"*-1\r") {
            self.state.database = database;
        }
        Ok(flow)
    }

    /// Makes sure that there is a connection to L2; false when there is none, and the client has
    /// been told.
    pub(super) async fn ready(&mut self) -> io::Result<bool> {
        let Store::Redis(store) = &self.port.store else {
            return Ok(false);
        };
        let idle = self.pending() == 0 && !self.state.transaction.is_pinned();
        if idle && self.upstream.as_ref().is_some_and(Upstream::is_closed) {
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
            let engine = &self.port.core.engine;
            let passed = upstream.pass(&mut self.out, engine);
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

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// What a client may say before it has logged in.
fn is_open(command: Command) -> bool {
    use Session::{Auth, Hello, Quit, Reset};
    matches!(command, Command::Session(Auth | Hello | Quit | Reset))
}

/// A web page that makes a browser send its commands here: the head of the request comes first,
/// and ends it. Redis does the same.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"HOST:")
}

/// What is never part of a transaction.
fn is_local_in_transaction(command: Command) -> bool {
    use Session::{Auth, Hello, Quit, Reset};
    matches!(
        command,
        Command::Session(Auth | Hello | Quit | Reset) | Command::Refused | Command::Own(_)
    )
}

/// Whether the text begins with a code of Redis' own, such as `WRONGTYPE`.
fn has_code(text: &str) -> bool {
    let code = text.split(' ').next().unwrap_or_default();
    code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
