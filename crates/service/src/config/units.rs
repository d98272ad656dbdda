//! Durations and sizes as people write them: `50ms`, `10m`, `64MiB`; and what must stay hidden.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A duration, written as numbers with the units `us`, `ms`, `s`, `m`, `h`, `d`: `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

/// Unit and its microseconds, largest first.
const SPAN_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// The text is not a duration or not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct UnitError {
    text: String,
    what: &'static str,
}

const A_SPAN: &str = "duration such as 50ms, 1s or 10m";
const A_SIZE: &str = "size such as 512KiB, 64MiB or 4096 (bytes)";

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            text: text.to_owned(),
            what: A_SPAN,
        };
        let (mut rest, mut micros) = (text.trim(), 0_u64);
        if rest.is_empty() {
            return Err(error());
        }
        while !rest.is_empty() {
            let (number, after) = split_at(rest, |c| !c.is_ascii_digit() && c != '.');
            let (unit, after) = split_at(after, |c| c.is_ascii_digit() || c == ' ');
            let (_, scale) = SPAN_UNITS
                .into_iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(error)?;
            let part = scaled(number, scale).ok_or_else(error)?;
            micros = micros.checked_add(part).ok_or_else(error)?;
            rest = after.trim_start();
        }
        Ok(Self(Duration::from_micros(micros)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        if micros == 0 {
            return f.write_str("0s");
        }
        let exact = SPAN_UNITS
            .into_iter()
            .find(|(_, scale)| micros % scale == 0);
        let (unit, scale) = exact.unwrap_or(("us", 1));
        write!(f, "{}{unit}", micros / scale)
    }
}

/// A number of bytes, written with `KiB`, `MiB`, `GiB`, `TiB` (or `KB`, `MB`, `GB`, `TB` for
/// powers of ten) or as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// So many kibibytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The bytes as the machine's word.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const BINARY_SIZES: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];
const OTHER_SIZES: [(&str, u64); 6] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

impl FromStr for Size {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            text: text.to_owned(),
            what: A_SIZE,
        };
        let (number, unit) = split_at(text.trim(), |c| !c.is_ascii_digit() && c != '.');
        let unit = unit.trim();
        let mut units = BINARY_SIZES.into_iter().chain(OTHER_SIZES);
        let (_, scale) = units
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .ok_or_else(error)?;
        scaled(number, scale).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = BINARY_SIZES
            .into_iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale));
        let (unit, scale) = exact.unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// `number` (decimals allowed) times `scale`; `None` when it is no number or too large.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    (value.is_finite() && value < 9.0e18).then_some(value.round() as u64)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a {A_SPAN}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a {A_SIZE}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                let negative = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
                u64::try_from(bytes).map(Size).map_err(|_| negative())
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// A text that is never shown: `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address of a server, in which a password is shown as `***`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with whatever it holds.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.0.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@')?;
            let (name, _) = user.split_once(':')?;
            Some(format!("{scheme}://{name}:***@{host}"))
        });
        f.write_str(masked.as_deref().unwrap_or(&self.0))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_in_their_largest_exact_unit() {
        for (text, millis, shown) in [
            ("50ms", 50, "50ms"),
            ("1s", 1_000, "1s"),
            ("1000ms", 1_000, "1s"),
            ("10m", 600_000, "10m"),
            ("1m30s", 90_000, "90s"),
            ("1h 30m", 5_400_000, "90m"),
            ("0.5s", 500, "500ms"),
            ("0s", 0, "0s"),
            ("2d", 172_800_000, "2d"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span, Span::millis(millis), "{text}");
            assert_eq!(span.to_string(), shown);
        }
        for text in [
            "",
            "50",
            "ms",
            "5 years",
            "-1s",
            "1s-",
            "1.2.3s",
            "99999999999999d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn sizes_are_read_and_printed_in_their_largest_exact_unit() {
        for (text, bytes, shown) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("1.5 KiB", 1536, "1536B"),
            ("4096", 4096, "4KiB"),
            ("1MB", 1_000_000, "1000000B"),
            ("2gib", 2 << 30, "2GiB"),
            ("0", 0, "0B"),
        ] {
            let size: Size = text.parse().expect(text);
            assert_eq!(size, Size(bytes), "{text}");
            assert_eq!(size.to_string(), shown);
        }
        for text in ["", "MiB", "64 megs", "-1", "99999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let url = ServerUrl::new("redis://ann:s3cret@cache:6379/1");
        assert_eq!(
            format!("{url} {url:?}"),
            "redis://ann:***@cache:6379/1 redis://ann:***@cache:6379/1"
        );
        assert_eq!(ServerUrl::new("redis://cache").to_string(), "redis://cache");
        assert_eq!(
            format!("{:?} {}", Secret::new("s3cret"), Secret::new("s3cret")),
            "*** ***"
        );
    }
}
