//! The layers: where values come from, merged by figment, each with its origin.

use std::path::PathBuf;

use figment::error::Kind;
use figment::value::{Dict, Map, Value as Raw};
use figment::{Figment, Metadata, Profile, Provider};

use super::check;
use super::error::ConfigError;
use super::presets::PRESETS;
use super::section::{Section, Setting, join};
use super::sections::Config;

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A preset's name.
    pub preset: Option<String>,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; only `FOREWARM_…` with `__` between levels count.
    pub env: Vec<(String, String)>,
    /// `key.path=value`, the last one wins.
    pub set: Vec<String>,
}

impl Sources {
    /// With the environment of this process.
    pub fn with_process_env(mut self) -> Self {
        self.env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        self
    }
}

/// A checked configuration that knows where each value came from.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The values.
    pub config: Config,
    figment: Figment,
}

impl Effective {
    /// Where a setting's value came from: `default`, `preset NAME`, the file, `env NAME` or
    /// `--set`.
    pub fn origin(&self, key: &str) -> String {
        origin(&self.figment, key)
    }

    /// Whether somebody set it (a preset counts).
    pub fn is_set(&self, key: &str) -> bool {
        self.origin(key) != DEFAULT
    }
}

pub(super) const DEFAULT: &str = "default";

pub(super) fn origin(figment: &Figment, key: &str) -> String {
    // An element of a list comes from where its list comes from.
    let key = key.split('[').next().unwrap_or(key);
    figment
        .find_metadata(key)
        .map_or_else(|| DEFAULT.to_owned(), |found| found.name.to_string())
}

/// Reads, merges and checks.
pub fn load(sources: &Sources) -> Result<Effective, ConfigError> {
    let schema = schema();
    let mut figment = Figment::new();
    for layer in layers(sources, &schema)? {
        check_known(&layer.values, ("", ""), &layer.origin, &schema)?;
        figment = figment.merge(layer);
    }
    let mut config: Config = figment.extract().map_err(|error| refused(error, &schema))?;
    check::read_secret_files(&mut config, &figment)?;
    check::check(&config, &figment)?;
    Ok(Effective { config, figment })
}

/// Every setting that may be given.
pub(super) fn schema() -> Vec<Setting> {
    let mut schema = Vec::new();
    Config::describe("", &mut |setting| schema.push(setting));
    schema
}

struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }
    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn layers(sources: &Sources, schema: &[Setting]) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    if let Some(name) = &sources.preset {
        let Some((name, _, text)) = PRESETS.iter().find(|(known, _, _)| known == name) else {
            let names: Vec<_> = PRESETS.iter().map(|(known, _, _)| *known).collect();
            return Err(ConfigError::UnknownPreset {
                name: name.clone(),
                expected: names.join(", "),
            });
        };
        layers.push(from_toml(text, format!("preset {name}"))?);
    }
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        layers.push(from_toml(&text, path.display().to_string())?);
    }
    let mut env: Vec<_> = sources.env.iter().collect();
    env.sort();
    for (name, value) in env {
        if let Some(key) = env_key(name) {
            layers.push(one_value(&key, value, format!("env {name}"), schema));
        }
    }
    for text in &sources.set {
        let split = text.split_once('=').map(|(key, value)| (key.trim(), value));
        let Some((key, value)) = split.filter(|(key, _)| !key.is_empty()) else {
            return Err(ConfigError::BadSet { text: text.clone() });
        };
        layers.push(one_value(key, value, "--set".to_owned(), schema));
    }
    Ok(layers)
}

/// `FOREWARM_L2__REDIS__URL` → `l2.redis.url`; `None` for a variable that is not configuration.
fn env_key(name: &str) -> Option<String> {
    let rest = name.strip_prefix("FOREWARM_")?;
    rest.contains("__")
        .then(|| rest.to_lowercase().replace("__", "."))
}

fn from_toml(text: &str, origin: String) -> Result<Layer, ConfigError> {
    let syntax = |message: String| ConfigError::Syntax {
        origin: origin.clone(),
        message: message.trim_end().to_owned(),
    };
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| syntax(e.to_string()))?;
    match Raw::serialize(&table).map_err(|e| syntax(e.to_string()))? {
        Raw::Dict(_, values) => Ok(Layer { origin, values }),
        _ => Ok(Layer {
            origin,
            values: Dict::new(),
        }),
    }
}

