//! What stands in the file for one value.
//!
//! ```text
//! format 1 B · flags 1 B · crc32 4 B · [version 8 B] · [expires_ms 8 B] · value
//! ```
//! Numbers are little-endian. The checksum covers the key and everything after itself.

use forewarm_application::ports::Stored;
use forewarm_domain::{Timestamp, Version, compact};

const FORMAT: u8 = 1;
const HAS_VERSION: u8 = 1;
const HAS_EXPIRY: u8 = 2;
const HEADER: usize = 6;

/// A value as it was read, borrowed from the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) version: Option<Version>,
    pub(super) expires: Option<Timestamp>,
    pub(super) value: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn write(&self, key: &[u8]) -> Vec<u8> {
        let mut raw = Vec::with_capacity(HEADER + 16 + self.value.len());
        let flags = u8::from(self.version.is_some()) * HAS_VERSION
            + u8::from(self.expires.is_some()) * HAS_EXPIRY;
        raw.extend([FORMAT, flags, 0, 0, 0, 0]);
        if let Some(version) = self.version {
            raw.extend(version.0.to_le_bytes());
        }
        if let Some(expires) = self.expires {
            raw.extend(expires.as_millis().to_le_bytes());
        }
        raw.extend(self.value);
        let sum = checksum(key, flags, &raw[HEADER..]);
        raw[2..HEADER].copy_from_slice(&sum.to_le_bytes());
        raw
    }

    pub(super) fn read(key: &[u8], raw: &'a [u8]) -> Result<Self, String> {
        let short = || format!("{} bytes are too few for a value", raw.len());
        let (header, mut rest) = raw.split_first_chunk::<HEADER>().ok_or_else(short)?;
        let [format, flags, sum @ ..] = *header;
        if format != FORMAT {
            return Err(format!(
                "value format {format}, this version reads {FORMAT}"
            ));
        }
        if checksum(key, flags, rest) != u32::from_le_bytes(sum) {
            return Err("its checksum doesn't match".to_owned());
        }
        let mut number = |flag| -> Result<Option<u64>, String> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let (number, after) = rest.split_first_chunk::<8>().ok_or_else(short)?;
            rest = after;
            Ok(Some(u64::from_le_bytes(*number)))
        };
        let version = number(HAS_VERSION)?.map(Version);
        let expires = number(HAS_EXPIRY)?.map(Timestamp::from_millis);
        Ok(Self {
            version,
            expires,
            value: rest,
        })
    }

    /// Whether it looks expired, by its header alone: no checksum over a large value.
    pub(super) fn seems_expired(raw: &[u8], now: Timestamp) -> bool {
        let Some((&[_, flags, ..], rest)) = raw.split_first_chunk::<HEADER>() else {
            return false;
        };
        let skip = if flags & HAS_VERSION == 0 { 0 } else { 8 };
        let expires = rest.get(skip..).and_then(<[u8]>::first_chunk::<8>);
        flags & HAS_EXPIRY != 0
            && expires.is_some_and(|ms| Timestamp::from_millis(u64::from_le_bytes(*ms)) <= now)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The value as the port gives it, copied out of the page.
    pub(super) fn stored(&self, now: Timestamp) -> Stored {
        Stored {
            value: compact(self.value),
            version: self.version,
            ttl: self.expires.map(|expires| expires.since(now)),
        }
    }
}

fn checksum(key: &[u8], flags: u8, rest: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&(key.len() as u64).to_le_bytes());
    sum.update(key);
    sum.update(&[flags]);
    sum.update(rest);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_flipped_bit_is_noticed(
            key in prop::collection::vec(any::<u8>(), 0..8),
            value in prop::collection::vec(any::<u8>(), 0..32),
            version in any::<Option<u64>>(),
            expires in prop::option::of(0u64..1 << 50),
            flip in any::<prop::sample::Index>(),
        ) {
            let envelope = Envelope {
                version: version.map(Version),
                expires: expires.map(Timestamp::from_millis),
                value: &value,
            };
            let mut raw = envelope.write(&key);
            prop_assert_eq!(Envelope::read(&key, &raw).unwrap(), envelope);
            let now = Timestamp::from_millis(1 << 40);
            prop_assert_eq!(Envelope::seems_expired(&raw, now), envelope_expires(expires, now));
            let bit = flip.index(raw.len() * 8);
            raw[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Envelope::read(&key, &raw).is_err());
        }
    }

    fn envelope_expires(ms: Option<u64>, now: Timestamp) -> bool {
        ms.is_some_and(|ms| Timestamp::from_millis(ms) <= now)
    }

    #[test]
    fn a_value_under_another_key_is_refused() {
        let raw = Envelope {
            version: None,
            expires: None,
            value: b"7",
        }
        .write(b"a");
        assert!(Envelope::read(b"b", &raw).unwrap_err().contains("checksum"));
        assert!(
            Envelope::read(b"a", &raw[..3])
                .unwrap_err()
                .contains("too few")
        );
    }
}
