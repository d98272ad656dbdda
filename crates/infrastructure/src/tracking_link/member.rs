//! One connection of a session: what it hears, and its proofs of life.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::check::{Check, Verdict};
use super::proofs::Proofs;
use super::wire::{LinkError, Reply, Wire};
use super::{LinkEvents, keyspace, tracking};

/// What is said unasked on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    Nothing,
    Pushes,
    Messages,
}

/// One connection of a session.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) wire: Wire,
    pub(super) hears: Hears,
    /// What makes a proof of life, in the order asked.
    pub(super) checks: Vec<Check>,
}

/// What the members of a session share.
pub(super) struct Shared<'a> {
    pub(super) events: &'a dyn LinkEvents,
    pub(super) proofs: &'a Proofs,
    pub(super) interval: Duration,
}

impl Member {
    /// Tells what is heard, and asks for proofs, until that fails.
    ///
    /// A proof counts from when it was *asked* for: what the server had acknowledged by then, it has
    /// told on this connection before it answered, and all of that has been passed on before the
    /// answer is read. One is asked for at a time, so a slow server gets no heap of them.
    pub(super) async fn follow(&mut self, index: usize, shared: &Shared<'_>) -> LinkError {
        match self.listen(index, shared).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn listen(
        &mut self,
        index: usize,
        shared: &Shared<'_>,
    ) -> Result<std::convert::Infallible, LinkError> {
        let mut round = Round::answered(Instant::now());
        loop {
            let heard = tokio::select! {
                heard = self.wire.receive() => heard?,
                () = sleep_until(round.asked + shared.interval), if round.is_over() => {
                    round = Round::begin(Instant::now(), self.checks.len());
                    for check in &self.checks {
                        self.wire.send(check.command()).await?;
                    }
                    continue;
                }
            };
            let mut heard = Some(heard);
            while let Some(reply) = heard.take() {
                if !self.told(&reply, shared.events) {
                    self.judge(reply, &mut round, shared.events)?;
                    if round.proves()
                        && let Some(proof) = shared.proofs.answered(index, round.asked)
                    {
                        shared.events.proven(proof);
                    }
                }
                heard = self.wire.buffered()?;
            }
        }
    }

    /// Passes on what was said unasked; whether it was that.
    fn told(&self, reply: &Reply, events: &dyn LinkEvents) -> bool {
        match (self.hears, reply) {
            (Hears::Pushes, Reply::Push(push)) => {
                match tracking::changed(push) {
                    Some(Some(keys)) => {
                        for key in keys {
                            match key {
                                Reply::Text(key) => events.changed(key, None),
                                _ => events.all_changed(),
                            }
                        }
                    }
                    Some(None) => events.all_changed(),
                    None => {}
                }
                true
            }
            (Hears::Messages, Reply::List(message)) => match message.first() {
                Some(Reply::Text(kind)) if kind.as_ref() == b"pmessage" => {
                    if let Some((key, database)) = keyspace::changed(message) {
                        events.changed(&key, Some(database));
                    }
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn judge(
        &mut self,
        reply: Reply,
        round: &mut Round,
        events: &dyn LinkEvents,
    ) -> Result<(), LinkError> {
        let at = self.checks.len() - round.open;
        let Some(check) = self.checks.get_mut(at) else {
            return Err(LinkError::Failed(format!("{reply:?}, unasked")));
        };
        match check.judge(reply)? {
            Verdict::Fine => {}
            Verdict::AllChanged => events.all_changed(),
            Verdict::Busy => round.good = false,
        }
        round.open -= 1;
        Ok(())
    }
}

/// The checks asked together.
struct Round {
    asked: Instant,
    /// Answers that have not come.
    open: usize,
    /// Those that came were good.
    good: bool,
}

impl Round {
    fn begin(asked: Instant, checks: usize) -> Self {
        Self {
            asked,
            open: checks,
            good: true,
        }
    }

    /// As if it had been: opening a connection asks and answers as much.
    fn answered(asked: Instant) -> Self {
        Self {
            asked,
            open: 0,
            good: true,
        }
    }

    fn is_over(&self) -> bool {
        self.open == 0
    }

    fn proves(&self) -> bool {
        self.is_over() && self.good
    }
}
