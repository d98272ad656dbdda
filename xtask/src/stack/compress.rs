//! Rules and routes in fast motion: every window, pending time and pause divided by a number.
//!
//! Figures are left alone, and so are texts: only what Prometheus and Alertmanager wait for
//! becomes shorter, so that a fault is seen in seconds that is otherwise seen in minutes.

use std::time::Duration;

use serde_json::{Value, json};

/// Nothing becomes shorter than this: a rate needs two samples.
const LEAST: Duration = Duration::from_secs(1);
/// Windows need several scrapes.
const LEAST_WINDOW: Duration = Duration::from_secs(6);

/// The fields that hold one duration.
const WAITS: [&str; 7] = [
    "for",
    "keep_firing_for",
    "interval",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "resolve_timeout",
];

/// The same document in fast motion.
pub(super) fn compressed(value: &Value, by: u32) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    (name, Value::String(text)) if WAITS.contains(&name) => {
                        json!(shorter(text, by, LEAST).unwrap_or_else(|| text.clone()))
                    }
                    ("expr", Value::String(text)) => json!(expression(text, by)),
                    (_, value) => compressed(value, by),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| compressed(item, by)).collect(),
        other => other.clone(),
    }
}

/// PromQL with shorter windows (`[5m]`, `[1h:1m]`) and offsets. Nothing else is a duration there;
/// text in quotes is left alone.
pub(crate) fn expression(text: &str, by: u32) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['[', '"', 'o']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').map_or(rest.len(), |end| end + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if let Some((window, after)) =
            rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            let parts = window.split(':').map(|part| {
                shorter(part.trim(), by, LEAST_WINDOW).unwrap_or_else(|| part.to_owned())
            });
            out.push_str(&format!("[{}]", parts.collect::<Vec<_>>().join(":")));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("offset ") {
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(after.len());
            let shown =
                shorter(&after[..end], by, LEAST).unwrap_or_else(|| after[..end].to_owned());
            out.push_str(&format!("offset {shown}"));
            rest = &after[end..];
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    out + rest
}

fn shorter(text: &str, by: u32, least: Duration) -> Option<String> {
    let long = duration(text)?;
    if long.is_zero() {
        return Some(text.to_owned());
    }
    let short = (long / by).max(least.min(long));
    Some(format!("{}ms", short.as_millis()))
}

/// A duration as Prometheus writes it.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, 0_u64);
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
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_become_shorter() {
        let check = |text, expected| assert_eq!(expression(text, 30), expected);
        check(
            "rate(x_5m{a=\"[5m]\"}[5m]) > 0.05",
            "rate(x_5m{a=\"[5m]\"}[10000ms]) > 0.05",
        );
        check(
            "max_over_time(x[1h:1m])",
            "max_over_time(x[120000ms:6000ms])",
        );
        check(
            "rate(x[1m] offset 1d) or job",
            "rate(x[6000ms] offset 2880000ms) or job",
        );
        check(
            "sum by (le) (forewarm:x:rate5m)",
            "sum by (le) (forewarm:x:rate5m)",
        );
        check("x[$__rate_interval]", "x[$__rate_interval]");
    }

    #[test]
    fn waits_become_shorter_and_texts_stay() {
        let rule = json!({"groups": [{"interval": "15s", "rules": [
            {"expr": "x[5m] > 5", "for": "10m", "annotations": {"summary": "for 5m"}}]}]});
        let expected = json!({"groups": [{"interval": "1000ms", "rules": [
            {"expr": "x[10000ms] > 5", "for": "20000ms", "annotations": {"summary": "for 5m"}}]}]});
        assert_eq!(compressed(&rule, 30), expected);
    }
}
