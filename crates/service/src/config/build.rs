//! From settings to the objects of the inner layers.

use std::time::Duration;

use forewarm_domain::{ChainMode, Mode, ModelConfig, Rollout, SelectionStrategy, WindowConfig};
use forewarm_infrastructure::KeyCodec;
use forewarm_infrastructure::l2::RedisConfig;
use forewarm_infrastructure::tls::TlsError;
use forewarm_infrastructure::tracking_link::{LinkConfig, Preference};
use forewarm_strategies as rules;
use forewarm_strategies::InvalidParameter;
use serde::de::DeserializeOwned;

use super::error::ConfigError;
use super::section::Section;
use super::sections::{Config, InvalidationMode, Redis, Tracking, Warming};
use super::strategies::Strategy;

impl Tracking {
    /// The model's bounds.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            window: WindowConfig {
                span: self.window.0,
                events: self.window_events,
            },
            half_life: self.half_life.0,
            max_pairs: self.max_pairs,
            max_partners: self.max_partners,
        }
    }
}

impl Warming {
    /// The rule in force.
    pub fn strategy(&self) -> Result<Box<dyn SelectionStrategy>, InvalidParameter> {
        self.build(self.strategy)
    }

    /// Any rule, with the parameters of its section.
    pub fn build(
        &self,
        strategy: Strategy,
    ) -> Result<Box<dyn SelectionStrategy>, InvalidParameter> {
        Ok(match strategy {
            Strategy::TopN => Box::new(rules::TopN::new(rules::TopNParameters {
                top_n: self.topn.top_n,
                min_score: self.topn.min_score,
            })?),
            Strategy::Threshold => Box::new(rules::Threshold::new(rules::ThresholdParameters {
                min_score: self.threshold.min_score,
                max_pairs: self.threshold.max_pairs,
            })?),
            Strategy::Aggressive => {
                Box::new(rules::Aggressive::new(rules::AggressiveParameters {
                    min_score: self.aggressive.min_score,
                    max_pairs: self.aggressive.max_pairs,
                })?)
            }
            Strategy::Conservative => {
                Box::new(rules::Conservative::new(rules::ConservativeParameters {
                    min_score: self.conservative.min_score,
                    max_pairs: self.conservative.max_pairs,
                    min_support: self.conservative.min_support,
                })?)
            }
            Strategy::Adaptive => Box::new(rules::Adaptive::new(rules::AdaptiveParameters {
                target_hit_rate: self.adaptive.target_hit_rate,
                min_pairs: self.adaptive.min_pairs,
                max_pairs: self.adaptive.max_pairs,
                min_score: self.adaptive.min_score,
                adjustment: self.adaptive.adjustment,
            })?),
            Strategy::TimeBased => Box::new(rules::TimeBased::new(rules::TimeBasedParameters {
                recency_weight: self.timebased.recency_weight,
                correlation_weight: self.timebased.correlation_weight,
                recency_window: self.timebased.recency_window.0,
                top_n: self.timebased.top_n,
                min_score: self.timebased.min_score,
            })?),
        })
    }
}

impl Config {
    /// The modes to begin with.
    pub fn rollout(&self, codec: &KeyCodec) -> Rollout {
        let default = ChainMode {
            mode: Mode::from(self.warming.mode),
            percent: self.rollout.percent,
        };
        let chains = self.rollout.chains.iter().map(|(name, setting)| {
            let setting = ChainMode {
                mode: Mode::from(setting.mode),
                percent: setting.percent,
            };
            (codec.chain_id(name), setting)
        });
        Rollout {
            default,
            chains: chains.collect(),
        }
    }

    /// The link to Redis over which L1 learns of changes. Reads the files of its TLS.
    pub fn link(&self) -> Result<LinkConfig, TlsError> {
        Ok(LinkConfig {
            redis: self.l2.redis.connection(self.l2.demand_timeout.0)?,
            preference: match self.invalidation.mode {
                InvalidationMode::Tracking => Preference::Tracking,
                InvalidationMode::Keyspace => Preference::Keyspace,
                InvalidationMode::Auto | InvalidationMode::Ttl => Preference::Auto,
            },
            prefixes: self.keys.prefixes.clone(),
            max_staleness: self.invalidation.max_staleness.0,
            ping_interval: self.invalidation.ping_interval.0,
        })
    }

