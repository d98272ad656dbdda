//! Pairs, partners and networks for the tests of the rules.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use forewarm_domain::pair::PairTable;
use forewarm_domain::{
    Association, Candidate, ChainId, History, Key, Network, PairId, SelectionContext,
    SelectionStrategy, SourceKind, Timestamp,
};

/// The pairs that [`pair`] knows.
pub(crate) const PAIRS: usize = 128;
/// The number of the pair that asks.
pub(crate) const SOURCE: usize = 100;
/// When it asks.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn pairs() -> &'static [PairId] {
    static IDS: OnceLock<Vec<PairId>> = OnceLock::new();
    IDS.get_or_init(|| {
        let mut table = PairTable::new(PAIRS);
        let mut id = |n| {
            let key = Key::new(format!("pair {n}"), 0, ChainId::DEFAULT);
            table.intern(&key).id()
        };
        (0..PAIRS).map(&mut id).collect()
    })
}

/// The pair of that number; ids rise with the numbers.
pub(crate) fn pair(number: usize) -> PairId {
    pairs()[number]
}

/// A well-supported partner, last seen long ago.
pub(crate) fn partner(number: usize, score: f32) -> Association {
    Association {
        pair: pair(number),
        kind: SourceKind::Update,
        score,
        probability: score,
        lift: 10.0,
        support: 50.0,
        lag: Duration::from_millis(3),
        last_seen: NOW - Duration::from_secs(3_600),
        chance: 0.01,
        followed: History::default(),
        came: History::default(),
        popularity: 10.0,
        expected: score,
    }
}

/// Who follows whom.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(HashMap<PairId, Vec<Association>>);

impl Neighbours {
    /// From `(first, second, score)`; of two scores for one edge the first holds.
    pub(crate) fn new(edges: &[(usize, usize, f32)]) -> Self {
        let mut rows = HashMap::<_, Vec<Association>>::new();
        for &(from, to, score) in edges {
            let row = rows.entry(pair(from)).or_default();
            if row.iter().all(|known| known.pair != pair(to)) {
                row.push(partner(to, score));
            }
        }
        Self(rows)
    }
}

impl Network for Neighbours {
    fn partners(&self, pair: PairId, out: &mut Vec<Association>) {
        out.extend(self.0.get(&pair).into_iter().flatten());
    }
}

/// The question "what to fetch after an update of [`SOURCE`] at [`NOW`]?".
pub(crate) fn context<'a>(
    partners: &'a [Association],
    network: &'a dyn Network,
    cap: usize,
) -> SelectionContext<'a> {
    SelectionContext {
        source: pair(SOURCE),
        kind: SourceKind::Update,
        now: NOW,
        partners,
        network,
        cap,
    }
}

/// What `rule` answers.
pub(crate) fn select_in(
    rule: &dyn SelectionStrategy,
    partners: &[Association],
    network: &dyn Network,
    cap: usize,
) -> Vec<Candidate> {
    let mut chosen = Vec::new();
    rule.select(&context(partners, network, cap), &mut chosen);
    chosen
}

/// What `rule` answers when no partner has partners.
pub(crate) fn select(
    rule: &dyn SelectionStrategy,
    partners: &[Association],
    cap: usize,
) -> Vec<Candidate> {
    select_in(rule, partners, &Neighbours::default(), cap)
}

/// The numbers and scores that `rule` answers without a cap.
pub(crate) fn chosen_by(
    rule: &dyn SelectionStrategy,
    partners: &[Association],
) -> Vec<(usize, f32)> {
    numbers(&select(rule, partners, usize::MAX))
}

/// Candidates as numbers and scores.
pub(crate) fn numbers<'a>(
    candidates: impl IntoIterator<Item = &'a Candidate>,
) -> Vec<(usize, f32)> {
    candidates
        .into_iter()
        .map(|candidate| (candidate.pair.index(), candidate.score))
        .collect()
}