fn one_value(key: &str, text: &str, origin: String, schema: &[Setting]) -> Layer {
    let is_text = schema
        .iter()
        .any(|setting| setting.text && matches(&setting.key, key));
    let value = if is_text {
        Raw::from(unquoted(text))
    } else {
        parsed(text)
    };
    let mut parts: Vec<_> = key.split('.').collect();
    let last = parts.pop().unwrap_or(key);
    let mut values = Dict::from([(last.to_owned(), value)]);
    for part in parts.into_iter().rev() {
        values = Dict::from([(part.to_owned(), Raw::from(values))]);
    }
    Layer { origin, values }
}

/// Text may be quoted as in TOML, or not.
fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// Numbers, booleans, lists and tables as TOML writes them; anything else is text.
fn parsed(text: &str) -> Raw {
    let table: Result<toml::Table, _> = format!("value = {text}").parse();
    let value = table.ok().and_then(|mut table| table.remove("value"));
    value
        .and_then(|value| Raw::serialize(value).ok())
        .unwrap_or_else(|| Raw::from(text))
}

/// Whether a key is one that `pattern` (with `*` and `[]`) stands for.
fn matches(pattern: &str, key: &str) -> bool {
    let (mut pattern, mut key) = (pattern.split('.'), key.split('.'));
    loop {
        match (pattern.next(), key.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
}

/// `place` is where `values` stand: in the schema's words and in the user's.
fn check_known(
    values: &Dict,
    place: (&str, &str),
    origin: &str,
    schema: &[Setting],
) -> Result<(), ConfigError> {
    let begins = |prefix: &String| {
        let inside = format!("{prefix}.");
        schema
            .iter()
            .any(|setting| setting.key.starts_with(&inside))
    };
    for (name, value) in values {
        let (exact, shown) = (join(place.0, name), join(place.1, name));
        if schema.iter().any(|setting| setting.key == exact) {
            continue;
        }
        let inner = [exact.clone(), join(place.0, "*"), format!("{exact}[]")]
            .into_iter()
            .find(begins);
        let Some(inner) = inner else {
            return Err(ConfigError::Unknown {
                suggestion: nearest(&exact, schema),
                key: shown,
                origin: origin.to_owned(),
            });
        };
        match value {
            Raw::Dict(_, dict) => check_known(dict, (&inner, &shown), origin, schema)?,
            Raw::Array(_, items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Raw::Dict(_, dict) = item {
                        let shown = format!("{shown}[{index}]");
                        check_known(dict, (&inner, &shown), origin, schema)?;
                    }
                }
            }
            // A section that is given a plain value: the extraction says what was expected.
            _ => {}
        }
    }
    Ok(())
}

/// The known key nearest to a mistyped one, if it is near.
fn nearest(key: &str, schema: &[Setting]) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for setting in schema {
        names.push(setting.key.clone());
        let ends = setting.key.match_indices('.').map(|(at, _)| at);
        names.extend(ends.map(|at| setting.key[..at].trim_end_matches("[]").to_owned()));
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |name: &String| {
        let whole = strsim::damerau_levenshtein(name, key);
        // The right name in the wrong section is near too, and so is a name cut short.
        let near = last(name) == last(key) || name.starts_with(key);
        if near { whole.min(3) } else { whole }
    };
    names
        .into_iter()
        .map(|name| (distance(&name), name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}

/// An error of the extraction in our words.
fn refused(error: figment::Error, schema: &[Setting]) -> ConfigError {
    let key = error.path.join(".");
    let origin = error
        .metadata
        .as_ref()
        .map_or_else(|| DEFAULT.to_owned(), |found| found.name.to_string());
    let setting = schema.iter().find(|setting| matches(&setting.key, &key));
    let allowed = setting.map_or_else(
        || "see docs/configuration.md".to_owned(),
        |s| s.allowed.clone(),
    );
    let problem = match &error.kind {
        // The choices follow as what is allowed.
        Kind::UnknownVariant(found, _) => format!("{found:?} is none of the choices"),
        kind => kind.to_string(),
    };
    ConfigError::Value {
        problem,
        key,
        origin,
        allowed,
    }
}
