//! A client's own connection to L2, and what it is waiting for there.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use forewarm_application::engine::{Announced, Written};
use forewarm_application::ports::Stored;
use forewarm_domain::Timestamp;
use forewarm_infrastructure::tls::Link;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::Scanner;
use crate::core::Core;

/// Room for what one read brings.
const READ_BYTES: usize = 16 << 10;

/// A command that was sent and not answered.
#[derive(Debug)]
pub(super) struct Awaited<'a> {
    /// The keys that it may write.
    pub(super) announced: Vec<Announced<'a>>,
    /// What the first of them holds afterwards, if the answer is `+OK`.
    pub(super) sets: Option<Stored>,
    /// It may have written even if it fails.
    pub(super) uncertain: bool,
    /// It empties L1.
    pub(super) flushes: bool,
    /// Its answer is an array or, where nothing was done, nothing.
    pub(super) is_exec: bool,
    /// When it was sent.
    pub(super) at: Timestamp,
}

impl Awaited<'_> {
    /// A command that writes nothing.
    pub(super) fn read(at: Timestamp) -> Self {
        Self {
            announced: Vec::new(),
            sets: None,
            uncertain: false,
            flushes: false,
            is_exec: false,
            at,
        }
    }

    /// Puts L1 right, before the client hears of the answer that begins with `head`.
    fn end(self, head: &[u8], core: &Core) {
        let failed = head.first() == Some(&b'-');
        if self.flushes && !failed {
            core.engine.flush();
        }
        let nothing =
            failed && !self.uncertain || self.is_exec && matches!(head, b"*-1" | b"_" | b"$-1");
        let sets = self.sets.filter(|_| head == b"+OK");
        let began = core.tracking_begins(self.announced.first().map(Announced::key));
        let changed = self.announced.len();
        let mut announced = self.announced.into_iter();
        if let Some(stored) = sets
            && let Some(first) = announced.next()
        {
            first.end(Written::Value(stored), self.at);
        }
        for one in announced {
            let written = if nothing {
                Written::Nothing
            } else {
                Written::Changed
            };
            one.end(written, self.at);
        }
        if let Some(began) = began {
            core.tracking_ends(began, changed);
        }
    }
}

/// What a reply was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A whole reply has been passed on.
    Reply,
    /// More must be read.
    Partial,
}

/// A connection to L2 that belongs to one client.
#[derive(Debug)]
pub(super) struct Upstream<'a> {
    stream: Link,
    heard: BytesMut,
    scanner: Scanner,
    /// The line that heads the reply under way.
    head: Vec<u8>,
    unsent: Vec<u8>,
    waiting: VecDeque<Awaited<'a>>,
}

impl<'a> Upstream<'a> {
    pub(super) fn new(stream: Link) -> Self {
        Self {
            stream,
            heard: BytesMut::new(),
            scanner: Scanner::default(),
            head: Vec::new(),
            unsent: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether L2 has closed it while nothing was asked.
    pub(super) fn is_closed(&mut self) -> bool {
        self.stream.is_closed()
    }

    /// Whether half of an answer has been passed on.
    pub(super) fn is_midway(&self) -> bool {
        self.scanner.is_midway()
    }

    /// Commands that have no answer yet.
    pub(super) fn pending(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that have not been sent yet.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Takes a command to be sent with the next [`send`](Self::send).
    pub(super) fn queue(&mut self, awaited: Awaited<'a>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.unsent);
        self.waiting.push_back(awaited);
    }

    /// Takes bytes that get no answer of their own (subscriptions).
    pub(super) fn queue_unanswered(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.unsent);
    }

    /// Sends what was queued.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let sent = match self.stream.write_all(&self.unsent).await {
            Ok(()) => self.stream.flush().await,
            failed => failed,
        };
        self.unsent.clear();
        if self.unsent.capacity() > 4 * READ_BYTES {
            self.unsent = Vec::new();
        }
        sent
    }

    /// Waits for bytes; an end of the connection is an error. May be dropped at any time.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        self.heard.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.heard).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Passes on what has been heard of the answer to the first command that waits. L1 is put
    /// right before the first byte of it reaches `out`.
    pub(super) fn pass(&mut self, out: &mut Vec<u8>, core: &Core) -> io::Result<Heard> {
        if self.heard.is_empty() {
            return Ok(Heard::Partial);
        }
        let begins = !self.scanner.is_midway();
        if begins && let Some(awaited) = self.begin()? {
            awaited.end(&self.head, core);
        } else if begins {
            return Ok(Heard::Partial);
        }
        let seen = self.scanner.advance(&self.heard).map_err(no_reply)?;
        out.extend_from_slice(&self.heard[..seen.taken]);
        self.heard.advance(seen.taken);
        if !seen.whole {
            return Ok(Heard::Partial);
        }
        self.scanner = Scanner::default();
        Ok(Heard::Reply)
    }

    /// Once the line that heads a reply is there: the command that it answers.
    fn begin(&mut self) -> io::Result<Option<Awaited<'a>>> {
        let Some(length) = memchr::memmem::find(&self.heard, b"\r\n") else {
            return Ok(None);
        };
        self.head.clear();
        self.head.extend_from_slice(&self.heard[..length.min(64)]);
        let awaited = self.waiting.pop_front();
        awaited.map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer that nobody asked for",
            )
        })
    }

    /// The next whole reply or message as bytes of its own, answers to commands told apart by
    /// `is_message`. For connections with subscriptions.
    pub(super) fn take(
        &mut self,
        core: &Core,
        is_message: impl FnOnce(&[u8]) -> bool,
    ) -> io::Result<Option<Bytes>> {
        let mut scanner = Scanner::default();
        let seen = scanner.advance(&self.heard).map_err(no_reply)?;
        if !seen.whole {
            return Ok(None);
        }
        let whole = self.heard.split_to(seen.taken).freeze();
        if !is_message(&whole)
            && let Some(awaited) = self.waiting.pop_front()
        {
            let length = memchr::memmem::find(&whole, b"\r\n").unwrap_or(0);
            awaited.end(&whole[..length], core);
        }
        Ok(Some(whole))
    }
}

fn no_reply(error: super::frame::NoReply) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
