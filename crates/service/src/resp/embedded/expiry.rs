//! When keys end.

use bytes::Bytes;
use forewarm_domain::Timestamp;
use forewarm_infrastructure::l2::Record;

use super::options::End;
use super::{Answer, Context, Plan, Refusal, integer};

pub(super) fn plan(name: &str, words: &[Bytes], context: Context) -> Option<Result<Plan, Refusal>> {
    let key = words.get(1).cloned().unwrap_or_default();
    let told = |tell: fn(u64, u64) -> i64| {
        Some(Ok(Plan::read(&key, context, move |now, held| {
            Answer::Integer(match held {
                None => -2,
                Some(record) => record
                    .expires
                    .map_or(-1, |end| tell(end.as_millis(), now.as_millis())),
            })
        })))
    };
    match name {
        "ttl" => told(|end, now| (end.saturating_sub(now) as i64 + 500) / 1_000),
        "pttl" => told(|end, now| end.saturating_sub(now) as i64),
        "expiretime" => told(|end, _| (end as i64 + 500) / 1_000),
        "pexpiretime" => told(|end, _| end as i64),
        "persist" => Some(Ok(Plan::change(&key, context, |_, held| {
            let ended = held.as_mut().and_then(|record| record.expires.take());
            Answer::Integer(i64::from(ended.is_some()))
        }))),
        "expire" => Some(expire(name, words, context, 1_000, false)),
        "pexpire" => Some(expire(name, words, context, 1, false)),
        "expireat" => Some(expire(name, words, context, 1_000, true)),
        "pexpireat" => Some(expire(name, words, context, 1, true)),
        _ => None,
    }
}

/// On what condition EXPIRE changes the end.
#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    only_lasting: bool,
    only_ending: bool,
    only_later: bool,
    only_sooner: bool,
}

impl Condition {
    fn read(words: &[Bytes]) -> Result<Self, Refusal> {
        let mut read = Self::default();
        for word in words {
            match word.to_ascii_uppercase().as_slice() {
                b"NX" => read.only_lasting = true,
                b"XX" => read.only_ending = true,
                b"GT" => read.only_later = true,
                b"LT" => read.only_sooner = true,
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(format!("ERR Unsupported option {word}"));
                }
            }
        }
        if read.only_lasting && (read.only_ending || read.only_later || read.only_sooner) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(text.to_owned());
        }
        if read.only_later && read.only_sooner {
            let text = "ERR GT and LT options at the same time are not compatible";
            return Err(text.to_owned());
        }
        Ok(read)
    }

    /// Whether an end at `at` may take the place of `held`; a key without one ends never.
    fn holds(self, held: Option<i64>, at: i64) -> bool {
        !(self.only_lasting && held.is_some()
            || self.only_ending && held.is_none()
            || self.only_later && held.is_none_or(|held| at <= held)
            || self.only_sooner && held.is_some_and(|held| at >= held))
    }
}

fn expire(
    name: &str,
    words: &[Bytes],
    context: Context,
    unit_ms: i64,
    absolute: bool,
) -> Result<Plan, Refusal> {
    let condition = Condition::read(&words[3..])?;
    let end = End {
        amount: integer(&words[2])?,
        unit_ms,
        absolute,
    };
    let name = name.to_owned();
    let act = move |now: Timestamp, held: &mut Option<Record>| {
        let at = match end.of_key(now, &name) {
            Ok(at) => at,
            Err(refusal) => return Answer::Error(refusal),
        };
        let Some(record) = held else {
            return Answer::Integer(0);
        };
        let before = record.expires.map(|end| end.as_millis() as i64);
        if !condition.holds(before, at) {
            return Answer::Integer(0);
        }
        match u64::try_from(at).map(Timestamp::from_millis) {
            Ok(at) if at > now => record.expires = Some(at),
            _ => *held = None,
        }
        Answer::Integer(1)
    };
    Ok(Plan::change(&words[1], context, act))
}
