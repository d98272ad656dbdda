//! What `redis-cli MONITOR` prints, and append-only files.

use std::io::{BufRead, BufReader, Read};

use anyhow::anyhow;
use forewarm_domain::Timestamp;
use tokio::sync::mpsc::Sender;

use super::super::Failure;
use super::commands::effects;
use super::source::{BATCH, Counts, Line, Message, unreadable};
use crate::clock::Clock;
use crate::resp::request::{Limits, Parser, Progress};

/// The longest line or command; Redis' own limit of a value.
const MOST_BYTES: usize = 512 << 20;
const LIMITS: Limits = Limits {
    max_request_bytes: MOST_BYTES,
    trusted: true,
};

/// Whether text begins like MONITOR's: `OK`, or a time and a client in brackets.
pub(super) fn is_monitor(first: &[u8]) -> bool {
    let line = first
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    line.trim_ascii() == b"OK" || prefix(line).is_some()
}

/// `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`: the time, the database, the words.
fn prefix(line: &[u8]) -> Option<(Timestamp, u16, &[u8])> {
    let open = line.windows(2).position(|two| two == b" [")?;
    let close = open + line[open..].windows(2).position(|two| two == b"] ")?;
    let time = std::str::from_utf8(&line[..open]).ok()?.trim();
    let (seconds, micros) = time.split_once('.')?;
    let micros = format!("{micros:0<6}");
    let at = seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?
        + micros.get(..6)?.parse::<u64>().ok()?;
    let client = std::str::from_utf8(&line[open + 2..close]).ok()?;
    let database = client.split(' ').next()?.parse().ok()?;
    Some((Timestamp::from_micros(at), database, &line[close + 2..]))
}

/// The quoted words of a line, as the command's array of bulk strings.
fn as_request(mut text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    loop {
        text = text.trim_ascii_start();
        let Some(rest) = text.strip_prefix(b"\"") else {
            break;
        };
        let (word, rest) = unquoted(rest)?;
        words.push(word);
        text = rest;
    }
    if words.is_empty() || !text.is_empty() {
        return None;
    }
    out.clear();
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    Some(())
}

/// Up to the closing quote, escapes undone, and what follows it.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => return Some((word, &text[at + 1..])),
            b'\\' => {
                let escape = *text.get(at + 1)?;
                at += 2;
                word.push(match escape {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    b'x' => {
                        let digits = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 16).ok()?
                    }
                    other => other,
                });
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// Lines and what was left out of them, sent on in batches.
struct Sending<'a> {
    to: &'a Sender<Message>,
    lines: Vec<Line>,
    counts: Counts,
    told: Counts,
}

impl Sending<'_> {
    /// Sends what there is; `false` when nobody wants it any more.
    fn flush(&mut self) -> bool {
        let batch = std::mem::take(&mut self.lines);
        if !batch.is_empty() && self.to.blocking_send(Message::Lines(batch)).is_err() {
            return false;
        }
        if self.told != self.counts {
            self.told = self.counts;
            return self.to.blocking_send(Message::Counts(self.counts)).is_ok();
        }
        true
    }
}

/// MONITOR's text, to its end.
pub(super) fn monitor(
    mut input: BufReader<impl Read>,
    to: &Sender<Message>,
) -> Result<(), Failure> {
    let mut sending = Sending {
        to,
        lines: Vec::new(),
        counts: Counts::default(),
        told: Counts::default(),
    };
    let (mut text, mut request, mut parser) = (Vec::new(), Vec::new(), Parser::default());
    loop {
        text.clear();
        let mut line = input.by_ref().take(MOST_BYTES as u64);
        if line.read_until(b'\n', &mut text).map_err(unreadable)? == 0 {
            break;
        }
        let said = text.trim_ascii_end();
        if let Some((at, database, words)) = prefix(said) {
            let understood =
                as_request(words, &mut request).and_then(|()| parser.parse(&request, LIMITS).ok());
            match understood {
                Some(Progress::Command { .. }) => {
                    let arguments = parser.arguments(&request);
                    let placed = effects(arguments, at, database, &mut sending.lines);
                    sending.counts.unplaced += u64::from(!placed);
                }
                _ => {
                    parser = Parser::default();
                    sending.counts.bad += 1;
                }
            }
        } else if said != b"OK" && !said.is_empty() {
            sending.counts.bad += 1;
        }
        let quiet = !input.buffer().contains(&b'\n');
        if (sending.lines.len() >= BATCH || quiet) && !sending.flush() {
            return Ok(());
        }
    }
    sending.flush();
    Ok(())
}

/// An append-only file, to its end: commands as the server would be sent them, with a comment for
/// the time where the server was told to write those (`aof-timestamp-enabled`).
pub(super) fn append_only(
    mut input: BufReader<impl Read>,
    clock: &Clock,
    to: &Sender<Message>,
) -> Result<(), Failure> {
    let mut sending = Sending {
        to,
        lines: Vec::new(),
        counts: Counts::default(),
        told: Counts::default(),
    };
    let (mut held, mut parser) = (Vec::new(), Parser::default());
    let (mut database, mut stamped) = (0_u16, None);
    loop {
        let more = input.fill_buf().map_err(unreadable)?;
        let read = more.len();
        held.extend_from_slice(more);
        input.consume(read);
        let mut begin = 0;
        loop {
            let rest = &held[begin..];
            if !parser.is_midway() && rest.first() == Some(&b'#') {
                let Some(end) = memchr::memchr(b'\n', rest) else {
                    break;
                };
                let seconds = rest[..end].trim_ascii().strip_prefix(b"#TS:");
                let seconds =
                    seconds.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
                stamped = seconds
                    .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000)))
                    .or(stamped);
                begin += end + 1;
                continue;
            }
            let progress = parser.parse(rest, LIMITS).map_err(|error| {
                let context = "standard input is no append-only file from here on";
                Failure::Input(anyhow::Error::new(error).context(context))
            })?;
            match progress {
                Progress::Partial => break,
                Progress::Nothing { end } => begin += end,
                Progress::Command { end } => {
                    let arguments = parser.arguments(rest);
                    let is_select = arguments
                        .get(0)
                        .is_some_and(|name| name.eq_ignore_ascii_case(b"SELECT"));
                    if is_select {
                        let number = arguments
                            .get(1)
                            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                        database = number.unwrap_or(database);
                    } else {
                        sending.counts.untimed |= stamped.is_none();
                        let at = stamped.unwrap_or_else(|| clock.now());
                        let placed = effects(arguments, at, database, &mut sending.lines);
                        sending.counts.unplaced += u64::from(!placed);
                    }
                    begin += end;
                }
            }
        }
        held.drain(..begin);
        if !sending.flush() {
            return Ok(());
        }
        if read == 0 {
            break;
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    Err(Failure::Input(anyhow!(
        "standard input ends in the middle of a command; the file is whole up to there"
    )))
}

#[cfg(test)]
mod tests;
