//! Values as bytes: SET and its relatives, several keys at once, names.

use bytes::{Bytes, BytesMut};
use forewarm_domain::Timestamp;
use forewarm_infrastructure::l2::Record;

use super::options::{End, Options};
use super::{Answer, Context, Plan, Refusal, integer, not_an_integer, syntax_error};
use crate::resp::reads::slice;
use crate::resp::request::number;

const OK: Answer = Answer::Word("OK");

pub(super) fn plan(name: &str, words: &[Bytes], context: Context) -> Option<Result<Plan, Refusal>> {
    let key = words.get(1).cloned().unwrap_or_default();
    let rest = || words[1..].to_vec();
    Some(Ok(match name {
        "get" => Plan::read(&key, context, |_, held| value(held)),
        "strlen" => Plan::read(&key, context, |_, held| {
            Answer::Integer(held.map_or(0, |record| record.value.len() as i64))
        }),
        "getrange" | "substr" => return Some(range(words, context)),
        "type" => Plan::read(&key, context, |_, held| {
            Answer::Word(if held.is_some() { "string" } else { "none" })
        }),
        "mget" => Plan::several(rest(), context, false, |_, places, records| {
            Answer::Array(
                places
                    .iter()
                    .map(|at| value(records[*at].as_ref()))
                    .collect(),
            )
        }),
        "exists" | "touch" => Plan::several(rest(), context, false, |_, places, records| {
            let held = places.iter().filter(|at| records[**at].is_some());
            Answer::Integer(held.count() as i64)
        }),
        "del" | "unlink" => Plan::several(rest(), context, true, |_, places, records| {
            let gone = places.iter().filter(|at| records[**at].take().is_some());
            Answer::Integer(gone.count() as i64)
        }),
        "set" => return Some(set(words, context)),
        "setex" | "psetex" => return Some(set_ending(name, words, context)),
        "setnx" => {
            let new = words[2].clone();
            Plan::change(&key, context, move |_, held| {
                let free = held.is_none();
                if free {
                    *held = Some(lasting(new));
                }
                Answer::Integer(i64::from(free))
            })
        }
        "getset" => {
            let new = words[2].clone();
            Plan::change(&key, context, move |_, held| {
                let before = value(held.as_ref());
                *held = Some(lasting(new));
                before
            })
        }
        "getdel" => Plan::change(&key, context, |_, held| value(held.take().as_ref())),
        "getex" => return Some(get_ending(words, context)),
        "mset" | "msetnx" => return Some(set_several(name, words, context)),
        "append" => append(&key, words[2].clone(), context),
        "setrange" => return Some(set_range(words, context)),
        "rename" | "renamenx" => rename(words, context, name == "renamenx"),
        "copy" => return Some(copy(words, context)),
        _ => return None,
    }))
}

/// A value without an end.
fn lasting(value: Bytes) -> Record {
    Record {
        value,
        expires: None,
    }
}

fn value(held: Option<&Record>) -> Answer {
    held.map_or(Answer::Null, |record| Answer::Bulk(record.value.clone()))
}

fn range(words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let (start, end) = (integer(&words[2])?, integer(&words[3])?);
    Ok(Plan::read(&words[1], context, move |_, held| {
        let value = held.map(|record| record.value.clone()).unwrap_or_default();
        Answer::Bulk(Bytes::copy_from_slice(slice(&value, start, end)))
    }))
}

fn set(words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let options = Options::read(&words[3..], true)?;
    let new = words[2].clone();
    Ok(Plan::change(&words[1], context, move |now, held| {
        let end = match options.end(now, "set") {
            Ok(end) => end,
            Err(refusal) => return Answer::Error(refusal),
        };
        let before = value(held.as_ref());
        let refused = options.only_new && held.is_some() || options.only_held && held.is_none();
        if refused {
            return if options.get { before } else { Answer::Null };
        }
        let kept = held.as_ref().and_then(|record| record.expires);
        *held = Some(Record {
            value: new,
            expires: if options.keep_ttl { kept } else { end },
        });
        if options.get { before } else { OK }
    }))
}

fn set_ending(name: &str, words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let end = End {
        amount: integer(&words[2])?,
        unit_ms: if name == "setex" { 1_000 } else { 1 },
        absolute: false,
    };
    let (new, name) = (words[3].clone(), name.to_owned());
    Ok(Plan::change(
        &words[1],
        context,
        move |now, held| match end.of_value(now, &name) {
            Ok(end) => {
                *held = Some(Record {
                    value: new,
                    expires: Some(end),
                });
                OK
            }
            Err(refusal) => Answer::Error(refusal),
        },
    ))
}

