//! One question, MGET and the PTTL of each of its keys, and what a server says to it.

use std::time::Duration;

use forewarm_application::ports::Stored;
use forewarm_domain::{Key, compact};
use smallvec::SmallVec;

use super::super::Read;

/// What the server said: what each key holds, or its first refusal.
type Said = Result<Vec<Read>, String>;

/// Appends MGET and the PTTLs of its keys.
pub(super) fn write_question(out: &mut Vec<u8>, keys: &[Key]) {
    out.push(b'*');
    number(out, keys.len() + 1);
    out.extend_from_slice(b"$4\r\nMGET\r\n");
    for key in keys {
        bulk(out, key.bytes());
    }
    for key in keys {
        out.extend_from_slice(b"*2\r\n$4\r\nPTTL\r\n");
        bulk(out, key.bytes());
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 16);
    out.push(b'$');
    number(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// The answer to a question for so many keys at the head of `heard`, and its length; `None` while not all
/// of it has come.
pub(super) fn answered(heard: &[u8], keys: usize) -> Result<Option<(Said, usize)>, &'static str> {
    let mut rest = Rest { heard, at: 0 };
    // Most questions are for few keys.
    let mut values: SmallVec<[Option<&[u8]>; 16]> = SmallVec::new();
    let mut refusal = None;
    match rest.line() {
        None => return Ok(None),
        Some((b'-', words)) => refusal = Some(words),
        Some((b'*', count)) if signed(count)? == keys as i64 => {
            for _ in 0..keys {
                let Some(value) = rest.value()? else {
                    return Ok(None);
                };
                values.push(value);
            }
        }
        Some(_) => return Err("not one value for each key"),
    }
    let mut found = Vec::with_capacity(values.len());
    for at in 0..keys {
        match rest.line() {
            None => return Ok(None),
            Some((b'-', words)) => refusal = refusal.or(Some(words)),
            Some((b':', left)) => {
                let left = signed(left)?;
                found.extend(values.get(at).map(|value| read(*value, left)));
            }
            Some(_) => return Err("a time to live that is no number"),
        }
    }
    let said = match refusal {
        Some(words) => Err(String::from_utf8_lossy(words).into_owned()),
        None => Ok(found),
    };
    Ok(Some((said, rest.at)))
}

/// A value and its PTTL: -1 = does not expire, -2 = gone between the two commands.
fn read(value: Option<&[u8]>, left: i64) -> Read {
    let ttl = match u64::try_from(left) {
        Ok(0) => return Read::Absent,
        Ok(ms) => Some(Duration::from_millis(ms)),
        Err(_) if left == -1 => None,
        Err(_) => return Read::Absent,
    };
    match value {
        None => Read::OtherType,
        Some(value) => Read::Value(Stored {
            value: compact(value),
            version: None,
            ttl,
        }),
    }
}

struct Rest<'a> {
    heard: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    /// The next line: its kind and what follows.
    fn line(&mut self) -> Option<(u8, &'a [u8])> {
        let rest = self.heard.get(self.at..)?;
        let length = memchr::memchr(b'\n', rest)?;
        self.at += length + 1;
        let line = rest[..length]
            .strip_suffix(b"\r")
            .unwrap_or(&rest[..length]);
        // An empty line is of no kind that anybody knows.
        Some(
            line.split_first()
                .map_or((0, line), |(kind, rest)| (*kind, rest)),
        )
    }

    /// The next bulk string, `None` inside for "not there"; `None` outside while not all of it has come.
    fn value(&mut self) -> Result<Option<Option<&'a [u8]>>, &'static str> {
        let Some((kind, length)) = self.line() else {
            return Ok(None);
        };
        if kind != b'$' {
            return Err("a value that is no string");
        }
        let Ok(length) = usize::try_from(signed(length)?) else {
            return Ok(Some(None));
        };
        let end = self
            .at
            .checked_add(length)
            .ok_or("a length beyond all bounds")?;
        match self.heard.get(self.at..end) {
            Some(value) if self.heard.len() >= end + 2 => {
                self.at = end + 2;
                Ok(Some(Some(value)))
            }
            _ => Ok(None),
        }
    }
}

fn signed(digits: &[u8]) -> Result<i64, &'static str> {
    let (minus, digits) = match digits.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return Err("a number of no length that a number has");
    }
    let mut number = 0_i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err("a number that is none");
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    Ok(if minus { -number } else { number })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use forewarm_domain::ChainId;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name.to_owned(), 0, ChainId::DEFAULT)
    }

    fn value(text: &str, ttl: Option<u64>) -> Read {
        Read::Value(Stored {
            value: Bytes::copy_from_slice(text.as_bytes()),
            version: None,
            ttl: ttl.map(Duration::from_millis),
        })
    }

    #[test]
    fn a_question_is_one_mget_and_a_pttl_for_each_key() {
        let mut out = Vec::new();
        write_question(&mut out, &[key("a"), key("longer name")]);
        let expected = "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$11\r\nlonger name\r\n\
                        *2\r\n$4\r\nPTTL\r\n$1\r\na\r\n*2\r\n$4\r\nPTTL\r\n$11\r\nlonger name\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// The answer is read once it is whole, whatever comes behind it.
    fn check(heard: &str, keys: usize, expected: Result<Vec<Read>, &str>) {
        for end in 0..heard.len() {
            let part = answered(&heard.as_bytes()[..end], keys).unwrap();
            assert_eq!(part, None, "{:?}", &heard[..end]);
        }
        let expected = expected.map_err(str::to_owned);
        let more = format!("{heard}*1\r\n");
        let whole = answered(more.as_bytes(), keys).unwrap();
        assert_eq!(whole, Some((expected, heard.len())), "{heard:?}");
    }

    #[test]
    fn an_answer_says_of_each_key_what_it_holds_and_for_how_long() {
        check(
            "*5\r\n$1\r\nv\r\n$0\r\n\r\n$4\r\n\r\n\r\n\r\n$-1\r\n$-1\r\n:-1\r\n:70\r\n:-1\r\n:-2\r\n:-1\r\n",
            5,
            Ok(vec![
                value("v", None),
                value("", Some(70)),
                value("\r\n\r\n", None),
                Read::Absent,
                Read::OtherType,
            ]),
        );
    }

    #[test]
    fn a_value_that_is_gone_by_the_second_command_is_not_there() {
        let gone = Ok(vec![Read::Absent, Read::Absent]);
        check("*2\r\n$1\r\nv\r\n$1\r\nw\r\n:-2\r\n:0\r\n", 2, gone);
    }

    #[test]
    fn a_refusal_keeps_the_servers_words_and_the_next_answer_its_place() {
        check(
            "-LOADING wait\r\n-LOADING later\r\n",
            1,
            Err("LOADING wait"),
        );
        check("-NOPERM no\r\n:5\r\n:-1\r\n", 2, Err("NOPERM no"));
        check("*1\r\n$1\r\nv\r\n-NOPERM no\r\n", 1, Err("NOPERM no"));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_said_to_be_none() {
        for heard in [
            "*2\r\n$1\r\nv\r\n",
            "+OK\r\n",
            "*1\r\n:1\r\n",
            "*1\r\n$1\r\nv\r\n+OK\r\n",
            "*1\r\n$x\r\n",
            "*1\r\n$-\r\n",
            "\r\n",
            "*1\r\n$9999999999999999999\r\n",
        ] {
            assert!(answered(heard.as_bytes(), 1).is_err(), "{heard:?}");
        }
    }
}
