//! Events as JSON: the body of an HTTP request.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::FeedEvent;
use super::draft::{Draft, shown};
use crate::codec::KeyCodec;

/// Reads `{ts_ms, chain, pair, op?, value?, version?, block?}` (or `key` for chain and pair), as a JSON
/// array or one to a line. One result per event, in their order.
///
/// An error names the field and its text. A body that isn't JSON at all is one error, in place
/// of the whole array or of its line. More than `most` events are refused as a whole.
///
/// Memory: at most 64 times the body (arrays of numbers, say, where strings are expected), and 256
/// bytes an event. The caller bounds the body's size.
///
/// # Errors
/// The number of events, when they are too many.
pub fn parse_updates(body: &[u8], codec: &KeyCodec, most: usize) -> Result<Parsed, usize> {
    let body = body.trim_ascii();
    if body.first() == Some(&b'[') {
        return array(body, codec, most).unwrap_or_else(|error| {
            let error = format!("not a JSON array: {error}");
            Ok(vec![Err(error)])
        });
    }
    let lines = || {
        let lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty())
    };
    let found = lines().count();
    if found > most {
        return Err(found);
    }
    let events = lines().map(|line| match serde_json::from_slice(line) {
        Ok(event) => read(event, codec),
        Err(error) => {
            let line = String::from_utf8_lossy(line);
            Err(format!("not JSON: {error} in {}", shown(&line)))
        }
    });
    Ok(events.collect())
}

/// One result per event, in their order.
type Parsed = Vec<Result<FeedEvent, String>>;

fn array(
    body: &[u8],
    codec: &KeyCodec,
    most: usize,
) -> Result<Result<Parsed, usize>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let events = reader.deserialize_seq(Events { codec, most })?;
    reader.end()?;
    Ok(events)
}

/// Reads the events of an array one by one, and only counts those past the limit: a megabyte of `0,0,…`
/// would else become a hundred of errors.
struct Events<'a> {
    codec: &'a KeyCodec,
    most: usize,
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = Result<Parsed, usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Self::Value, A::Error> {
        let mut parsed = Vec::new();
        while parsed.len() < self.most {
            let Some(event) = events.next_element::<Value>()? else {
                return Ok(Ok(parsed));
            };
            parsed.push(read(event, self.codec));
        }
        let mut found = parsed.len();
        while events.next_element::<IgnoredAny>()?.is_some() {
            found += 1;
        }
        Ok(if found > self.most {
            Err(found)
        } else {
            Ok(parsed)
        })
    }
}

fn read(event: Value, codec: &KeyCodec) -> Result<FeedEvent, String> {
    let Value::Object(fields) = event else {
        return Err(format!(
            "an event must be an object, not {}",
            shown(&event.to_string())
        ));
    };
    let mut draft = Draft::default();
    for (name, value) in fields {
        match name.as_str() {
            "ts_ms" => draft.ts_ms = number(&name, value)?,
            "version" => draft.version = number(&name, value)?,
            "block" => draft.block = number(&name, value)?,
            "chain" => draft.chain = text(&name, value)?,
            "pair" => draft.pair = text(&name, value)?,
            "key" => draft.key = text(&name, value)?.map(Bytes::from),
            "op" => draft.op = text(&name, value)?,
            "value" => draft.value = text(&name, value)?.map(Bytes::from),
            other => return Err(format!("unknown field {}", shown(other))),
        }
    }
    draft.check(codec)
}

fn number(name: &str, value: Value) -> Result<Option<u64>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let error = || {
        format!(
            "{name} is {}, it must be a whole number from 0 up",
            shown(&value.to_string())
        )
    };
    value.as_u64().map(Some).ok_or_else(error)
}

