//! What is known of a partner, as it is told.

use std::time::Duration;

use crate::co_occurrence::SourceKind;
use crate::history::History;
use crate::pair::PairId;
use crate::time::Timestamp;

/// What the model says of one partner of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Association {
    /// The partner.
    pub pair: PairId,
    /// After which event of the source it was counted.
    pub kind: SourceKind,
    /// Strength times evidence, in [0, 1], corrected for chance; 0 when it was not
    /// [asked for](Detail::Bare).
    pub score: f32,
    /// P(the partner is read within the window | the source's event), in [0, 1].
    pub probability: f32,
    /// How many times likelier than by chance; 0 when it was not asked for either.
    pub lift: f32,
    /// Windows in which it followed, decayed.
    pub support: f32,
    /// Mean time from the source's event to the read.
    pub lag: Duration,
    /// When the partner was last updated or read.
    pub last_seen: Timestamp,
    /// The share of all windows that contain it, as of the last time it followed.
    pub chance: f32,
    /// In which of the source's last windows it was read.
    pub followed: History,
    /// Which of its last predictions for this source came true.
    pub came: History,
    /// Windows of anybody that contain it, decayed: how popular it is.
    pub popularity: f32,
    /// P(read in time | fetched now), once it has been asked for; until then the probability.
    pub expected: f32,
}

/// What is to be said of partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All but the score and the lift, which take logarithms and divisions: for those who go by what
    /// is expected.
    Bare,
    /// All of it.
    Scored,
}

/// What is known of a pair as a target of anybody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsTarget {
    /// Windows of the source's kind that contain it.
    pub entered: f32,
    /// The share of moments that are followed by a read of it within the window's span.
    pub of_time: f32,
    /// When it was last updated or read.
    pub last_seen: Timestamp,
}

/// What all targets of one row have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others {
    /// Windows that are not the source's.
    windows: f32,
    /// One over them, by Laplace's rule.
    each: f32,
}

impl Others {
    /// Of all windows, those that are not among the source's `own`.
    pub(super) fn of(all: f32, own: f32) -> Self {
        let windows = (all - own).max(0.0);
        Self {
            windows,
            each: (windows + 2.0).recip(),
        }
    }
}

impl AsTarget {
    /// The rate to expect by chance for a source in `support` of whose windows this target is.
    ///
    /// Two answers, each with a blind spot, and the smaller holds: how often *other* sources'
    /// windows contain the target (blind when one group is the whole stream), and how often a
    /// random moment is followed by it (blind to bursts, in which everything happens at
    /// once). For independent processes both are the truth. Laplace's rule in both: what was
    /// never seen is not impossible.
    pub(super) fn chance(&self, support: f32, others: Others) -> f32 {
        let with_others = (self.entered - support).max(0.0).min(others.windows);
        let of_windows = (with_others + 1.0) * others.each;
        of_windows.min(self.of_time)
    }
}

/// Whether the last windows alone say that a partner follows, whatever all of them say: it has
/// begun to. Twice what chance explains, and more than once.
pub(super) fn is_new(followed: History, chance: f32) -> bool {
    let (yes, len) = (followed.yes() as f32, followed.len() as f32);
    followed.yes() >= LEAST_NEW && yes > 2.0 * chance * len
}

/// Once is an accident.
pub(super) const LEAST_NEW: u32 = 2;
