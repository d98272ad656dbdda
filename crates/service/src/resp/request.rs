//! Requests as they come over the wire: arrays of bulk strings, or one line of words.
//!
//! The parser says where a command ends and where its arguments lie; it copies nothing and keeps
//! its place between calls, so that a command which arrives byte by byte is looked at once.
//! Redis' own texts are used where a client may look for them.

use std::ops::Range;

/// Most arguments of one command, as in Redis.
const MAX_ARGUMENTS: usize = 1024 * 1024;
/// The longest line of a header (`*3`, `$5`), and of a command written as words.
const MAX_LINE_BYTES: usize = 64 << 10;
/// What a client may send before it has logged in, as in Redis.
const MAX_ARGUMENTS_BEFORE_LOGIN: usize = 10;
const MAX_BULK_BEFORE_LOGIN: usize = 16_384;

/// What a connection may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one argument, and of a command as a whole.
    pub max_request_bytes: usize,
    /// The client has logged in, or need not.
    pub trusted: bool,
}

/// Why the bytes are no request. The connection cannot go on: nobody knows where the next command
/// begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The number of arguments.
    #[error("invalid multibulk length")]
    MultibulkLength,
    /// The same, before the login.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// The length of an argument.
    #[error("invalid bulk length")]
    BulkLength,
    /// The same, before the login.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An argument that is no bulk string, such as an array in an array.
    #[error("expected '$', got '{}'", shown(*got))]
    ExpectedBulk {
        /// What came in place of it.
        got: u8,
    },
    /// The number of arguments takes a whole buffer.
    #[error("too big mbulk count string")]
    LongMultibulkLine,
    /// The length of an argument takes a whole buffer.
    #[error("too big bulk count string")]
    LongBulkLine,
    /// A line of words without an end.
    #[error("too big inline request")]
    LongInline,
    /// A quote that opens and does not close, or closes inside a word.
    #[error("unbalanced quotes in request")]
    Quotes,
    /// The command as a whole is too large.
    #[error("a request of more than {most} bytes (resp.max_request_bytes)")]
    TooLarge {
        /// The limit.
        most: usize,
    },
}

fn shown(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' {
        char::from(byte)
    } else {
        '?'
    }
}

/// What is known of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// A command ends here; its arguments are in [`Parser::arguments`].
    Command {
        /// The number of its bytes.
        end: usize,
    },
    /// Bytes that mean nothing (an empty line, an empty array).
    Nothing {
        /// How many.
        end: usize,
    },
}

/// Finds one command after the other.
#[derive(Debug, Default)]
pub struct Parser {
    /// Where the arguments lie, counted from the command's first byte.
    arguments: Vec<Range<usize>>,
    /// Arguments still to come; `None` = the header has not been read.
    missing: Option<usize>,
    /// The first byte not yet understood.
    at: usize,
    /// The words of an inline command, unquoted; `arguments` then lie in here.
    words: Option<Vec<u8>>,
}

impl Parser {
    /// Looks at `bytes`, which begin with the command that the last call has not finished (and
    /// then are the same bytes and more), or with a new one.
    pub fn parse(&mut self, bytes: &[u8], limits: Limits) -> Result<Progress, ProtocolError> {
        if self.missing.is_none() {
            self.arguments.clear();
            self.words = None;
            match bytes.first() {
                None => return Ok(Progress::Partial),
                Some(b'*') => {}
                Some(_) => return self.inline(bytes),
            }
            let Some((count, next)) = line(bytes, 1, ProtocolError::LongMultibulkLine)? else {
                return Ok(Progress::Partial);
            };
            let count = number(count).ok_or(ProtocolError::MultibulkLength)?;
            if count > MAX_ARGUMENTS as i64 {
                return Err(ProtocolError::MultibulkLength);
            }
            let count = usize::try_from(count).unwrap_or(0);
            if count > MAX_ARGUMENTS_BEFORE_LOGIN && !limits.trusted {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            if count == 0 {
                return Ok(Progress::Nothing { end: next });
            }
            self.missing = Some(count);
            self.at = next;
        }
        self.bulks(bytes, limits)
    }

    fn bulks(&mut self, bytes: &[u8], limits: Limits) -> Result<Progress, ProtocolError> {
        let most = limits.max_request_bytes;
        while let Some(missing) = self.missing.filter(|missing| *missing > 0) {
            match bytes.get(self.at) {
                None => return Ok(Progress::Partial),
                Some(b'$') => {}
                Some(&got) => return Err(ProtocolError::ExpectedBulk { got }),
            }
            let Some((length, start)) = line(bytes, self.at + 1, ProtocolError::LongBulkLine)?
            else {
                return Ok(Progress::Partial);
            };
            let length = number(length)
                .and_then(|length| usize::try_from(length).ok())
                .filter(|length| *length <= most)
                .ok_or(ProtocolError::BulkLength)?;
            if length > MAX_BULK_BEFORE_LOGIN && !limits.trusted {
                return Err(ProtocolError::UnauthenticatedBulkLength);
            }
            if start + length + 2 > most.saturating_add(MAX_LINE_BYTES) {
                return Err(ProtocolError::TooLarge { most });
            }
            if bytes.len() < start + length + 2 {
                return Ok(Progress::Partial);
            }
            self.arguments.push(start..start + length);
            self.at = start + length + 2;
            self.missing = Some(missing - 1);
        }
        self.missing = None;
        Ok(Progress::Command { end: self.at })
    }

    /// A line of words, as typed into telnet.
    fn inline(&mut self, bytes: &[u8]) -> Result<Progress, ProtocolError> {
        let Some(length) = memchr::memchr(b'\n', bytes) else {
            return if bytes.len() > MAX_LINE_BYTES {
                Err(ProtocolError::LongInline)
            } else {
                Ok(Progress::Partial)
            };
        };
        if length > MAX_LINE_BYTES {
            return Err(ProtocolError::LongInline);
        }
        let end = length + 1;
        let text = bytes[..length]
            .strip_suffix(b"\r")
            .unwrap_or(&bytes[..length]);
        let mut words = Vec::new();
        self.arguments = split(text, &mut words).ok_or(ProtocolError::Quotes)?;
        if self.arguments.is_empty() {
            return Ok(Progress::Nothing { end });
        }
        self.words = Some(words);
        Ok(Progress::Command { end })
    }

    /// The arguments of the command that [`parse`](Self::parse) has found in `bytes`, its name
    /// first.
    pub fn arguments<'a>(&'a self, bytes: &'a [u8]) -> Arguments<'a> {
        Arguments {
            ranges: &self.arguments,
            bytes: self.words.as_deref().unwrap_or(bytes),
            inline: self.words.is_some(),
        }
    }

    /// Whether a command has begun and not ended.
    pub fn is_midway(&self) -> bool {
        self.missing.is_some()
    }
}

/// The arguments of one command.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    ranges: &'a [Range<usize>],
    bytes: &'a [u8],
    inline: bool,
}

