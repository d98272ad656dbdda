//! What a parameter may be.

/// Why a rule cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{name} is {value}, allowed is {allowed}")]
pub struct InvalidParameter {
    /// The parameter.
    pub name: &'static str,
    /// What it was set to.
    pub value: f64,
    /// What it may be.
    pub allowed: &'static str,
}

/// Refuses `value` unless `holds`; not-a-number never holds for a comparison.
pub(crate) fn require(
    holds: bool,
    name: &'static str,
    value: f64,
    allowed: &'static str,
) -> Result<(), InvalidParameter> {
    if holds {
        Ok(())
    } else {
        Err(InvalidParameter {
            name,
            value,
            allowed,
        })
    }
}

/// A score: 0 takes everything, 1 takes only certainties.
pub(crate) fn require_score(name: &'static str, value: f32) -> Result<(), InvalidParameter> {
    let holds = (0.0..=1.0).contains(&value);
    require(holds, name, readable(value), "0 to 1")
}

/// A number of pairs; to choose none, switch warming off.
pub(crate) fn require_pairs(name: &'static str, value: usize) -> Result<(), InvalidParameter> {
    require(value >= 1, name, value as f64, "1 or more")
}

/// `value` as people wrote it: 0.3 rather than 0.30000001192.
pub(crate) fn readable(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_parameter_its_value_and_what_is_allowed() {
        let refused = require_score("min_score", 1.3).unwrap_err();
        assert_eq!(refused.to_string(), "min_score is 1.3, allowed is 0 to 1");
        assert!(require_pairs("top_n", 0).is_err());
    }

    #[test]
    fn both_ends_are_allowed_and_not_a_number_is_not() {
        assert_eq!(require_score("min_score", 0.0), Ok(()));
        assert_eq!(require_score("min_score", 1.0), Ok(()));
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(require_score("min_score", bad).is_err(), "{bad}");
        }
    }
}
