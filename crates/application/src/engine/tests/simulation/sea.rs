//! L2 as a model: it takes calls up and answers them when the schedule says so, keeps the order of all
//! writes, and tells of them over a link that delivers late, twice or not at all.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forewarm_domain::{Key, Version};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::schedule::{KEYS, Setting};
use crate::ports::{Kept, SharedCache, SharedCacheError, Stored};
use crate::testing::key;

/// A write, in the order in which they were begun. Its text is this number.
pub(super) type Id = u64;
/// The place of a write in the order in which L2 took them; 0 = before all.
pub(super) type Seq = u64;

type Answer = Result<Reply, SharedCacheError>;

#[derive(Debug, Clone)]
enum Reply {
    Values(Vec<Option<Stored>>),
    Written(Kept),
}

#[derive(Debug, Clone)]
enum Ask {
    Values(Vec<u32>),
    Write(u32, Id),
}

struct Call {
    ask: Ask,
    served: Option<Reply>,
    /// Whoever waits for the answer; gone once it was answered or will never be.
    reply: Option<oneshot::Sender<Answer>>,
    lost: bool,
}

impl Call {
    fn is_open(&self) -> bool {
        !self.lost && self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// A read that nobody waits for means nothing any more; a write may still happen.
    fn matters(&self) -> bool {
        let unserved = self.served.is_none() && matches!(self.ask, Ask::Write(..));
        unserved || self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

/// What the link brings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    Opened,
    Changed(u32, Seq),
    /// A proof of life, asked for at this moment.
    Alive(u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    id: Option<Id>,
    seq: Seq,
    /// The latest version that it ever had.
    newest: Id,
}

/// A write that L2 has taken.
#[derive(Debug, Clone, Copy)]
struct Landed {
    key: u32,
    seq: Seq,
    at: u64,
}

pub(super) struct State {
    setting: Setting,
    pub(super) now: u64,
    next_id: Id,
    next_seq: Seq,
    held: [Held; KEYS as usize],
    seqs: HashMap<Id, Seq>,
    landed: Vec<Landed>,
    /// The last moment of each key's absence.
    absent: [Option<Seq>; KEYS as usize],
    calls: Vec<Call>,
    /// Writes that a feed told of before L2 got them.
    behind: Vec<(u32, Id)>,
    /// While somebody listens: what is on its way to them.
    pub(super) link: Option<VecDeque<Message>>,
    /// Keys that callers wrote through this port, and that calls of reads asked for.
    pub(super) asked: u64,
}

impl State {
    pub(super) fn new_id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    /// L2 takes a write, unless it holds a newer version; what became of it.
    pub(super) fn apply(&mut self, n: u32, id: Id) -> Kept {
        let held = &mut self.held[n as usize];
        if self.setting.versions && id <= held.newest {
            self.seqs.insert(id, 0);
            return Kept::Newer;
        }
        self.next_seq += 1;
        (held.id, held.seq, held.newest) = (Some(id), self.next_seq, held.newest.max(id));
        self.seqs.insert(id, self.next_seq);
        self.tell(n);
        Kept::This
    }

    pub(super) fn remove(&mut self, n: u32) {
        self.next_seq += 1;
        let held = &mut self.held[n as usize];
        (held.id, held.seq) = (None, self.next_seq);
        self.absent[n as usize] = Some(self.next_seq);
        self.tell(n);
    }

    fn tell(&mut self, key: u32) {
        let (seq, at) = (self.next_seq, self.now);
        self.landed.push(Landed { key, seq, at });
        if let Some(link) = &mut self.link {
            link.push_back(Message::Changed(key, seq));
        }
    }

    pub(super) fn elsewhere(&mut self, n: u32, ahead: bool) -> Id {
        let id = self.new_id();
        if ahead {
            self.behind.push((n, id));
        } else {
            self.apply(n, id);
        }
        id
    }

    pub(super) fn catch_up(&mut self, at: usize) {
        if !self.behind.is_empty() {
            let at = at % self.behind.len();
            let (n, id) = self.behind.remove(at);
            self.apply(n, id);
        }
    }

    pub(super) fn catch_up_all(&mut self) {
        while !self.behind.is_empty() {
            self.catch_up(0);
        }
    }

    /// When L2 took the write: `None` = not yet, 0 = never, because it had a newer one.
    pub(super) fn seq(&self, id: Id) -> Option<Seq> {
        self.seqs.get(&id).copied()
    }

    /// The latest write of the key.
    pub(super) fn current(&self, n: u32) -> (Option<Id>, Seq) {
        let held = self.held[n as usize];
        (held.id, held.seq)
    }

    pub(super) fn last_absent(&self, n: u32) -> Option<Seq> {
        self.absent[n as usize]
    }

    /// The latest write of the key that was made `bound` ago or longer.
    pub(super) fn due(&self, n: u32, bound: Duration) -> Seq {
        let due =
            |landed: &&Landed| landed.key == n && landed.at + bound.as_millis() as u64 <= self.now;
        let due = self.landed.iter().filter(due);
        due.map(|landed| landed.seq).max().unwrap_or(0)
    }

    fn open(&self, at: usize, unserved: bool) -> Option<usize> {
        let fits = |call: &Call| {
            call.matters() && !(unserved && call.served.is_some()) && (unserved || call.is_open())
        };
        let calls = self.calls.iter().enumerate();
        let open: Vec<usize> = calls
            .filter(|(_, call)| fits(call))
            .map(|(at, _)| at)
            .collect();
        open.get(at.checked_rem(open.len())?).copied()
    }

    /// L2 takes a call up: reads now, or writes now.
    pub(super) fn serve(&mut self, at: usize) {
        if let Some(at) = self.open(at, true) {
            self.serve_call(at);
        }
        self.tidy();
    }

    fn serve_call(&mut self, at: usize) {
        if self.calls[at].served.is_some() {
            return;
        }
        let reply = match self.calls[at].ask.clone() {
            Ask::Values(keys) => Reply::Values(keys.into_iter().map(|n| self.stored(n)).collect()),
            Ask::Write(n, id) => Reply::Written(self.apply(n, id)),
        };
        self.calls[at].served = Some(reply);
    }

    fn stored(&self, n: u32) -> Option<Stored> {
        let id = self.held[n as usize].id?;
        Some(value(id, self.setting.versions))
    }

    /// The answer arrives. With an error, `after` says whether L2 has done what it was asked.
    pub(super) fn answer(&mut self, at: usize, error: Option<bool>) -> bool {
        let Some(at) = self.open(at, false) else {
            return false;
        };
        if error != Some(false) {
            self.serve_call(at);
        }
        let call = &mut self.calls[at];
        let answer = match (error, &call.served) {
            (None, Some(reply)) => Ok(reply.clone()),
            _ => Err(SharedCacheError::Unavailable {
                reason: "by schedule".to_owned(),
            }),
        };
        if error == Some(false) && call.served.is_none() {
            // Refused: it will not happen later either.
            call.ask = Ask::Values(Vec::new());
        }
        if let Some(reply) = call.reply.take() {
            let _ = reply.send(answer);
        }
        self.tidy();
        true
    }

    pub(super) fn lose_answer(&mut self, at: usize) {
        if let Some(at) = self.open(at, false) {
            self.calls[at].lost = true;
        }
    }

    /// Whether somebody waits for an answer that was lost.
    pub(super) fn owes(&self) -> bool {
        let waits = |call: &Call| call.reply.as_ref().is_some_and(|reply| !reply.is_closed());
        self.calls.iter().any(|call| call.lost && waits(call))
    }

    fn tidy(&mut self) {
        self.calls.retain(Call::matters);
    }
}

/// What L2 holds after write `id`.
pub(super) fn value(id: Id, versions: bool) -> Stored {
    Stored {
        value: Bytes::from(id.to_string()),
        version: versions.then_some(Version(id)),
        ttl: None,
    }
}

pub(super) struct Sea(Mutex<State>);

impl Sea {
    /// Two keys of five are not in it.
    pub(super) fn new(setting: Setting, now: u64) -> Self {
        let mut state = State {
            setting,
            now,
            next_id: 0,
            next_seq: 0,
            held: [Held::default(); KEYS as usize],
            seqs: HashMap::new(),
            landed: Vec::new(),
            absent: [Some(0); KEYS as usize],
            calls: Vec::new(),
            behind: Vec::new(),
            link: None,
            asked: 0,
        };
        for n in (0..KEYS).filter(|n| n % 5 < 3) {
            state.elsewhere(n, false);
        }
        Self(Mutex::new(state))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    async fn call(&self, ask: Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.state().calls.push(Call {
            ask,
            served: None,
            reply: Some(reply),
            lost: false,
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }

    /// Somebody's write goes to L2 by another way than [`SharedCache::put`].
    pub(super) async fn write(&self, n: u32, id: Id) -> Result<Kept, SharedCacheError> {
        match self.call(Ask::Write(n, id)).await? {
            Reply::Written(kept) => Ok(kept),
            Reply::Values(_) => unreachable!("a write was asked for"),
        }
    }
}

/// The number of a key made by [`key`].
pub(super) fn number(of: &Key) -> u32 {
    let found = (0..KEYS).find(|n| key(*n).bytes() == of.bytes());
    found.expect("only these keys exist")
}

#[async_trait]
impl SharedCache for Sea {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError> {
        self.state().asked += keys.len() as u64;
        match self
            .call(Ask::Values(keys.iter().map(number).collect()))
            .await?
        {
            Reply::Values(values) => Ok(values),
            Reply::Written(_) => unreachable!("values were asked for"),
        }
    }

    async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError> {
        let text = std::str::from_utf8(&stored.value).expect("values are numbers");
        self.write(number(key), text.parse().expect("values are numbers"))
            .await
    }

    async fn remove(&self, _: &Key) -> Result<bool, SharedCacheError> {
        unreachable!("the engine removes nothing from L2")
    }

    async fn ping(&self) -> Result<(), SharedCacheError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "sea"
    }
}
