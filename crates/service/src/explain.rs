//! Why a pair is or isn't warmed: the engine's answer as figures and as a paragraph that one can
//! read aloud. Shared by HTTP, the Redis protocol and the command line.

mod words;

use forewarm_application::engine::{Explained, Explanation, Fate, Obstacle};
use forewarm_domain::{History, Key, Mode, PairName, Standing};
use serde::Serialize;

use crate::core::Core;

/// What is told of one pair.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) chain: String,
    pub(crate) pair: String,
    /// The key in L2, where it isn't UTF-8 with replacement characters.
    pub(crate) key: String,
    pub(crate) known: bool,
    pub(crate) in_l1: bool,
    pub(crate) mode: &'static str,
    pub(crate) strategy: &'static str,
    /// The least probability of being read in time that pays for a fetch now.
    pub(crate) price: f64,
    /// Partners that would be fetched now.
    pub(crate) would_warm: usize,
    /// Partners of partners besides.
    pub(crate) second_hops: usize,
    pub(crate) against: Vec<String>,
    pub(crate) partners: Vec<Row>,
    pub(crate) pointed_at_by: Vec<Source>,
    pub(crate) pairs_searched: usize,
    pub(crate) pairs_known: usize,
    pub(crate) words: String,
}

/// A partner.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) figures: Source,
    /// P(read in time | fetched now).
    pub(crate) expected: f64,
    /// The last predictions for this pair's events, newest first: did they come true?
    pub(crate) came_true: Vec<bool>,
    /// `would be warmed`, or the reason why not.
    pub(crate) state: String,
}

/// A pair and how strongly one's events point to the other.
#[derive(Debug, Serialize)]
pub(crate) struct Source {
    pub(crate) chain: String,
    pub(crate) pair: String,
    /// After which event: `update` or `read`.
    pub(crate) after: &'static str,
    pub(crate) score: f64,
    pub(crate) probability: f64,
    pub(crate) support: f64,
    pub(crate) lift: f64,
    pub(crate) lag_ms: f64,
    /// The last windows, newest first: was it read in them?
    pub(crate) followed: Vec<bool>,
    #[serde(skip)]
    pub(crate) key: Key,
}

/// The key that is meant by two words. What people and feeds call a pair comes first; but keys that
/// don't fit the template are learned too, and whoever asks for one has only its text.
pub(crate) fn resolve(core: &Core, chain: &str, pair: &str, name: &PairName) -> Key {
    let named = core.codec.key(name);
    if core.engine.knows(&named) {
        return named;
    }
    let database = core.codec.database();
    let plain = |text: String| core.codec.key_from_bytes(text.into(), database);
    let texts = match chain {
        "default" => vec![pair.to_owned()],
        chain => vec![format!("{chain}:{pair}"), format!("{chain}/{pair}")],
    };
    let known = texts
        .into_iter()
        .map(plain)
        .find(|key| core.engine.knows(key));
    known.unwrap_or(named)
}

/// The whole answer for `key`.
pub(crate) fn account(core: &Core, key: &Key) -> Account {
    let explanation = core.engine.explain(key, core.clock.now());
    let (chain, pair) = core.codec.pair(key);
    let mut account = Account {
        chain,
        pair,
        key: String::from_utf8_lossy(key.bytes()).into_owned(),
        known: explanation.known,
        in_l1: explanation.standing == Standing::Fresh,
        mode: explanation.mode.name(),
        strategy: explanation.strategy,
        price: rounded(explanation.price),
        would_warm: 0,
        second_hops: explanation.second_hops,
        against: against(core, key, &explanation),
        partners: explanation
            .partners
            .iter()
            .map(|partner| row(core, partner, &explanation))
            .collect(),
        pointed_at_by: explanation
            .sources
            .iter()
            .map(|source| figures(core, source))
            .collect(),
        pairs_searched: explanation.searched.0,
        pairs_known: explanation.searched.1,
        words: String::new(),
    };
    if account.against.is_empty() {
        let warmed = |partner: &&Explained| partner.fate == Fate::Warmed;
        account.would_warm = explanation.partners.iter().filter(warmed).count();
    }
    account.words = words::paragraph(&account);
    account
}

fn against(core: &Core, key: &Key, explanation: &Explanation) -> Vec<String> {
    let mut against: Vec<String> = explanation
        .obstacles
        .iter()
        .map(|obstacle| match obstacle {
            Obstacle::Mode(mode) => format!("the mode is {mode}"),
            Obstacle::NothingKnown => "nothing is known to be read after it yet".to_owned(),
            Obstacle::BreakerOpen => "the breaker before L2 is open".to_owned(),
            Obstacle::LinkDown => "changes in L2 go unheard, so L1 holds nothing".to_owned(),
            Obstacle::BudgetSpent => "the budget of extra L2 reads is spent".to_owned(),
            Obstacle::TurnedDown(reason) => format!("turned down: {reason}"),
        })
        .collect();
    if !core.may_cache(key) {
        against.push("keys.prefixes do not let it into L1".to_owned());
    }
    against
}

fn row(core: &Core, partner: &Explained, explanation: &Explanation) -> Row {
    let percent = |share: f32| format!("{:.0} %", share * 100.0);
    let state = match partner.fate {
        Fate::Warmed => "would be warmed".to_owned(),
        Fate::InL1 => "in L1".to_owned(),
        Fate::HeldBack => "would be warmed, were it not for what stands against it".to_owned(),
        Fate::Mode(Mode::Shadow) => "on the shadow side of the roll-out".to_owned(),
        Fate::Mode(_) => "its chain is off".to_owned(),
        Fate::NoRoom => "L1 is full of what is read more surely".to_owned(),
        Fate::NotChosen => match explanation.floor {
            Some(floor) if partner.association.score < floor => format!(
                "score below {}, the least that {} takes now",
                rounded(floor),
                explanation.strategy
            ),
            _ => format!("not among the best that {} takes", explanation.strategy),
        },
        Fate::NotWorthIt => format!(
            "read in time with a probability of {}, and a fetch costs {}",
            percent(partner.expected),
            percent(explanation.price)
        ),
    };
    Row {
        figures: figures(core, partner),
        expected: rounded(partner.expected),
        came_true: answers(partner.association.came),
        state,
    }
}

fn figures(core: &Core, of: &Explained) -> Source {
    let (chain, pair) = core.codec.pair(&of.key);
    let known = &of.association;
    Source {
        chain,
        pair,
        after: of.after.name(),
        score: rounded(known.score),
        probability: rounded(known.probability),
        support: rounded(known.support),
        lift: rounded(known.lift),
        lag_ms: (known.lag.as_secs_f64() * 1e6).round() / 1e3,
        followed: answers(known.followed),
        key: of.key.clone(),
    }
}

fn answers(history: History) -> Vec<bool> {
    history.answers().collect()
}

/// Three digits are enough for people, and none of f32's noise shows.
pub(crate) fn rounded(number: f32) -> f64 {
    (f64::from(number) * 1e3).round() / 1e3
}
