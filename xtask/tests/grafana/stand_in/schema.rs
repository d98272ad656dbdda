//! What a body must look like. Every field is named; another is refused.

mod boards;
mod notifications;
mod rules;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use boards::{Folder, SaveDashboard};
pub(super) use notifications::{Known, contact_point, mute_timing, policy_tree};
pub(super) use rules::rule_group;

/// A body of this type, or why it is none.
pub(crate) fn parse<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
    serde_json::from_value(body.clone()).map_err(|error| error.to_string())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// At most 40 letters, digits, `-` and `_`.
fn uid(text: &str) -> Result<(), String> {
    let fits = !text.is_empty()
        && text.len() <= 40
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    ensure(fits, || {
        format!("uid {text:?} is not 1 to 40 of a-z A-Z 0-9 - _")
    })
}

/// Milliseconds of `1h30m`.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("not a valid duration string: {text:?}");
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
    ];
    let (mut rest, mut total) = (text, 0);
    ensure(!text.is_empty(), wrong)?;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = units
            .iter()
            .find(|(name, _)| *name == &rest[..end])
            .ok_or_else(wrong)?;
        total += number * unit.1;
        rest = &rest[end..];
    }
    Ok(total)
}

/// As Prometheus' library writes a duration: `24h` is `1d`, `90s` is `1m30s`.
pub(super) fn shortest(text: &str) -> String {
    let mut rest = duration(text).expect("it was checked");
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (name, unit, whole_only) in [
        ("w", 604_800_000, true),
        ("d", 86_400_000, true),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ] {
        let fits = rest >= unit && (!whole_only || rest.is_multiple_of(unit));
        if fits {
            out += &format!("{}{name}", rest / unit);
            rest %= unit;
        }
    }
    out
}
