//! The ghost: L1 as it would be without warming, keys and sizes only.

use bytes::Bytes;
use forewarm_domain::{Key, Timestamp, Trigger};

use super::Engine;
use super::observation::{Observation, What};
use crate::ports::{Cached, Ending, LocalCache, LocalLookup, Placement};

/// Sizes are told by slices of this; larger values count as this large.
static SIZES: [u8; 1 << 16] = [0; 1 << 16];

/// A sample of the unwarmed L1, by a [draw](crate::ports::Glimpse::draw) of the keys: one in `one_in`, and a
/// capacity of as much less. With `one_in` 1 it is exact.
///
/// It is filled as L1 is: when L2's answer lands, not when the read misses. So reads that wait
/// together miss together in both, and a key that L2 does not have, or an outage of L2, is no
/// difference between the two.
pub struct Ghost {
    cache: Box<dyn LocalCache>,
    sample: Sample,
    /// Misses that it has had and L1 has not, less the reverse.
    spared: f64,
}

/// Which keys a ghost follows: who has news of many leaves out those of no interest without a lock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) one_in: u64,
}

impl Sample {
    /// Whether the key of this draw is among them.
    pub(super) fn has(self, draw: u16) -> bool {
        u64::from(draw).is_multiple_of(self.one_in)
    }
}

impl std::fmt::Debug for Ghost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ghost")
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

/// What an event says about the unwarmed L1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Played {
    /// L2 reads that it would have made: a fraction of a sample stands for all.
    pub(super) reads: f64,
    /// For a demand read in the sample: how it went, whether the ghost had the key, and for how many
    /// reads it stands.
    pub(super) judged: Option<(Trigger, bool, f64)>,
}

impl Ghost {
    /// `cache` is of L1's kind with 1/`one_in` of its capacity.
    pub fn new(cache: Box<dyn LocalCache>, one_in: u64) -> Self {
        Self {
            cache,
            sample: Sample {
                one_in: one_in.max(1),
            },
            spared: 0.0,
        }
    }

    /// Which keys it follows.
    pub(super) fn sample(&self) -> Sample {
        self.sample
    }

    /// Demand misses that warming has spared so far: those of the unwarmed L1 less the real ones, on
    /// the same reads (an estimate where it is a sample). Negative where warming does harm.
    pub(super) fn spared(&self) -> f64 {
        self.spared
    }

    /// Plays what happened to L1, of a key in the sample.
    pub(super) fn play(&mut self, seen: &Observation, now: Timestamp) -> Played {
        let mut played = Played::default();
        if seen.what == What::Flushed {
            self.cache.clear();
            return played;
        }
        let weight = self.sample.one_in as f64;
        match seen.what {
            What::Demand { .. } | What::Unlearned => {
                let trigger = match seen.what {
                    What::Demand { trigger } => trigger,
                    _ => Trigger::Hit,
                };
                let hit = trigger != Trigger::Miss;
                let found = self.cache.get(&seen.key, seen.at);
                let off_hit = matches!(found, LocalLookup::Hit { .. });
                played.judged = Some((trigger, off_hit, weight));
                self.spared += weight * (f64::from(u8::from(hit)) - f64::from(u8::from(off_hit)));
                // Where L1 missed too, L2's answer will be heard of.
                if hit && !off_hit {
                    played.reads = weight;
                    self.place(seen, now, Placement::Demand);
                }
            }
            What::Fetched { placed } => {
                if !self.cache.has(&seen.key, now) {
                    played.reads = weight;
                    if placed {
                        self.place(seen, now, Placement::Demand);
                    }
                }
            }
            What::Written => self.place(seen, now, Placement::Demand),
            What::Update { valued: true } => self.place(seen, now, Placement::Update),
            What::Update { valued: false } | What::Unkept | What::Invalidated => {
                self.cache.mark_stale(&seen.key, seen.version);
            }
            What::Read | What::Flushed => {}
        }
        played
    }

    fn place(&mut self, seen: &Observation, now: Timestamp, placement: Placement) {
        let size = (seen.size as usize).min(SIZES.len());
        let cached = Cached {
            value: Bytes::from_static(&SIZES[..size]),
            version: seen.version,
            loaded_at: now,
            expires_at: seen.expires_at,
            ending: Ending::Unknown,
        };
        self.cache.place(&seen.key, cached, placement);
    }
}

impl Engine {
    /// Tells the ghost that a demand read was answered by L2. It should hear of it soon: until then the
    /// budget's books lack what the unwarmed cache would have read.
    pub(super) fn tell_fetched(
        &self,
        key: &Key,
        cached: Option<&Cached>,
        valid: bool,
        now: Timestamp,
    ) {
        if !self.follows(key) {
            return;
        }
        let placed = valid && cached.is_some();
        let mut seen = Observation::new(key, What::Fetched { placed }, now);
        if let Some(cached) = cached {
            seen = seen.of_value(cached.value.len(), cached.version, cached.expires_at);
        }
        self.queue(seen);
    }
}
