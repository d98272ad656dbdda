//! The strongest associations of the whole model, for people.

use forewarm_domain::{Key, PairId, SourceKind, Timestamp};

use super::{Correlation, Engine};

/// Slots of the model looked at under one hold of its lock: some 100 µs.
const LOOKED_AT_ONCE: usize = 4_096;
/// Busiest sources whose partners are compared.
const SOURCES: usize = 256;
/// Sources whose partners are gathered under one hold of the lock: some 300 µs.
const GATHERED_AT_ONCE: usize = 16;

/// One association with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct TopAssociation {
    /// The pair whose event comes first.
    pub from: Key,
    /// What is read after it.
    pub to: Correlation,
}

/// The answer of [`Engine::strongest_associations`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Strongest {
    /// Best first.
    pub associations: Vec<TopAssociation>,
    /// Sources whose partners were compared.
    pub sources: usize,
    /// Pairs tracked.
    pub pairs: usize,
}

impl Engine {
    /// The `limit` associations that foretell the most reads: score times support, the windows of
    /// late in which the partner followed.
    ///
    /// Compared are the partners of the 256 busiest sources, so the cost is bounded: 4 ms with 62,000
    /// pairs tracked, 10 to 19 ms with 160,000, in pieces between which the learner gets its turn.
    pub fn strongest_associations(&self, limit: usize, now: Timestamp) -> Strongest {
        let (busiest, pairs) = self.busiest_sources(now);
        let mut found = Vec::new();
        for some in busiest.chunks(GATHERED_AT_ONCE) {
            let mut learner = self.learner.lock();
            for &(id, kind, _) in some {
                // Forgotten meanwhile, or in other hands: the id is of one pair for ever.
                let Some(from) = learner.key(id).cloned() else {
                    continue;
                };
                let partners = learner.partners(id, kind, now).to_vec();
                let named = partners.into_iter().filter_map(|partner| {
                    Some(TopAssociation {
                        from: from.clone(),
                        to: Correlation::named(partner, learner.key(partner.pair)?.clone()),
                    })
                });
                found.extend(named);
            }
        }
        found.sort_by(|a, b| {
            let by_worth = worth(&b.to).total_cmp(&worth(&a.to));
            by_worth
                .then_with(|| a.from.cmp(&b.from))
                .then_with(|| a.to.key.cmp(&b.to.key))
                .then_with(|| a.to.source.cmp(b.to.source))
        });
        found.truncate(limit);
        Strongest {
            associations: found,
            sources: busiest.len(),
            pairs,
        }
    }

    fn busiest_sources(&self, now: Timestamp) -> (Vec<(PairId, SourceKind, f32)>, usize) {
        let mut busiest = Vec::new();
        let mut from = 0;
        loop {
            let learner = self.learner.lock();
            let model = learner.model();
            let (slots, pairs) = (model.slots(), model.len());
            busiest.extend(model.sources(from..from + LOOKED_AT_ONCE, now));
            drop(learner);
            from += LOOKED_AT_ONCE;
            if from >= slots || busiest.len() > 16 * SOURCES {
                busiest.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
                busiest.truncate(SOURCES);
            }
            if from >= slots {
                return (busiest, pairs);
            }
        }
    }
}

/// How many reads it foretells.
fn worth(to: &Correlation) -> f32 {
    to.score * to.support
}
