//! What a request may choose from, and what is known of each.

use forewarm_domain::{
    Association, Detail, Evidence, Model, PairId, Remembered, SourceKind, Standing, Timestamp,
    Trigger,
};

use super::Request;

/// How likely a pair is to be read after its update when nothing is known of it.
const UNKNOWN_READ: f32 = 0.5;

/// Calls `each` with what `request` may choose from, in no order. An update is followed by a read of
/// the pair itself, so what follows that read follows the update too: a pair whose updates are new may
/// have been read for long. `known` is scratch.
#[inline]
pub(super) fn each_candidate(
    model: &Model,
    Request { pair, kind, .. }: Request,
    (detail, now): (Detail, Timestamp),
    known: &mut Vec<PairId>,
    mut each: impl FnMut(Association),
) {
    if kind == SourceKind::Read {
        return model.each_association(pair, (kind, detail), now, each);
    }
    known.clear();
    let mut few = Few::default();
    let mut read = UNKNOWN_READ;
    model.each_association(pair, (kind, detail), now, |partner| {
        if partner.pair == pair {
            read = partner.probability;
        }
        few.add(partner.pair);
        known.push(partner.pair);
        each(partner);
    });
    let after_read = (SourceKind::Read, detail);
    model.each_association(pair, after_read, now, |mut partner| {
        if few.may_have(partner.pair) && known.contains(&partner.pair) {
            return;
        }
        partner.score *= read;
        partner.probability *= read;
        each(partner);
    });
}

/// How likely an event makes a read of this partner, by all that it says itself.
pub(super) fn points(partner: &Association) -> f32 {
    let lately = partner.followed.yes() as f32 / (partner.followed.len() + 1) as f32;
    partner.probability.max(lately)
}

/// What is known of a partner that L1 lacks.
pub(super) fn evidence(
    partner: &Association,
    trigger: Trigger,
    standing: Standing,
    remembered: Remembered,
) -> Evidence {
    Evidence {
        kind: partner.kind,
        trigger,
        second_hop: false,
        standing,
        followed: partner.followed,
        came: partner.came,
        support: partner.support,
        probability: partner.probability,
        chance: partner.chance,
        lag: partner.lag,
        remembered,
        popularity: partner.popularity,
    }
}

/// A few pairs, to tell most strangers by one look: a Bloom filter of one hash, which is the lowest
/// bits of the slot.
#[derive(Default)]
struct Few([u64; 8]);

impl Few {
    fn add(&mut self, pair: PairId) {
        let (word, bit) = Self::place(pair);
        self.0[word] |= bit;
    }

    /// No is certain.
    fn may_have(&self, pair: PairId) -> bool {
        let (word, bit) = Self::place(pair);
        self.0[word] & bit != 0
    }

    fn place(pair: PairId) -> (usize, u64) {
        (pair.index() / 64 % 8, 1 << (pair.index() % 64))
    }
}
