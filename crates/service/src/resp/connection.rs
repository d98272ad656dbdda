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
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::command::{Command, Session, find};
use super::port::{Port, Store};
use super::reply::Reply;
use super::request::{Arguments, Limits, Parser, Progress};
use super::state::State;
use super::transaction::is_local;
use super::upstream::Upstream;

/// Room for what one read brings.
pub(super) const READ_BYTES: usize = 16 << 10;
/// Replies are sent when so many bytes have gathered, even if more commands wait.
pub(super) const FLUSH_BYTES: usize = 64 << 10;
/// A buffer that has grown past this is given back once it is empty.
const KEEP_BYTES: usize = 64 << 10;

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
        self.push_out().await?;
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

    /// What a socket keeps back (TLS does, where the system takes no more) goes out too.
    async fn push_out(&mut self) -> io::Result<()> {
        let socket = &mut self.socket;
        let at_once = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut *socket).poll_flush(context) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            })
        });
        match at_once.await {
            Some(done) => done,
            None => timeout(self.port.limits.slow_reader, socket.flush())
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
            if transaction.is_open() && !is_local(command) || transaction.watching && is_read {
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
}

pub(super) fn timed_out() -> io::Error {
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
