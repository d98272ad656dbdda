//! Why a configuration is refused.

use std::path::PathBuf;

/// Why a configuration is refused. Each message names the key, where it was set and what is
/// allowed, so that it can be mended without a look at the documentation.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// Which file.
        origin: String,
        /// Where and why, in the parser's words.
        message: String,
    },
    /// There is no such preset.
    #[error("unknown preset {name:?}, expected one of {expected}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// What there is.
        expected: String,
    },
    /// `--set` without a key or a value.
    #[error("--set {text:?} is not of the form key.path=value, as in --set warming.mode=shadow")]
    BadSet {
        /// What was given.
        text: String,
    },
    /// There is no such setting.
    #[error("unknown setting `{key}` in {origin}{}", suggested(.suggestion))]
    Unknown {
        /// The whole key.
        key: String,
        /// Where it was set.
        origin: String,
        /// The nearest setting that exists, if one is near.
        suggestion: Option<String>,
    },
    /// The value is of the wrong kind or unreadable.
    #[error("`{key}` in {origin}: {problem}; allowed: {allowed}")]
    Value {
        /// The whole key.
        key: String,
        /// Where it was set.
        origin: String,
        /// What is wrong with it, the value named.
        problem: String,
        /// What would be right.
        allowed: String,
    },
    /// Two settings contradict each other.
    #[error(
        "`{larger}` = {larger_value} ({larger_origin}) must be at least `{smaller}` = \
         {smaller_value} ({smaller_origin})"
    )]
    Disagree {
        /// The key that must be at least the other.
        larger: String,
        /// Its value.
        larger_value: usize,
        /// Where it was set.
        larger_origin: String,
        /// The other key.
        smaller: String,
        /// Its value.
        smaller_value: usize,
        /// Where it was set.
        smaller_origin: String,
    },
    /// An interface would be open to others without a secret.
    #[error(
        "`{section}.addr` = {addr:?} ({origin}) is reachable from other machines, but no \
         `{section}.{secret}` is set: whoever reaches the port could write prices. Set \
         {section}.{secret} (or {section}.{secret}_file), listen on 127.0.0.1, or allow it with \
         {section}.allow_unauthenticated = true"
    )]
    Exposed {
        /// `http` or `resp`.
        section: &'static str,
        /// What it asks for: `token` or `password`.
        secret: &'static str,
        /// The address.
        addr: String,
        /// Where it was set.
        origin: String,
    },
}

fn suggested(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}