fn get_ending(words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let options = Options::read(&words[2..], false)?;
    Ok(Plan::change(&words[1], context, move |now, held| {
        let Some(record) = held else {
            return Answer::Null;
        };
        let answer = Answer::Bulk(record.value.clone());
        match options.end(now, "getex") {
            Err(refusal) => return Answer::Error(refusal),
            Ok(Some(end)) => record.expires = Some(end),
            Ok(None) if options.persist => record.expires = None,
            Ok(None) => {}
        }
        answer
    }))
}

fn set_several(name: &str, words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    if words.len().is_multiple_of(2) {
        return Err(format!(
            "ERR wrong number of arguments for '{name}' command"
        ));
    }
    let only_new = name == "msetnx";
    let keys = words[1..].iter().step_by(2).cloned().collect();
    let values: Vec<Bytes> = words[2..].iter().step_by(2).cloned().collect();
    Ok(Plan::several(
        keys,
        context,
        true,
        move |_, places, records| {
            if only_new && records.iter().any(Option::is_some) {
                return Answer::Integer(0);
            }
            for (place, value) in places.iter().zip(values) {
                records[*place] = Some(lasting(value));
            }
            if only_new { Answer::Integer(1) } else { OK }
        },
    ))
}

fn too_long() -> Answer {
    let text = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    Answer::Error(text.to_owned())
}

fn append(key: &Bytes, more: Bytes, context: Context) -> Plan {
    Plan::change(key, context, move |_, held| {
        let (before, expires) = match held.take() {
            Some(record) => (record.value, record.expires),
            None => (Bytes::new(), None),
        };
        if before.len() + more.len() > context.largest {
            *held = Some(Record {
                value: before,
                expires,
            });
            return too_long();
        }
        let mut value = BytesMut::with_capacity(before.len() + more.len());
        value.extend_from_slice(&before);
        value.extend_from_slice(&more);
        let length = value.len() as i64;
        *held = Some(Record {
            value: value.freeze(),
            expires,
        });
        Answer::Integer(length)
    })
}

fn set_range(words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let offset = integer(&words[2])?;
    let offset = usize::try_from(offset).map_err(|_| "ERR offset is out of range".to_owned())?;
    let part = words[3].clone();
    Ok(Plan::change(&words[1], context, move |_, held| {
        let length = held.as_ref().map_or(0, |record| record.value.len());
        if part.is_empty() {
            return Answer::Integer(length as i64);
        }
        let end = offset.saturating_add(part.len());
        if end > context.largest {
            return too_long();
        }
        let expires = held.as_ref().and_then(|record| record.expires);
        let mut value = BytesMut::zeroed(end.max(length));
        if let Some(record) = held {
            value[..length].copy_from_slice(&record.value);
        }
        value[offset..end].copy_from_slice(&part);
        let length = value.len() as i64;
        *held = Some(Record {
            value: value.freeze(),
            expires,
        });
        Answer::Integer(length)
    }))
}

fn rename(words: &[Bytes], context: Context, only_new: bool) -> Plan {
    let keys = words[1..3].to_vec();
    Plan::several(keys, context, true, move |_, places, records| {
        let (from, to) = (places[0], places[1]);
        if records[from].is_none() {
            return Answer::Error("ERR no such key".to_owned());
        }
        if only_new && records[to].is_some() {
            return Answer::Integer(0);
        }
        if from != to {
            records[to] = records[from].take();
        }
        if only_new { Answer::Integer(1) } else { OK }
    })
}

fn copy(words: &[Bytes], context: Context) -> Result<Plan, Refusal> {
    let (mut replace, mut target) = (false, context.database);
    let mut options = words[3..].iter();
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if option.eq_ignore_ascii_case(b"DB") {
            let index = options.next().ok_or_else(syntax_error)?;
            let index = number(index).ok_or_else(not_an_integer)?;
            target = u16::try_from(index)
                .ok()
                .filter(|index| *index < 16)
                .ok_or_else(|| "ERR DB index is out of range".to_owned())?;
        } else {
            return Err(syntax_error());
        }
    }
    let (from, to) = (words[1].clone(), words[2].clone());
    if from == to && target == context.database {
        return Err("ERR source and destination objects are the same".to_owned());
    }
    let keys = vec![(from, context.database), (to, target)];
    let act = move |_: Timestamp, records: &mut [Option<Record>]| {
        if records[0].is_none() || records[1].is_some() && !replace {
            return Answer::Integer(0);
        }
        records[1] = records[0].clone();
        Answer::Integer(1)
    };
    Ok(Plan {
        keys,
        writes: true,
        act: Box::new(act),
    })
}
