//! Plain hits: copies in L1 that have been read before. Every instruction here is in every one of them.

use bytes::Bytes;
use forewarm_domain::{ChainId, Key, KeyRef, Timestamp, Trigger, Version};

use super::observation::{Observation, What};
use super::{Engine, Found, Level};
use crate::ports::Glimpse;

impl Engine {
    /// [`get_local_unlearned`](Self::get_local_unlearned) in the plain case of a copy that has been
    /// read before and may be answered until `sure`, the latest that it may be when the clock says
    /// `now`. Its age and what remains to it are told as of `sure`. `None` says nothing and leaves no
    /// trace; the caller then takes the long way.
    #[inline]
    pub fn get_plain(&self, key: &Key, now: Timestamp, sure: Timestamp) -> Option<Found> {
        if self.is_tapped() {
            return None;
        }
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        let (owned, nobody) = (|| key.clone(), || false);
        self.plain(name, key.chain(), owned, (now, sure), nobody, |copy| {
            let lasts = copy.expires_at != Timestamp::MAX;
            Found {
                value: copy.value.clone(),
                version: copy.version,
                age: Some(sure.since(copy.loaded_at)),
                ttl: lasts.then(|| copy.expires_at.since(sure)),
                ending: copy.ending,
                level: Level::L1,
            }
        })
    }

    /// The value alone, as [`get_plain`](Self::get_plain) finds it; learned from if `learns`, and
    /// always while somebody plays the stream beside the learner: then `now` should be exact.
    #[inline]
    pub fn get_value(
        &self,
        key: &Key,
        now: Timestamp,
        sure: Timestamp,
        learns: bool,
    ) -> Option<Bytes> {
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        let (owned, learns) = (|| key.clone(), || learns);
        self.plain(name, key.chain(), owned, (now, sure), learns, |copy| {
            copy.value.clone()
        })
    }

    /// [`get_local`](Self::get_local) of bytes in somebody's buffer, in the plain case of a fresh
    /// copy that has been read before: no key is made unless the hit is learned from, and `take` is
    /// shown the value where it lies ([`glance`](crate::ports::LocalCache::glance)). `None`
    /// says nothing and leaves no trace; the caller then takes the long way.
    pub fn hit_plain<R>(
        &self,
        name: KeyRef<'_>,
        chain: ChainId,
        now: Timestamp,
        learns: impl FnOnce() -> bool,
        mut take: impl FnMut(&Bytes) -> R,
    ) -> Option<R> {
        let owned = || name.to_key(chain);
        self.plain(name, chain, owned, (now, now), learns, |copy| {
            take(copy.value)
        })
    }

    /// A copy that has been read before and may be answered until `sure`, as `take` takes it. It happens
    /// `now`; `owned` makes the key for whoever is told of it.
    #[inline]
    fn plain<R>(
        &self,
        name: KeyRef<'_>,
        chain: ChainId,
        owned: impl FnOnce() -> Key,
        (now, sure): (Timestamp, Timestamp),
        learns: impl FnOnce() -> bool,
        mut take: impl FnMut(&Glimpse<'_>) -> R,
    ) -> Option<R> {
        if !self.freshness.allows(sure) {
            return None;
        }
        let mut found = None;
        self.l1.glance(name, sure, &mut |copy| {
            let seen = Seen {
                bytes: copy.value.len(),
                version: copy.version,
                times: (copy.loaded_at, copy.expires_at),
                draw: copy.draw,
            };
            found = Some((take(&copy), seen));
        });
        let (taken, seen) = found?;
        self.metrics.cache_hit(chain, Level::L1);
        let learns = learns() || self.is_tapped();
        if learns || self.ghost_sample.has(seen.draw) {
            self.tell_plain(&owned(), seen, now, learns);
        }
        Some(taken)
    }

    /// Apart, so that most hits beyond the pace do not carry it along.
    #[inline(never)]
    fn tell_plain(&self, key: &Key, seen: Seen, now: Timestamp, learns: bool) {
        let trigger = Trigger::Hit;
        let what = match learns {
            true => What::Demand { trigger },
            false => What::Unlearned,
        };
        let end = self.end_if_loaded_at(seen.times, now);
        let hit = Observation::new(key, what, now);
        self.tell_hit(hit.of_value(seen.bytes, seen.version, end));
    }

    /// Whether the ghost hears of this key.
    pub(super) fn follows(&self, key: &Key) -> bool {
        let name = KeyRef {
            bytes: key.bytes(),
            database: key.database(),
        };
        self.ghost_sample.one_in == 1 || self.ghost_sample.has(self.l1.draw(name))
    }

    /// Whether somebody plays the stream beside the learner, or writes it down, and so wants all
    /// of it.
    #[inline]
    pub fn is_tapped(&self) -> bool {
        self.listeners.any() || self.tap.as_ref().is_some_and(|tap| tap.is_open())
    }

    /// A hit that is not learned from is only for the books, which can wait until somebody
    /// wakes the learner.
    pub(super) fn tell_hit(&self, seen: Observation) {
        if seen.what == What::Unlearned {
            let _ = self.events.push(seen);
        } else {
            self.queue(seen);
        }
    }
}

/// What is told of a copy to whoever hears of its hit.
#[derive(Clone, Copy)]
struct Seen {
    bytes: usize,
    version: Option<Version>,
    /// When it was loaded and when it ends.
    times: (Timestamp, Timestamp),
    draw: u16,
}
