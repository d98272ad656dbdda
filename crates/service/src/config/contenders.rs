//! Who plays in the contest of strategies: a word, or a list of names.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Unexpected, Visitor};

use super::section::{Value, quoted};
use super::strategies::Strategy;

/// Who plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contenders {
    /// Every strategy, while the mode is shadow.
    Auto,
    /// Every strategy, whatever the mode.
    All,
    /// These, whatever the mode.
    These(Vec<Strategy>),
}

impl Contenders {
    /// The strategies, each once.
    pub fn strategies(&self) -> Vec<Strategy> {
        match self {
            Self::These(list) => list.clone(),
            Self::Auto | Self::All => Strategy::NAMES
                .iter()
                .filter_map(|name| Strategy::from_name(name))
                .collect(),
        }
    }
}

impl Value for Contenders {
    fn allowed() -> String {
        "`auto`, `all` or a list of strategies".to_owned()
    }
    fn show(&self) -> Option<String> {
        Some(match self {
            Self::Auto => quoted("auto"),
            Self::All => quoted("all"),
            Self::These(list) => {
                let names: Vec<_> = list.iter().map(|rule| quoted(rule.name())).collect();
                format!("[{}]", names.join(", "))
            }
        })
    }
}

impl<'de> Deserialize<'de> for Contenders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrList)
    }
}

struct WordOrList;

impl<'de> Visitor<'de> for WordOrList {
    type Value = Contenders;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Strategy::NAMES.join(", ");
        write!(f, "\"auto\", \"all\" or a list of some of {names}")
    }

    /// Also `topn,adaptive`, as on the command line of a replay.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Contenders, E> {
        match text {
            "auto" => Ok(Contenders::Auto),
            "all" => Ok(Contenders::All),
            list => list
                .split(',')
                .try_fold(Vec::new(), |chosen, name| with(chosen, name.trim()))
                .map(Contenders::These),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Contenders, A::Error> {
        let mut chosen = Vec::new();
        while let Some(name) = items.next_element::<String>()? {
            chosen = with(chosen, &name)?;
        }
        Ok(Contenders::These(chosen))
    }
}

fn with<E: de::Error>(mut chosen: Vec<Strategy>, name: &str) -> Result<Vec<Strategy>, E> {
    let strategy = Strategy::from_name(name)
        .ok_or_else(|| E::invalid_value(Unexpected::Str(name), &WordOrList))?;
    if !chosen.contains(&strategy) {
        chosen.push(strategy);
    }
    Ok(chosen)
}
