//! Values as numbers.

use bytes::Bytes;
use forewarm_infrastructure::l2::Record;

use super::extended::Extended;
use super::{Answer, Context, Plan, Refusal, integer, not_an_integer};
use crate::resp::request::number;

pub(super) fn plan(name: &str, words: &[Bytes], context: Context) -> Option<Result<Plan, Refusal>> {
    let by = match name {
        "incr" => Ok(1),
        "decr" => Ok(-1),
        "incrby" => integer(&words[2]),
        "decrby" => integer(&words[2]).and_then(|by| {
            by.checked_neg()
                .ok_or_else(|| "ERR decrement would overflow".to_owned())
        }),
        "incrbyfloat" => return Some(Ok(add_float(words, context))),
        _ => return None,
    };
    Some(by.map(|by| add(&words[1], by, context)))
}

/// The stored value is read first, as in Redis: where both are no numbers the text is the same.
fn add_float(words: &[Bytes], context: Context) -> Plan {
    let by = words[2].clone();
    Plan::change(&words[1], context, move |_, held| {
        let before = held.as_ref().map_or(&b"0"[..], |record| &record.value);
        let (Some(before), Some(by)) = (Extended::read(before), Extended::read(&by)) else {
            return Answer::Error("ERR value is not a valid float".to_owned());
        };
        let Some(after) = before.plus(by).and_then(|sum| sum.text()) else {
            return Answer::Error("ERR increment would produce NaN or Infinity".to_owned());
        };
        let value = Bytes::from(after);
        let expires = held.as_ref().and_then(|record| record.expires);
        *held = Some(Record {
            value: value.clone(),
            expires,
        });
        Answer::Bulk(value)
    })
}

fn add(key: &Bytes, by: i64, context: Context) -> Plan {
    Plan::change(key, context, move |_, held| {
        let before = match held {
            None => 0,
            Some(record) => match number(&record.value) {
                Some(before) => before,
                None => return Answer::Error(not_an_integer()),
            },
        };
        let Some(after) = before.checked_add(by) else {
            return Answer::Error("ERR increment or decrement would overflow".to_owned());
        };
        let expires = held.as_ref().and_then(|record| record.expires);
        *held = Some(Record {
            value: after.to_string().into(),
            expires,
        });
        Answer::Integer(after)
    })
}
