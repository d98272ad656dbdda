//! What a link to L2 tells: what changed there, and whether the link can be relied on.
//!
//! ```text
//! link_opened ─► L1 empty, flights may land      changed / everything_changed ─► L1's copy is stale
//! proven      ─► L1 answers until the bound      link_lost   ─► nothing is placed any more
//!                                                link_lapsed ─► L1 answers nothing
//! without_link ─► each value's own time to live alone
//! ```
//!
//! An engine begins without a link.

use bytes::Bytes;
use forewarm_domain::{Timestamp, compact};

use super::observation::{Observation, What};
use super::{Engine, Level};
use crate::metrics::EvictionReason;

impl Engine {
    /// The key `name` has changed in L2: L1's copy becomes stale, and what is on its way is
    /// discarded. `now` is when that was heard. Without a `database` (client tracking names none) in every database that L1 has
    /// values of. Costs a look-up in L1 each time, whether the key is held or not.
    pub fn changed(&self, name: &Bytes, database: Option<u16>, now: Timestamp) {
        match database {
            Some(number) => self.changed_in(name, number, now),
            None => {
                for number in self.flights.databases().iter() {
                    self.changed_in(name, number, now);
                }
            }
        }
    }

    fn changed_in(&self, name: &Bytes, database: u16, now: Timestamp) {
        // Copied: a slice of the link's read buffer would keep all of that alive.
        let key = (self.key_of)(compact(name), database);
        self.metrics.invalidated();
        self.flights.discard(&key);
        if self.l1.has(&key, Timestamp::ZERO) {
            self.metrics
                .eviction(Level::L1, EvictionReason::Invalidation);
        }
        if self.l1.mark_stale(&key, None) {
            self.lost(&key);
        }
        self.shadow.forget(&key);
        let tapped = self.tap.as_ref().is_some_and(|tap| tap.is_open());
        if tapped || self.follows(&key) || self.listeners.any() {
            self.queue(Observation::new(&key, What::Invalidated, now));
        }
    }

    /// The link stands and every change from now on will be told; of those before nothing is known.
    /// L1 begins anew, and answers once there is a [proof](Self::proven).
    pub fn link_opened(&self) {
        self.flights.ground();
        self.flush();
        self.flights.lift();
    }

    /// Changes may go unheard: nothing is placed in L1 any more, not even what is on its way. What
    /// it holds is answered until the bound.
    pub fn link_lost(&self) {
        self.flights.ground();
    }

    /// The bound has passed without a proof: L1 answers nothing until the link is opened again.
    pub fn link_lapsed(&self) {
        self.freshness.end();
        self.flights.ground();
        self.flush();
    }

    /// Every change that was made before a moment has been told; L1 may answer until `until()`,
    /// which is that moment plus the bound. It is asked while the clock cannot be
    /// [set](Self::clock_set), and must read the clock itself.
    pub fn proven(&self, until: impl FnOnce() -> Timestamp) {
        self.freshness.extend(until);
    }

    /// There is no link: values are answered until their time to live ends.
    pub fn without_link(&self) {
        self.link_opened();
        self.freshness.extend(|| Timestamp::MAX);
    }

    /// Whether L1 may answer a read that begins at `now`.
    pub fn answers_locally(&self, now: Timestamp) -> bool {
        self.freshness.allows(now)
    }

    /// The clock that `now` comes from is set by `step`. When that moves it `back`, L1 is flushed: by
    /// the new clock its values would live too long.
    pub fn clock_set(&self, back: bool, step: impl FnOnce()) {
        self.freshness.step(step);
        if back {
            self.flush();
        }
    }
}
