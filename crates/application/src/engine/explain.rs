//! Why a pair is or isn't warmed, for people.

use crate::sync::MutexGuard;
use forewarm_domain::{Association, Key, Mode, PairId, SourceKind, Standing, Timestamp};

use super::Engine;
use crate::governor::TurnedDown;
use crate::metrics::BreakerState;

/// Partners listed for each kind of event, and pairs listed that point to the pair.
const LISTED: usize = 10;
/// Pairs looked through for those that point to the pair: a quarter of a second, at 2.4 µs each
/// (1,666 pairs in 4 ms, development build).
const SEARCHED: usize = 100_000;
/// Of them, under one hold of the learner's lock: some 150 µs.
const SEARCHED_AT_ONCE: usize = 64;

/// What stands against every warm for a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Obstacle {
    /// The mode of the pair's chain is `off` or `shadow`.
    Mode(Mode),
    /// Nothing is known to be read after it.
    NothingKnown,
    /// L2 failed lately, and is left alone.
    BreakerOpen,
    /// Changes in L2 go unheard, so nothing may be held.
    LinkDown,
    /// The budget of extra L2 reads is spent.
    BudgetSpent,
    /// The governor has turned warming down.
    TurnedDown(TurnedDown),
}

/// What would become of one partner if the pair's event came now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// Fetched.
    Warmed,
    /// L1 has it.
    InL1,
    /// Worth fetching, were it not for an [`Obstacle`].
    HeldBack,
    /// It is on the shadow side of its chain's roll-out, or its chain is off.
    Mode(Mode),
    /// L1 is full of what is read more surely.
    NoRoom,
    /// The strategy leaves it out: its score, its support or its rank.
    NotChosen,
    /// It is too unlikely to be read in time for what a fetch costs.
    NotWorthIt,
}

/// A partner with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The other pair.
    pub key: Key,
    /// After which event of the pair asked about, or of this one when it points to that.
    pub after: SourceKind,
    /// What is known.
    pub association: Association,
    /// P(read in time | fetched now).
    pub expected: f32,
    /// What would become of it.
    pub fate: Fate,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Whether the model tracks the pair.
    pub known: bool,
    /// What L1 has of it.
    pub standing: Standing,
    /// The mode that holds for the pair itself.
    pub mode: Mode,
    /// The rule in force.
    pub strategy: &'static str,
    /// The least score that the rule takes now, where it has one.
    pub floor: Option<f32>,
    /// The least probability of being read in time that pays for a fetch now.
    pub price: f32,
    /// What stands against all warms for it.
    pub obstacles: Vec<Obstacle>,
    /// What follows it, surest first, per kind of event.
    pub partners: Vec<Explained>,
    /// Partners of partners that would be fetched besides.
    pub second_hops: usize,
    /// Pairs whose events point to this one, surest first.
    pub sources: Vec<Explained>,
    /// How many pairs were looked through for them, and how many there are.
    pub searched: (usize, usize),
}

impl Engine {
    /// Whether the model tracks this key.
    pub fn knows(&self, key: &Key) -> bool {
        self.learner.lock().model().id(key).is_some()
    }

