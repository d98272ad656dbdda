//! What a connection remembers between commands.

use bytes::Bytes;
use forewarm_domain::Key;
use forewarm_infrastructure::l2::Greeting;

use super::command::{Command, Effect};
use super::port::Port;
use super::reply::Protocol;
use super::request::{Arguments, number};

/// Keys of one transaction that are remembered singly; past it, all of L1 is taken to be changed.
const MAX_TRANSACTION_KEYS: usize = 65_536;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct State {
    pub(super) id: u64,
    pub(super) authenticated: bool,
    pub(super) protocol: Protocol,
    pub(super) database: u16,
    pub(super) name: Option<Bytes>,
    /// `CLIENT SETINFO`.
    pub(super) library: [Option<Bytes>; 2],
    pub(super) transaction: Queued,
}

impl State {
    pub(super) fn new(port: &Port) -> Self {
        Self {
            id: port.next_id(),
            authenticated: port.password.is_none(),
            protocol: Protocol::Resp2,
            database: port.core.codec.database(),
            name: None,
            library: [None, None],
            transaction: Queued::default(),
        }
    }

    /// Whether L1 may answer: nobody has to log in first, and no transaction wants L2's own word.
    pub(super) fn reads_from_l1(&self) -> bool {
        self.authenticated && !self.transaction.is_pinned()
    }

    /// How a connection to L2 must be greeted to stand in for this one.
    pub(super) fn greeting(&self) -> Greeting {
        Greeting {
            database: self.database,
            resp3: self.protocol == Protocol::Resp3,
            name: self.name.clone(),
        }
    }
}

/// A transaction under way.
#[derive(Debug, Default)]
pub(super) struct Queued {
    open: bool,
    /// Keys are watched.
    pub(super) watching: bool,
    /// The database that a queued SELECT leads to.
    pub(super) database: Option<u16>,
    /// What EXEC may write.
    pub(super) keys: Vec<Key>,
    /// It may empty L2, or writes more keys than are remembered.
    pub(super) flushes: bool,
}

impl Queued {
    /// Between MULTI and EXEC.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Between MULTI or WATCH and the end.
    pub(super) fn is_pinned(&self) -> bool {
        self.open || self.watching
    }

    pub(super) fn begin(&mut self) {
        self.open = true;
    }

    /// Takes note of a queued SELECT.
    pub(super) fn select(&mut self, arguments: Arguments<'_>) {
        let index = arguments.get(1).and_then(number);
        if let Some(index) = index.and_then(|index| u16::try_from(index).ok()) {
            self.database = Some(index);
        }
    }

    /// Takes note of a queued command.
    pub(super) fn queue(&mut self, keys: impl Iterator<Item = Key>, command: Command) {
        if let Command::Passed(passed) = command {
            self.flushes |= passed.effect == Effect::Flushes;
        }
        self.keys.extend(keys);
        if self.keys.len() > MAX_TRANSACTION_KEYS {
            self.keys = Vec::new();
            self.flushes = true;
        }
    }

    /// EXEC or DISCARD: what was queued, and a clean slate.
    pub(super) fn end(&mut self) -> Self {
        std::mem::take(self)
    }
}
