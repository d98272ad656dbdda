//! Connections with subscriptions: both sides may speak at any time.
//!
//! From the first SUBSCRIBE on everything but a few words about the connection is passed on, one
//! command after the other, and what L2 says is passed back as it comes. With the last
//! subscription gone the connection is an ordinary one again.

use std::io;
use std::mem;

use bytes::{Buf, Bytes};

use super::command::{Command, Passed, Session, Subscription, Transaction, find};
use super::connection::{Connection, Flow, Socket};
use super::frame::texts;
use super::passing::Failure;
use super::request::{Arguments, Parser, Progress};
use super::upstream::Awaited;

/// What a connection is subscribed to, as L2 has confirmed it.
#[derive(Debug, Default)]
struct Subscriptions {
    /// Channels and patterns; then those of shards, which are counted apart.
    held: [i64; 2],
    /// Confirmations that are still to come.
    expected: usize,
}

impl Subscriptions {
    fn is_over(&self) -> bool {
        self.held == [0, 0] && self.expected == 0
    }

    /// A command that changes them is on its way.
    fn expect(&mut self, arguments: Arguments<'_>, subscription: Subscription) {
        self.expected += match (subscription, arguments.len()) {
            // Of everything: one confirmation at least; the last says that none is left.
            (Subscription::Unsubscribe, 1) => 1,
            (_, words) => words - 1,
        };
    }

    /// Whether this is a message or a confirmation and no answer to a command.
    fn hear(&mut self, reply: &[u8]) -> bool {
        let Some(texts) = texts(reply) else {
            return reply.starts_with(b">");
        };
        let kind = texts.first().copied().unwrap_or_default();
        match kind {
            b"message" | b"pmessage" | b"smessage" => true,
            b"subscribe" | b"psubscribe" | b"unsubscribe" | b"punsubscribe" | b"ssubscribe"
            | b"sunsubscribe" => {
                let left = texts.get(2).copied().and_then(super::request::number);
                let shard = usize::from(kind.starts_with(b"ss") || kind.starts_with(b"sun"));
                self.held[shard] = left.unwrap_or(0);
                self.expected = self.expected.saturating_sub(1);
                true
            }
            _ => reply.starts_with(b">"),
        }
    }
}

impl<S: Socket> Connection<'_, S> {
    /// Subscribes, and stays until nothing is subscribed any more.
    pub(super) async fn relay(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
    ) -> io::Result<Flow> {
        if !self.ready().await? {
            return Ok(Flow::On);
        }
        let mut subscriptions = Subscriptions::default();
        let mut parser = Parser::default();
        self.subscribe(raw, arguments, &mut subscriptions);
        loop {
            if let Err(failure) = self.exchange(&mut subscriptions).await {
                return match failure {
                    Failure::Client(error) => Err(error),
                    // A direct client would lose its connection and subscribe anew.
                    Failure::Upstream(_) => Ok(Flow::Close),
                };
            }
            while self.pending() == 0 {
                if subscriptions.is_over() {
                    return Ok(Flow::On);
                }
                let limits = super::request::Limits {
                    max_request_bytes: self.port.limits.max_request_bytes,
                    trusted: true,
                };
                match parser.parse(&self.input, limits) {
                    Ok(Progress::Partial) => break,
                    Ok(Progress::Nothing { end }) => self.input.advance(end),
                    Ok(Progress::Command { end }) => {
                        let raw = self.input.split_to(end).freeze();
                        let taken = mem::take(&mut parser);
                        let flow = self.relayed(&raw, taken.arguments(&raw), &mut subscriptions);
                        parser = taken;
                        if let Some(flow) = flow {
                            return Ok(flow);
                        }
                    }
                    Err(error) => {
                        self.reply().error(&format!("ERR Protocol error: {error}"));
                        return Ok(Flow::Close);
                    }
                }
            }
        }
    }

    fn subscribe(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        subscriptions: &mut Subscriptions,
    ) {
        let Command::Subscription(subscription) = find(arguments.get(0).unwrap_or_default()) else {
            return;
        };
        let at = self.port.core.clock.now();
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        if arguments.len() == 1 && subscription == Subscription::Subscribe {
            // An error is what it gets.
            upstream.queue(Awaited::read(at), |out| arguments.write_to(raw, out));
        } else {
            subscriptions.expect(arguments, subscription);
            upstream.queue_unanswered(|out| arguments.write_to(raw, out));
        }
    }

    /// One command of a subscribed client; how the connection goes on if it leaves this mode.
    fn relayed(
        &mut self,
        raw: &Bytes,
        arguments: Arguments<'_>,
        subscriptions: &mut Subscriptions,
    ) -> Option<Flow> {
        let name = arguments.get(0).unwrap_or_default();
        let command = find(name);
        let refused = match command {
            Command::Session(Session::Quit) => {
                self.reply().ok();
                return Some(Flow::Close);
            }
            Command::Session(Session::Reset) => {
                self.upstream = None;
                let id = self.state.id;
                self.state = super::state::State {
                    id,
                    ..super::state::State::new(self.port)
                };
                self.reply().simple("RESET");
                return Some(Flow::On);
            }
            Command::Subscription(_) => {
                self.subscribe(raw, arguments, subscriptions);
                return None;
            }
            Command::Session(
                Session::Auth | Session::Hello | Session::Client | Session::Select,
            )
            | Command::Transaction(
                Transaction::Multi | Transaction::Exec | Transaction::Discard | Transaction::Watch,
            )
            | Command::Own(_)
            | Command::Refused => true,
            _ => false,
        };
        if refused {
            let text = format!(
                "ERR {} is not available through Forewarm while subscribed",
                String::from_utf8_lossy(name).to_uppercase()
            );
            self.reply().error(&text);
            return None;
        }
        let passed = match command {
            Command::Passed(passed) => passed,
            _ => Passed {
                keys: super::command::Keys::None,
                effect: super::command::Effect::None,
                waits: false,
            },
        };
        let awaited = self.awaited(arguments, command, passed);
        if let Some(upstream) = &mut self.upstream {
            upstream.queue(awaited, |out| arguments.write_to(raw, out));
        }
        None
    }

    /// Sends what is to be sent either way, then waits until either side says something and passes
    /// on what L2 has said.
    async fn exchange(&mut self, subscriptions: &mut Subscriptions) -> Result<(), Failure> {
        self.flush().await.map_err(Failure::Client)?;
        let slow = self.port.limits.slow_reader;
        let Some(upstream) = &mut self.upstream else {
            return Err(Failure::Upstream(io::ErrorKind::NotConnected.into()));
        };
        let sent = tokio::time::timeout(slow, upstream.send()).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(Failure::Upstream)?;
        self.hear_either().await?;
        let core = &self.port.core;
        loop {
            let Some(upstream) = &mut self.upstream else {
                return Ok(());
            };
            let taken = upstream.take(core, |reply| subscriptions.hear(reply));
            match taken.map_err(Failure::Upstream)? {
                Some(reply) => self.out.extend_from_slice(&reply),
                None => break,
            }
            if self.out.len() > super::connection::FLUSH_BYTES {
                self.flush().await.map_err(Failure::Client)?;
            }
        }
        self.flush().await.map_err(Failure::Client)
    }
}