impl<'a> Arguments<'a> {
    /// How many, the command's name counted.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none; a command always has its name.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// One of them; 0 is the name.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        Some(&self.bytes[self.ranges.get(index)?.clone()])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.ranges.iter().map(move |range| &bytes[range.clone()])
    }

    /// The command as an array of bulk strings: `raw` itself unless it came as words.
    pub fn write_to(&self, raw: &[u8], out: &mut Vec<u8>) {
        if !self.inline {
            out.extend_from_slice(raw);
            return;
        }
        out.extend(format!("*{}\r\n", self.len()).bytes());
        for part in self.iter() {
            out.extend(format!("${}\r\n", part.len()).bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The text from `start` to the end of its line, and where the next begins.
fn line(
    bytes: &[u8],
    start: usize,
    too_long: ProtocolError,
) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let rest = &bytes[start.min(bytes.len())..];
    let window = &rest[..rest.len().min(MAX_LINE_BYTES)];
    match memchr::memchr(b'\r', window) {
        // What follows the `\r` is taken for the `\n`, as Redis does.
        Some(length) if length + 1 < rest.len() => Ok(Some((&rest[..length], start + length + 2))),
        Some(_) => Ok(None),
        None if rest.len() >= MAX_LINE_BYTES => Err(too_long),
        None => Ok(None),
    }
}

/// A decimal number as Redis reads it: no blanks, no `+`, no leading zeros, in the range of i64.
pub fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    let (first, rest) = digits.split_first()?;
    if *first == b'0' {
        return (rest.is_empty() && !negative).then_some(0);
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        value = value.checked_mul(10)?;
        value = if negative {
            value.checked_sub(digit)?
        } else {
            value.checked_add(digit)?
        };
    }
    Some(value)
}

/// Splits a line into words; `"…"` with escapes and `'…'` may hold blanks. `None` when quotes do
/// not match.
fn split(text: &[u8], words: &mut Vec<u8>) -> Option<Vec<Range<usize>>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    loop {
        while text.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if at >= text.len() {
            return Some(ranges);
        }
        let start = words.len();
        while let Some(&byte) = text.get(at).filter(|byte| !is_blank(**byte)) {
            at = match byte {
                b'"' => double_quoted(text, at + 1, words)?,
                b'\'' => single_quoted(text, at + 1, words)?,
                _ => {
                    words.push(byte);
                    at + 1
                }
            };
        }
        ranges.push(start..words.len());
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b)
}

/// From behind the opening quote to behind the closing one, which must end the word.
fn double_quoted(text: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return ends_word(text, at + 1),
            b'\\' => {
                let hex = text.get(at + 2..at + 4).filter(|_| text[at + 1] == b'x');
                let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
                if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    words.push(byte);
                    at += 4;
                    continue;
                }
                words.push(match text.get(at + 1)? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            byte => {
                words.push(*byte);
                at += 1;
            }
        }
    }
}

fn single_quoted(text: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'\'' => return ends_word(text, at + 1),
            b'\\' if text.get(at + 1) == Some(&b'\'') => {
                words.push(b'\'');
                at += 2;
            }
            byte => {
                words.push(*byte);
                at += 1;
            }
        }
    }
}

fn ends_word(text: &[u8], at: usize) -> Option<usize> {
    let ends = text.get(at).is_none_or(|byte| is_blank(*byte));
    ends.then_some(at)
}

/// Feeds bytes to the parser as a connection would, and each command to all that reads its words
/// without a server: the table, what is known of values set, the commands of the embedded store.
/// For fuzzers. Returns the number of whole commands, or the error that ends the connection.
pub fn fuzz(bytes: &[u8], limits: Limits) -> Result<usize, ProtocolError> {
    let (mut parser, mut rest, mut commands) = (Parser::default(), bytes, 0);
    loop {
        let end = match parser.parse(rest, limits)? {
            Progress::Partial => return Ok(commands),
            Progress::Nothing { end } => end,
            Progress::Command { end } => {
                commands += 1;
                let arguments = parser.arguments(&rest[..end]);
                let known = super::command::find(arguments.get(0).unwrap_or_default());
                let _ = known.written_keys(arguments).count();
                let _ = super::effects::value_set(arguments);
                let _ = super::effects::copied_elsewhere(arguments);
                super::embedded::exercise(arguments, limits.max_request_bytes);
                end
            }
        };
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests;
