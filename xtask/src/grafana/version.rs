//! Versions of Grafana, and what they know.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Unified alerting's provisioning API is complete from here on.
pub(super) const OLDEST: Version = Version { major: 9, minor: 0 };
/// The first that knows `keep_firing_for` and `missingSeriesEvalsToResolve`.
const KEEPS_FIRING: Version = Version {
    major: 12,
    minor: 0,
};

/// `major.minor` of a Grafana.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Takes `11.4`, `11.4.0`, `12.0.0-85518` and `13`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no version: expected MAJOR[.MINOR], as in 11.4");
        let mut parts = text.split(['.', '-', '+']);
        let mut number = |missing: Option<u32>| match parts.next() {
            Some(part) => part.parse().map_err(|_| wrong()),
            None => missing.ok_or_else(wrong),
        };
        Ok(Self {
            major: number(None)?,
            minor: number(Some(0))?,
        })
    }
}

impl Version {
    /// Takes out of a rule what this version doesn't know: an older one would drop it silently
    /// and every later run would see a difference.
    pub(super) fn fit(self, rule: &mut Value) {
        if self < KEEPS_FIRING
            && let Some(fields) = rule.as_object_mut()
        {
            fields.remove("keep_firing_for");
            fields.remove("missingSeriesEvalsToResolve");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_are_read_as_grafana_writes_them() {
        let check = |text: &str, major, minor| {
            assert_eq!(text.parse(), Ok(Version { major, minor }), "{text}");
        };
        check("11.4.0", 11, 4);
        check("12.0.0-85518", 12, 0);
        check("13", 13, 0);
        for wrong in ["", "x", "11.x", "v"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
        assert!("9.0.0".parse() >= Ok(OLDEST));
        assert!("8.5.27".parse() < Ok(OLDEST));
        assert!("11.10".parse::<Version>() > "11.9".parse());
    }

    #[test]
    fn an_older_version_gets_only_the_fields_that_it_knows() {
        let rule = json!({"uid": "a", "keep_firing_for": "5m", "missingSeriesEvalsToResolve": 2});
        let mut old = rule.clone();
        Version {
            major: 11,
            minor: 4,
        }
        .fit(&mut old);
        assert_eq!(old, json!({"uid": "a"}));
        let mut new = rule.clone();
        Version {
            major: 13,
            minor: 0,
        }
        .fit(&mut new);
        assert_eq!(new, rule);
    }
}
