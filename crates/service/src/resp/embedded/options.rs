//! The options of SET and GETEX, and times as commands write them.

use bytes::Bytes;
use forewarm_domain::Timestamp;

use super::{Refusal, integer, syntax_error};

/// When a value is to end, as a command says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) amount: i64,
    pub(super) unit_ms: i64,
    /// Counted from the epoch, not from now.
    pub(super) absolute: bool,
}

impl End {
    /// The moment, for a value that must end in the future; in the past counts for an absolute
    /// one.
    pub(super) fn of_value(self, now: Timestamp, command: &str) -> Result<Timestamp, Refusal> {
        let invalid = || format!("ERR invalid expire time in '{command}' command");
        if self.amount <= 0 {
            return Err(invalid());
        }
        let base = if self.absolute {
            0
        } else {
            now.as_millis() as i64
        };
        let at = self
            .amount
            .checked_mul(self.unit_ms)
            .and_then(|ms| ms.checked_add(base));
        let at = at
            .and_then(|ms| u64::try_from(ms).ok())
            .ok_or_else(invalid)?;
        Ok(Timestamp::from_millis(at))
    }

    /// The moment, for EXPIRE and its like: any, the past included, where it deletes.
    pub(super) fn of_key(self, now: Timestamp, command: &str) -> Result<i64, Refusal> {
        let invalid = || format!("ERR invalid expire time in '{command}' command");
        let base = if self.absolute {
            0
        } else {
            now.as_millis() as i64
        };
        let at = self
            .amount
            .checked_mul(self.unit_ms)
            .and_then(|ms| ms.checked_add(base));
        at.ok_or_else(invalid)
    }
}

/// What SET and GETEX may be told besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Options {
    pub(super) only_new: bool,
    pub(super) only_held: bool,
    pub(super) get: bool,
    pub(super) keep_ttl: bool,
    pub(super) persist: bool,
    pub(super) end: Option<End>,
}

impl Options {
    /// Reads the words behind the value (SET) or the key (GETEX).
    pub(super) fn read(words: &[Bytes], is_set: bool) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let word = word.to_ascii_uppercase();
            let free = !read.keep_ttl && !read.persist && read.end.is_none();
            match word.as_slice() {
                b"NX" if is_set && !read.only_held => read.only_new = true,
                b"XX" if is_set && !read.only_new => read.only_held = true,
                b"GET" if is_set => read.get = true,
                b"KEEPTTL" if is_set && !read.persist && read.end.is_none() => {
                    read.keep_ttl = true;
                }
                b"PERSIST" if !is_set && !read.keep_ttl && read.end.is_none() => {
                    read.persist = true;
                }
                b"EX" | b"PX" | b"EXAT" | b"PXAT" if free => {
                    let amount = words.next().ok_or_else(syntax_error)?;
                    // Redis looks at the number only once all words have been read.
                    read.end = Some(End {
                        amount: integer(amount).unwrap_or(i64::MIN),
                        unit_ms: if word[0] == b'E' { 1_000 } else { 1 },
                        absolute: word.len() == 4,
                    });
                    if integer(amount).is_err() {
                        read.end = Some(NOT_A_NUMBER);
                    }
                }
                _ => return Err(syntax_error()),
            }
        }
        Ok(read)
    }

    /// The moment of the end, if one was given.
    pub(super) fn end(&self, now: Timestamp, command: &str) -> Result<Option<Timestamp>, Refusal> {
        match self.end {
            None => Ok(None),
            Some(NOT_A_NUMBER) => Err(super::not_an_integer()),
            Some(end) => end.of_value(now, command).map(Some),
        }
    }
}

/// Stands for a time that is no number, until it is asked for.
const NOT_A_NUMBER: End = End {
    amount: i64::MIN,
    unit_ms: 0,
    absolute: false,
};