    /// Why `key`'s partners, and `key` itself, are or aren't warmed. Leaves no trace. Costs up to
    /// a quarter of a second with many pairs, during which the learner goes on.
    pub fn explain(&self, key: &Key, now: Timestamp) -> Explanation {
        let rollout = self.rollout.read().clone();
        let most = rollout.chain(key.chain()).mode;
        let (turned_down, price, spent) = {
            let governor = self.governor.lock().clone();
            let spent = governor.left(self.risk(0)) == Some(0);
            (governor.turned_down(), governor.price(), spent)
        };
        let mut obstacles = Vec::new();
        if most != Mode::On {
            obstacles.push(Obstacle::Mode(most));
        }
        if self.breaker.lock().state(now) == BreakerState::Open {
            obstacles.push(Obstacle::BreakerOpen);
        }
        if self.flights.grounded() {
            obstacles.push(Obstacle::LinkDown);
        }
        if spent {
            obstacles.push(Obstacle::BudgetSpent);
        }
        obstacles.extend(turned_down.map(Obstacle::TurnedDown));
        let closed = self.is_closed();
        let mut learner = self.learner.lock();
        let strategy = learner.strategy().name();
        let parameters = learner.strategy().parameters();
        let floor = parameters.iter().find(|(name, _)| *name == "min_score");
        let floor = floor.map(|(_, floor)| *floor as f32);
        let id = learner.model().id(key);
        let (mut partners, mut second_hops) = (Vec::new(), 0);
        for kind in SourceKind::ALL {
            let Some(id) = id.filter(|id| learner.model().has_associations(*id, kind)) else {
                continue;
            };
            let verdicts =
                learner.explain((id, kind), now, self.config.max_pairs_per_warm, |key| {
                    self.l1.standing(key, now)
                });
            second_hops += verdicts.second_hops;
            for judged in verdicts.partners.into_iter().take(LISTED) {
                let Some(partner) = learner.key(judged.association.pair).cloned() else {
                    continue;
                };
                let own = rollout.mode(&partner).min(most);
                let fate = match (judged.standing, own) {
                    (Standing::Fresh, _) => Fate::InL1,
                    (Standing::Absent, _) if closed => Fate::NoRoom,
                    _ if !judged.chosen => Fate::NotChosen,
                    _ if judged.expected < price => Fate::NotWorthIt,
                    _ if !obstacles.is_empty() => Fate::HeldBack,
                    (_, Mode::On) => Fate::Warmed,
                    (_, mode) => Fate::Mode(mode),
                };
                partners.push(Explained {
                    key: partner,
                    after: kind,
                    association: judged.association,
                    expected: judged.expected,
                    fate,
                });
            }
        }
        if partners.is_empty() {
            obstacles.push(Obstacle::NothingKnown);
        }
        let total = learner.model().len();
        drop(learner);
        let sources = id.map_or_else(Vec::new, |id| self.sources_of(id, now));
        Explanation {
            known: id.is_some(),
            standing: self.l1.standing(key, now),
            mode: rollout.mode(key),
            strategy,
            floor,
            price,
            obstacles,
            partners,
            second_hops,
            sources,
            searched: (total.min(SEARCHED), total),
        }
    }

    /// Whether L1 is full of what is read more surely than what a warm would bring.
    pub(super) fn is_closed(&self) -> bool {
        let roomy = self.risk(0).room as u64 >= self.l1_entries() / 2;
        !roomy && !self.governor.lock().may_displace()
    }

    /// The pairs whose events point to `target`, surest first.
    fn sources_of(&self, target: PairId, now: Timestamp) -> Vec<Explained> {
        let mut learner = self.learner.lock();
        let pairs = learner.model().pairs().map(|(id, _)| id);
        let ids: Vec<PairId> = pairs.take(SEARCHED).collect();
        let (mut found, mut row): (Vec<Explained>, Vec<Association>) = (Vec::new(), Vec::new());
        for (at, &source) in ids.iter().enumerate() {
            if at % SEARCHED_AT_ONCE == SEARCHED_AT_ONCE - 1 {
                MutexGuard::bump(&mut learner);
            }
            for kind in SourceKind::ALL {
                row.clear();
                learner.model().associations(source, kind, now, &mut row);
                let hits = row
                    .iter()
                    .filter(|one| one.pair == target && source != target);
                for association in hits {
                    let Some(key) = learner.key(source).cloned() else {
                        continue;
                    };
                    found.push(Explained {
                        key,
                        after: kind,
                        association: *association,
                        expected: association.expected,
                        fate: Fate::NotChosen,
                    });
                }
            }
        }
        drop(learner);
        found.sort_by(|a, b| {
            let by_score = b.association.score.total_cmp(&a.association.score);
            by_score.then_with(|| a.key.cmp(&b.key))
        });
        found.truncate(LISTED);
        found
    }
}
