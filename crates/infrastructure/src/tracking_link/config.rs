//! How the link is made and what it must keep to.

use std::time::Duration;

use crate::l2::redis::{RedisConfig, RedisConfigError};

/// Which ways of hearing of changes are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Client tracking; where the server has none keyspace notifications, if they are switched on
    /// there; else time to live alone.
    Auto,
    /// Client tracking or nothing: until the link stands L1 answers nothing.
    Tracking,
    /// Keyspace notifications or nothing.
    Keyspace,
}

/// How the link is made and what it must keep to.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The servers, and who we are there.
    pub redis: RedisConfig,
    /// Which ways are allowed.
    pub preference: Preference,
    /// Only keys that begin with one of these are told of; empty = every key.
    pub prefixes: Vec<String>,
    /// L1 answers this long after the last proof of life at most.
    pub max_staleness: Duration,
    /// How often a proof is asked for. At most half of `max_staleness`.
    pub ping_interval: Duration,
}

/// Why a link can never work.
#[derive(Debug, thiserror::Error)]
pub enum LinkConfigError {
    /// The server's address or credentials.
    #[error(transparent)]
    Redis(#[from] RedisConfigError),
    /// A single late answer would stop L1.
    #[error("the ping interval of {interval:?} is more than half of the bound of {bound:?}")]
    Interval {
        /// The interval.
        interval: Duration,
        /// The bound.
        bound: Duration,
    },
}

impl LinkConfig {
    pub(super) fn check(&self) -> Result<(), LinkConfigError> {
        let (interval, bound) = (self.ping_interval, self.max_staleness);
        if interval.is_zero() || interval * 2 > bound {
            return Err(LinkConfigError::Interval { interval, bound });
        }
        Ok(())
    }

    /// The prefixes without those that another one covers: the server refuses them. Empty = every
    /// key.
    pub(super) fn distinct_prefixes(&self) -> Vec<String> {
        let mut sorted = self.prefixes.clone();
        sorted.sort();
        let mut distinct: Vec<String> = Vec::new();
        for prefix in sorted {
            let covered = distinct.last().is_some_and(|last| prefix.starts_with(last));
            if !covered {
                distinct.push(prefix);
            }
        }
        if distinct.iter().any(String::is_empty) {
            distinct.clear();
        }
        distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(prefixes: &[&str]) -> LinkConfig {
        LinkConfig {
            redis: RedisConfig::new("redis://h"),
            preference: Preference::Auto,
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
            max_staleness: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
        }
    }

    #[test]
    fn prefixes_that_another_covers_are_left_out() {
        let check = |given: &[&str], kept: &[&str]| {
            assert_eq!(config(given).distinct_prefixes(), kept, "{given:?}");
        };
        check(&[], &[]);
        check(&["price:", "pool:"], &["pool:", "price:"]);
        check(
            &["price:eth:", "price:", "price:bsc:", "q"],
            &["price:", "q"],
        );
        check(&["a", "a"], &["a"]);
        check(&["a", ""], &[]);
    }

    #[test]
    fn one_missed_answer_must_not_stop_l1() {
        let mut slow = config(&[]);
        assert!(slow.check().is_ok());
        slow.ping_interval = Duration::from_secs(3);
        let text = slow.check().unwrap_err().to_string();
        assert!(text.contains("3s") && text.contains("5s"), "{text}");
        slow.ping_interval = Duration::ZERO;
        assert!(slow.check().is_err());
    }
}