    /// The time to live of values that have none; `None` = for ever.
    pub fn default_ttl(&self) -> Option<Duration> {
        Some(self.l1.default_ttl.0).filter(|ttl| !ttl.is_zero())
    }

    /// How long a key that L2 does not have is believed missing; `None` = not at all.
    pub fn negative_ttl(&self) -> Option<Duration> {
        Some(self.l1.negative_ttl.0).filter(|ttl| !ttl.is_zero())
    }
}

impl Redis {
    /// The connection, with `timeout` for a command. Reads the files of its TLS.
    pub fn connection(&self, timeout: Duration) -> Result<RedisConfig, TlsError> {
        let mut connection = RedisConfig::new(self.url.reveal());
        connection.username = self.user.clone();
        connection.password = self
            .password
            .as_ref()
            .map(|secret| secret.reveal().to_owned());
        connection.tls = self.client_tls()?;
        connection.pool_size = self.pool_size;
        connection.connect_timeout = self.connect_timeout.0;
        connection.command_timeout = timeout;
        Ok(connection)
    }
}

impl Warming {
    /// These settings with another rule in force and some of its parameters changed, as
    /// `{name: value}`; ranges are checked.
    pub fn with_strategy(
        &self,
        strategy: Strategy,
        parameters: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, ConfigError> {
        let mut changed = self.clone();
        changed.strategy = strategy;
        let name = strategy.name();
        match strategy {
            Strategy::TopN => merge(&mut changed.topn, name, parameters)?,
            Strategy::Threshold => merge(&mut changed.threshold, name, parameters)?,
            Strategy::Aggressive => merge(&mut changed.aggressive, name, parameters)?,
            Strategy::Conservative => merge(&mut changed.conservative, name, parameters)?,
            Strategy::Adaptive => merge(&mut changed.adaptive, name, parameters)?,
            Strategy::TimeBased => merge(&mut changed.timebased, name, parameters)?,
        }
        Ok(changed)
    }
}

/// Puts `parameters` over a section's values, key by key.
fn merge<S: Section + DeserializeOwned>(
    section: &mut S,
    name: &str,
    parameters: serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let origin = "the request";
    let refused = |key: &str, problem: String, allowed: &str| ConfigError::Value {
        key: format!("warming.{name}.{key}"),
        origin: origin.to_owned(),
        problem,
        allowed: allowed.to_owned(),
    };
    let mut whole = serde_json::Map::new();
    let mut allowed = Vec::new();
    section.visit("", &mut |setting| {
        // Settings are shown as TOML; numbers and quoted texts read the same as JSON.
        let value = setting.value.as_deref().map(serde_json::from_str);
        if let Some(Ok(value)) = value {
            whole.insert(setting.key.clone(), value);
        }
        allowed.push((setting.key, setting.allowed));
    });
    for (key, value) in parameters {
        if !allowed.iter().any(|(known, _)| *known == key) {
            let known: Vec<_> = allowed.iter().map(|(known, _)| known.as_str()).collect();
            let problem = "there is no such parameter".to_owned();
            return Err(refused(&key, problem, &known.join(", ")));
        }
        whole.insert(key, value);
    }
    let read: S = serde_json::from_value(serde_json::Value::Object(whole))
        .map_err(|error| refused("*", error.to_string(), "see docs/configuration.md"))?;
    let mut outside = None;
    read.visit("", &mut |setting| {
        if !setting.within && outside.is_none() {
            outside = Some(setting);
        }
    });
    if let Some(setting) = outside {
        let problem = format!("{} is out of range", setting.value.unwrap_or_default());
        return Err(refused(&setting.key, problem, &setting.allowed));
    }
    *section = read;
    Ok(())
}