fn text(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        other => Err(format!(
            "{name} is {}, it must be a string",
            shown(&other.to_string())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forewarm_domain::{Op, Timestamp, Version};

    fn parse(body: &str) -> Vec<Result<FeedEvent, String>> {
        parse_updates(body.as_bytes(), &KeyCodec::default(), usize::MAX).expect("no limit")
    }

    #[test]
    fn too_many_events_are_counted_and_none_is_taken() {
        let one = r#"{"ts_ms":1,"key":"k"}"#;
        let codec = KeyCodec::default();
        let count = |body: String| parse_updates(body.as_bytes(), &codec, 2).map(|it| it.len());
        for n in [1, 2, 3, 7] {
            let expected = if n > 2 { Err(n) } else { Ok(n) };
            assert_eq!(count(format!("[{}]", vec![one; n].join(","))), expected);
            assert_eq!(count(vec![one; n].join("\n\n")), expected);
        }
        // However long it is, an array that ends wrongly is none.
        for broken in ["[1,2,3", "[1,2,3] 4", "[1,2,3}"] {
            assert_eq!(count(broken.to_owned()), Ok(1), "{broken}");
        }
    }

    #[test]
    fn an_array_and_lines_say_the_same() {
        let one = r#"{"ts_ms": 5, "chain": "Base", "pair": "0xA", "op": "read"}"#;
        let two = r#"{"ts_ms":6,"key":"Exact","value":"1.5","version":9}"#;
        let array = parse(&format!("\n [{one},\n{two}]\n"));
        assert_eq!(array, parse(&format!("{one}\r\n\n{two}\n")));
        let [Ok(read), Ok(update)] = array.as_slice() else {
            panic!("{array:?}")
        };
        assert_eq!(read.key.bytes(), "price:base:0xa");
        assert_eq!((read.op, read.at), (Op::Read, Timestamp::from_millis(5)));
        assert_eq!((&read.version, &read.value), (&None, &None));
        assert_eq!(update.key.bytes(), "Exact");
        assert_eq!(update.op, Op::Update);
        assert_eq!(update.value.as_deref(), Some(&b"1.5"[..]));
        assert_eq!(update.version, Some(Version(9)));
        assert_eq!(parse(""), []);
        assert_eq!(parse("[]"), []);
    }

    #[test]
    fn a_bad_event_names_its_field_and_text_and_spares_the_others() {
        let check = |event: &str, expected: &str| {
            let good = r#"{"ts_ms":1,"chain":"c","pair":"p"}"#;
            let results = parse(&format!("[{good},{event},{good}]"));
            assert!(results[0].is_ok() && results[2].is_ok());
            assert_eq!(results[1].as_ref().unwrap_err(), expected);
        };
        check(r#"{"chain":"c","pair":"p"}"#, "ts_ms is missing");
        check(r#"{"ts_ms":1,"pair":"p"}"#, "chain is missing");
        check(r#"{"ts_ms":1,"chain":"c"}"#, "pair is missing");
        check(
            r#"{"ts_ms":1,"chain":"c","pair":""}"#,
            "the address of the pair is empty",
        );
        check(
            r#"{"ts_ms":1,"key":"k","pair":"p"}"#,
            "both pair and key are given",
        );
        check(
            r#"{"ts_ms":-1,"key":"k"}"#,
            r#"ts_ms is "-1", it must be a whole number from 0 up"#,
        );
        check(
            r#"{"ts_ms":1,"key":"k","version":1.5}"#,
            r#"version is "1.5", it must be a whole number from 0 up"#,
        );
        check(
            r#"{"ts_ms":1,"key":"k","op":"delete"}"#,
            r#"op is "delete", it must be update or read"#,
        );
        check(
            r#"{"ts_ms":1,"key":"k","value":7}"#,
            r#"value is "7", it must be a string"#,
        );
        check(
            r#"{"ts_ms":1,"key":"k","price":7}"#,
            r#"unknown field "price""#,
        );
        check("3", r#"an event must be an object, not "3""#);
    }

    #[test]
    fn a_body_that_is_not_json_is_an_error_and_a_bad_line_spares_the_next() {
        let array = parse(r#"[{"ts_ms":1,"key":"k"},"#);
        assert!(array.len() == 1 && array[0].as_ref().unwrap_err().contains("line 1 column 23"));
        let lines = parse("{\"ts_ms\":1,\n{\"ts_ms\":1,\"key\":\"k\"}");
        assert!(lines[0].as_ref().unwrap_err().starts_with("not JSON"));
        assert!(lines[1].is_ok());
        let long = parse(&"x".repeat(5_000)).remove(0).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn a_template_without_chains_asks_for_none() {
        let codec = KeyCodec::new("px:{address}").unwrap();
        let one = br#"{"ts_ms":1,"pair":"A"}"#;
        let mut events = parse_updates(one, &codec, 1).unwrap();
        assert_eq!(events.remove(0).unwrap().key.bytes(), "px:a");
    }
}
