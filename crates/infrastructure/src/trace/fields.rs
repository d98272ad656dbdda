//! The parts of a line that mean the same in CSV and in NDJSON.

use forewarm_domain::Op;

use super::error::{LineProblem, excerpt};

/// The largest `ts_ms` whose microseconds are still a number.
pub(super) const MAX_TS_MS: u64 = u64::MAX / 1_000;

/// A whole number of at most `max`, digits only.
pub(super) fn integer(column: &'static str, text: &[u8], max: u64) -> Result<u64, LineProblem> {
    let digits = text.trim_ascii();
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    });
    match number {
        Some(number) if number <= max && !digits.is_empty() => Ok(number),
        _ => Err(LineProblem::Integer {
            column,
            max,
            text: excerpt(text),
        }),
    }
}

/// The op; nothing is both roles at once.
pub(super) fn op(text: &[u8]) -> Result<Op, LineProblem> {
    match text.trim_ascii() {
        b"update" => Ok(Op::Update),
        b"read" => Ok(Op::Read),
        b"" => Ok(Op::Access),
        _ => Err(LineProblem::Op {
            text: excerpt(text),
        }),
    }
}
