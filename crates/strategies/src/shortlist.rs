//! What the rules share: a floor, and the best few appended in order.

use forewarm_domain::selection::rank;
use forewarm_domain::{Association, Candidate, Reason};

/// The partners whose score is `floor` or more, as candidates.
pub(crate) fn at_or_above(
    partners: &[Association],
    floor: f32,
) -> impl Iterator<Item = Candidate> + '_ {
    partners
        .iter()
        .filter(move |partner| partner.score >= floor)
        .map(as_partner)
}

/// The partners that are expected to be read in time with a probability of `floor` or more, as
/// candidates by that probability.
pub(crate) fn expected_at_or_above(
    partners: &[Association],
    floor: f32,
) -> impl Iterator<Item = Candidate> + '_ {
    partners
        .iter()
        .filter(move |partner| partner.expected >= floor)
        .map(|partner| Candidate {
            score: partner.expected,
            ..as_partner(partner)
        })
}

/// A partner as a candidate by its score.
pub(crate) fn as_partner(partner: &Association) -> Candidate {
    Candidate {
        pair: partner.pair,
        score: partner.score,
        reason: Reason::Partner,
    }
}

/// Appends the best `limit` of `candidates`, best first.
pub(crate) fn append_best(
    chosen: &mut Vec<Candidate>,
    limit: usize,
    candidates: impl Iterator<Item = Candidate>,
) {
    if limit == 0 {
        return;
    }
    let start = chosen.len();
    chosen.extend(candidates);
    rank_from(chosen, start, limit);
}

/// Ranks what lies from `start` on and keeps the best `limit` of it. Allocates only when
/// something lies before `start`.
pub(crate) fn rank_from(chosen: &mut Vec<Candidate>, start: usize, limit: usize) {
    if start == 0 {
        rank(chosen, limit);
        return;
    }
    let mut appended = chosen.split_off(start);
    rank(&mut appended, limit);
    chosen.append(&mut appended);
}
