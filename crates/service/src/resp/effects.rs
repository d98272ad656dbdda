//! What some commands do to a key, read from their arguments.

use std::time::Duration;

use forewarm_application::ports::Stored;
use forewarm_domain::compact;

use super::request::{Arguments, number};

/// A larger value is not kept from the write: the next read fetches it, if anybody reads it.
const LARGEST_KEPT: usize = 256 << 10;

/// What the first key holds after `SET`, `SETEX` or `PSETEX` has answered `+OK`; `None` where the
/// arguments alone do not tell.
pub(super) fn value_set(arguments: Arguments<'_>) -> Option<Stored> {
    let name = arguments.get(0)?;
    let text = |at| arguments.get(at);
    let (value, ttl) = if name.eq_ignore_ascii_case(b"SET") {
        (text(2)?, set_ttl(arguments)?)
    } else {
        let unit = if name.eq_ignore_ascii_case(b"SETEX") {
            1_000
        } else {
            1
        };
        (text(3)?, Some(span(text(2)?, unit)?))
    };
    (value.len() <= LARGEST_KEPT).then(|| Stored {
        value: compact(value),
        version: None,
        ttl,
    })
}

/// The time to live of a SET; the outer `None` where it cannot be told.
fn set_ttl(arguments: Arguments<'_>) -> Option<Option<Duration>> {
    let mut ttl = None;
    let mut at = 3;
    while let Some(option) = arguments.get(at) {
        let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
        if is(b"EX") || is(b"PX") {
            let unit = if is(b"EX") { 1_000 } else { 1 };
            ttl = Some(span(arguments.get(at + 1)?, unit)?);
            at += 2;
        } else if is(b"NX") || is(b"XX") {
            at += 1;
        } else {
            // KEEPTTL, EXAT, PXAT, GET, and what later servers may know.
            return None;
        }
    }
    Some(ttl)
}

fn span(text: &[u8], unit_ms: u64) -> Option<Duration> {
    let count = number(text).and_then(|count| u64::try_from(count).ok())?;
    Some(Duration::from_millis(count.checked_mul(unit_ms)?))
}

/// The key that `COPY source key DB n` writes in another database.
pub(super) fn copied_elsewhere(arguments: Arguments<'_>) -> Option<(&[u8], u16)> {
    if !arguments.get(0)?.eq_ignore_ascii_case(b"COPY") {
        return None;
    }
    let place = (3..arguments.len()).find(|at| {
        let option = arguments.get(*at).unwrap_or_default();
        option.eq_ignore_ascii_case(b"DB")
    })?;
    let database = arguments.get(place + 1).and_then(number)?;
    Some((arguments.get(2)?, u16::try_from(database).ok()?))
}
