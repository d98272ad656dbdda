//! Demand reads of one key: the hit first, in as few steps as there are, and everything else apart.

use std::fmt;
use std::pin::Pin;
use std::slice;
use std::task::{Context, Poll};

use bytes::Bytes;
use forewarm_application::engine::{Found, Level, LookupError};
use forewarm_domain::{Key, Timestamp};

use crate::clock::Clock;
use crate::core::Core;
use crate::turns::is_look_up_timed;

/// What a demand read finds; `None` = no level has the key.
type Answer = Result<Option<Found>, LookupError>;

/// A demand read under way: what [`Forewarm::get`](crate::Forewarm::get) returns, to be awaited.
///
/// A future written by hand, because that of an `async fn` is as large as its longest way and hands its result
/// on through every one it is wrapped in: a hit is answered at the first poll, and only a miss, which waits
/// for L2, is put on the heap.
#[must_use = "nothing is read before it is awaited"]
pub struct Get<'a> {
    core: &'a Core,
    key: &'a Key,
    /// L1 has been asked; the rest of the way.
    rest: Option<Pin<Box<dyn Future<Output = Answer> + Send + 'a>>>,
}

impl fmt::Debug for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("key", &self.key)
            .field("waits", &self.rest.is_some())
            .finish_non_exhaustive()
    }
}

impl Future for Get<'_> {
    type Output = Answer;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let this = self.get_mut();
        if let Some(rest) = &mut this.rest {
            return rest.as_mut().poll(context);
        }
        let (core, key) = (this.core, this.key);
        if !core.may_cache(key) {
            return this.wait_for(core.read_past_l1(key), context);
        }
        let rough = core.clock.roughly();
        let how = How {
            learns: core.pace.learns(rough),
            timed: is_look_up_timed(),
        };
        if !how.learns && !how.timed {
            // Reading the clock is half of what a hit costs. A copy that ends soon is looked at again.
            let sure = rough + Clock::ROUGHLY;
            if let Some(found) = core.engine.get_plain(key, rough, sure) {
                return Poll::Ready(Ok(Some(found)));
            }
        }
        this.look(how, context)
    }
}

/// How a read is made.
#[derive(Debug, Clone, Copy)]
struct How {
    learns: bool,
    timed: bool,
}

impl<'a> Get<'a> {
    /// With the exact time: L1, else what is to be awaited.
    #[inline(never)]
    fn look(&mut self, how: How, context: &mut Context<'_>) -> Poll<Answer> {
        let (core, key) = (self.core, self.key);
        let now = core.clock.now();
        let local = match how.learns {
            true => core.engine.get_local(key, now),
            false => core.engine.get_local_unlearned(key, now),
        };
        if local.is_none() {
            return self.wait_for(core.read_missed(key, how, now), context);
        }
        core.looked_up(key, how, now, Level::L1);
        Poll::Ready(Ok(local))
    }

    #[inline(never)]
    fn wait_for(
        &mut self,
        rest: impl Future<Output = Answer> + Send + 'a,
        context: &mut Context<'_>,
    ) -> Poll<Answer> {
        let rest = self.rest.insert(Box::pin(rest));
        rest.as_mut().poll(context)
    }
}

impl Core {
    /// A demand read.
    #[inline]
    pub fn get<'a>(&'a self, key: &'a Key) -> Get<'a> {
        Get {
            core: self,
            key,
            rest: None,
        }
    }

    /// The value, if L1 has a fresh copy that has been read before: a demand read when it answers, and
    /// nothing at all when it does not, so that [`get`](Self::get) may follow. Synchronous, allocates
    /// nothing.
    #[inline]
    pub fn get_if_cached(&self, key: &Key) -> Option<Bytes> {
        if !self.may_cache(key) {
            return None;
        }
        let rough = self.clock.roughly();
        let how = How {
            learns: self.pace.learns(rough),
            timed: is_look_up_timed(),
        };
        // As in `get`: a copy that ends soon is left to the exact time.
        if how.learns || how.timed || self.engine.is_tapped() {
            return self.value_by_exact_time(key, how);
        }
        let sure = rough + Clock::ROUGHLY;
        self.engine.get_value(key, rough, sure, false)
    }

    #[inline(never)]
    fn value_by_exact_time(&self, key: &Key, how: How) -> Option<Bytes> {
        let now = self.clock.now();
        let value = self.engine.get_value(key, now, now, how.learns)?;
        self.looked_up(key, how, now, Level::L1);
        Some(value)
    }

    async fn read_missed(&self, key: &Key, how: How, now: Timestamp) -> Answer {
        let found = self.engine.fetch(slice::from_ref(key), now).await?;
        let found = found.into_iter().next().flatten();
        // A key that no level has was asked for in L2 as well.
        let level = found.as_ref().map_or(Level::L2, |found| found.level);
        self.looked_up(key, how, now, level);
        Ok(found)
    }

    async fn read_past_l1(&self, key: &Key) -> Answer {
        let found = self.get_past_l1(slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    fn looked_up(&self, key: &Key, how: How, since: Timestamp, level: Level) {
        if how.timed {
            let took = self.clock.now().since(since);
            self.metrics.lookup_duration(key.chain(), level, took);
        }
    }
}
