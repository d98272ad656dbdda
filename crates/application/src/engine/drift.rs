//! Drift: how much of what is strongest known was something else an hour ago.
//!
//! Every ten minutes the strongest partners of a sample of pairs are written down, with the
//! probability that they follow, and compared with what was written an hour before. Two lists are
//! alike by the sum of the smaller over the sum of the larger probabilities (Ruzicka 1958); drift is
//! one minus the mean. Cost: some 15 ms every ten minutes, in pieces between which the learner goes
//! on. Memory: 7 lists of 256 pairs with 8 partners, 150 KB.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sync::MutexGuard;
use forewarm_domain::{PairId, SourceKind, Timestamp};
use smallvec::SmallVec;

use super::Engine;
use crate::learner::Learner;

/// How often a list is made.
pub(super) const EVERY: Duration = Duration::from_secs(600);
/// How many lists back is an hour.
const BACK: usize = 6;
/// Pairs in a list, and pairs looked at for it.
const SAMPLE: usize = 256;
const LOOKED_AT: usize = 4_096;
/// Of them, under one hold of the learner's lock.
const AT_ONCE: usize = 64;
/// Partners of one pair.
const PARTNERS: usize = 8;
/// What is weaker comes and goes by chance.
const STRONG: f32 = 0.3;
/// With fewer pairs there is nothing to be said.
const ENOUGH: usize = 16;

type Strongest = SmallVec<[(PairId, f32); PARTNERS]>;

/// The lists of the last hour, oldest first.
#[derive(Debug, Default)]
pub(super) struct Drift {
    lists: VecDeque<Vec<(PairId, SourceKind, Strongest)>>,
    next: Timestamp,
}

impl Engine {
    /// Makes the next list when its time has come, and sets the gauge: 0 until there is a list of an
    /// hour ago.
    pub(super) fn measure_drift(&self, now: Timestamp) {
        let mut drift = self.drift.lock();
        if now < drift.next {
            return;
        }
        drift.next = now + EVERY;
        if drift.lists.is_empty() {
            self.metrics.set_drift(0.0);
        }
        let mut learner = self.learner.lock();
        if drift.lists.len() >= BACK
            && let Some(before) = drift.lists.pop_front()
            && let Some(ratio) = changed(&mut learner, &before, now)
        {
            self.metrics.set_drift(ratio);
        }
        let ids = learner.model().pairs().map(|(id, _)| id);
        let ids: Vec<PairId> = ids.take(LOOKED_AT).collect();
        let mut rows = Vec::with_capacity(SAMPLE);
        for (at, id) in ids.into_iter().enumerate() {
            if rows.len() >= SAMPLE {
                break;
            }
            if at % AT_ONCE == AT_ONCE - 1 {
                MutexGuard::bump(&mut learner);
            }
            for kind in SourceKind::ALL {
                let strongest = strongest(&mut learner, id, kind, now);
                if !strongest.is_empty() {
                    rows.push((id, kind, strongest));
                }
            }
        }
        drift.lists.push_back(rows);
    }
}

fn strongest(learner: &mut Learner, id: PairId, kind: SourceKind, now: Timestamp) -> Strongest {
    let partners = learner.partners(id, kind, now).iter();
    let strong = partners.take_while(|partner| partner.score >= STRONG);
    strong
        .take(PARTNERS)
        .map(|partner| (partner.pair, partner.probability))
        .collect()
}

/// One minus the mean likeness of the rows then and now. A pair that was forgotten meanwhile, or of
/// whose partners none was seen of late, tells nothing about what follows it today.
fn changed(
    learner: &mut Learner,
    before: &[(PairId, SourceKind, Strongest)],
    now: Timestamp,
) -> Option<f64> {
    let (mut likeness, mut rows) = (0.0, 0);
    for (id, kind, then) in before {
        if learner.key(*id).is_none() {
            continue;
        }
        let today = learner.partners(*id, *kind, now);
        if today
            .iter()
            .all(|partner| now.since(partner.last_seen) > EVERY)
        {
            continue;
        }
        let (mut both, mut either) = (0.0, 0.0);
        for (pair, probability) in then {
            let found = today.iter().find(|partner| partner.pair == *pair);
            let found = found.map_or(0.0, |partner| partner.probability);
            both += probability.min(found);
            either += probability.max(found);
        }
        let strong = today.iter().filter(|partner| partner.score >= STRONG);
        let new = strong
            .take(PARTNERS)
            .filter(|partner| then.iter().all(|(pair, _)| *pair != partner.pair));
        either += new.map(|partner| partner.probability).sum::<f32>();
        if either > 0.0 {
            likeness += f64::from(both / either);
            rows += 1;
        }
    }
    (rows >= ENOUGH).then(|| 1.0 - likeness / rows as f64)
}
