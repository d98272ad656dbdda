//! Whether Grafana already has what we would send.

use serde_json::Value;

/// Whether `have` says all that `want` says. Fields that only `have` has are its own defaults;
/// lists must have the same length; a null says nothing; `24h` and `1d` are the same.
pub(super) fn covers(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (_, Value::Null) => have.is_null(),
        (Value::Object(have), Value::Object(want)) => want
            .iter()
            .all(|(name, want)| covers(have.get(name).unwrap_or(&Value::Null), want)),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(have, want)| covers(have, want))
        }
        (Value::Number(have), Value::Number(want)) => have.as_f64() == want.as_f64(),
        (Value::String(have), Value::String(want)) => {
            have == want || milliseconds(have).is_some_and(|ms| milliseconds(want) == Some(ms))
        }
        // Go leaves empty lists and maps out.
        (Value::Null, Value::Array(want)) => want.is_empty(),
        (Value::Null, Value::Object(want)) => want.is_empty(),
        (Value::Null, Value::Bool(want)) => !want,
        _ => have == want,
    }
}

/// A duration as Prometheus writes it: `1h30m`, `1d`, `500ms`.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_server_are_no_difference() {
        let check = |have: Value, want: Value, expected| {
            assert_eq!(covers(&have, &want), expected, "{have} against {want}");
        };
        check(
            json!({"a": 1, "id": 7}),
            json!({"a": 1.0, "gone": null}),
            true,
        );
        check(json!({"a": 1}), json!({"a": 2}), false);
        check(json!({"a": 1}), json!({"a": 1, "b": "x"}), false);
        check(json!({"a": [1, 2]}), json!({"a": [1]}), false);
        check(
            json!({"a": "1d", "b": "5m0s"}),
            json!({"a": "24h", "b": "5m"}),
            true,
        );
        check(json!({"a": "1h"}), json!({"a": "1m"}), false);
        check(json!({}), json!({"a": [], "b": {}, "c": false}), true);
        check(json!({}), json!({"c": true}), false);
        check(json!({"a": 1}), json!({"a": null}), false);
        check(json!({"a": "x"}), json!({"a": "y"}), false);
    }
}
