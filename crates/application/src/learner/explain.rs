//! What a request would come to, asked without a trace: nobody votes, nothing is watched.

use forewarm_domain::{
    Association, Candidate, Detail, Key, PairId, Reason, SelectionContext, SourceKind, Standing,
    Timestamp, Trigger, Vote,
};

use super::candidates::{evidence, points};
use super::{Learner, ModelNetwork, Request};

/// A partner, and what would become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What is known.
    pub association: Association,
    /// What L1 has of it.
    pub standing: Standing,
    /// P(read in time | fetched now).
    pub expected: f32,
    /// Whether the strategy picks it.
    pub chosen: bool,
}

/// What would become of all partners of a pair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdicts {
    /// The partners, surest first.
    pub partners: Vec<Judged>,
    /// How many partners of partners the strategy would take besides.
    pub second_hops: usize,
}

impl Learner {
    /// What [`select`](Self::select) would weigh for an event of `pair`, and whom the strategy
    /// would pick, at most `cap`. Changes nothing that is learned; allocates.
    pub fn explain(
        &mut self,
        (pair, kind): (PairId, SourceKind),
        now: Timestamp,
        cap: usize,
        standing: impl Fn(&Key) -> Standing,
    ) -> Verdicts {
        let trigger = match kind {
            SourceKind::Update => Trigger::Update,
            SourceKind::Read => Trigger::Miss,
        };
        let request = Request {
            pair,
            kind,
            trigger,
            at: now,
            part: 0,
        };
        self.partners.clear();
        self.gather(request, Detail::Scored, now);
        let mut judged = Vec::with_capacity(self.partners.len());
        for partner in &mut self.partners {
            let standing = self
                .model
                .key(partner.pair)
                .map_or(Standing::Fresh, &standing);
            let vote = Vote::Hypothetical(points(partner));
            let remembered = self.expectations.consider(partner.pair, vote);
            // What L1 has is judged as if it had not.
            let lacking = match standing {
                Standing::Fresh => Standing::Absent,
                lacking => lacking,
            };
            let known = evidence(partner, trigger, lacking, remembered);
            partner.expected = self.expectations.foresee(&known);
            judged.push(Judged {
                association: *partner,
                standing,
                expected: partner.expected,
                chosen: false,
            });
        }
        let lacking = |partner: &Association| {
            let found = judged
                .iter()
                .find(|one| one.association.pair == partner.pair);
            found.is_some_and(|one| one.standing != Standing::Fresh)
        };
        self.partners.retain(lacking);
        let mut chosen: Vec<Candidate> = Vec::new();
        self.strategy.select(
            &SelectionContext {
                source: pair,
                kind,
                now,
                partners: &self.partners,
                network: &ModelNetwork {
                    model: &self.model,
                    now,
                },
                cap,
            },
            &mut chosen,
        );
        for one in &mut judged {
            one.chosen = chosen
                .iter()
                .any(|candidate| candidate.pair == one.association.pair);
        }
        judged.sort_by(|a, b| {
            let by_score = b.association.score.total_cmp(&a.association.score);
            by_score.then_with(|| a.association.pair.cmp(&b.association.pair))
        });
        Verdicts {
            partners: judged,
            second_hops: chosen
                .iter()
                .filter(|candidate| candidate.reason == Reason::SecondHop)
                .count(),
        }
    }
}
