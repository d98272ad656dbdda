//! Lines of bounded length from a stream of bytes, and CSV records that span several of them.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

use super::source::Source;

/// Bytes that one line (or one quoted record) may have.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

/// Read from the source at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The next line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Where it stands in [`Lines::bytes`], until the next call.
    Whole {
        /// Its place.
        at: Range<usize>,
        /// Whether it holds a quote.
        quoted: bool,
    },
    /// It was longer than [`MAX_LINE_BYTES`] and has been passed over.
    TooLong,
    /// The stream ended inside quotes.
    OpenQuote(Range<usize>),
    /// There is no more.
    End,
}

/// The reader of lines. Memory: at most twice [`MAX_LINE_BYTES`].
pub(super) struct Lines {
    source: Source,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// Number of the line returned last, and of the next.
    line: u64,
    next_line: u64,
    /// Whether a quote may hide the end of a line.
    quoting: bool,
}

impl Lines {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            ended: false,
            line: 0,
            next_line: 1,
            quoting: false,
        }
    }

    /// The first byte that is no white space and no byte-order mark, without consuming it.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        while self.end - self.start < BOM.len() && self.fill()? {}
        if self.buffer[self.start..self.end].starts_with(BOM) {
            self.start += BOM.len();
        }
        loop {
            let seen = &self.buffer[self.start..self.end];
            if let Some(byte) = seen.iter().find(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(*byte));
            }
            if seen.len() > MAX_LINE_BYTES || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// From now on a line's end inside quotes does not count (CSV).
    pub(super) fn set_quoting(&mut self, quoting: bool) {
        self.quoting = quoting;
    }

    /// The number of the line returned last (1 is the first).
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The bytes that a [`Line`] points into.
    pub(super) fn bytes(&self, at: &Range<usize>) -> &[u8] {
        &self.buffer[at.clone()]
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> io::Result<Line> {
        loop {
            let line = self.next_any()?;
            match &line {
                Line::Whole { at, .. } if at.is_empty() => {}
                _ => return Ok(line),
            }
        }
    }

    fn next_any(&mut self) -> io::Result<Line> {
        self.line = self.next_line;
        // Both relative to `start`, which moves when the buffer is refilled.
        let (mut searched, mut part) = (0, 0);
        let mut quotes = Quotes::Start;
        let mut quoted = false;
        loop {
            let found = memchr(b'\n', &self.buffer[self.start + searched..self.end]);
            if found.is_none() && !self.ended {
                searched = self.end - self.start;
                if searched > MAX_LINE_BYTES {
                    return self.pass_over();
                }
                self.fill()?;
                continue;
            }
            if found.is_none() && self.start + part == self.end && part == 0 {
                return Ok(Line::End);
            }
            let length = found.map_or(self.end - self.start, |i| searched + i);
            if self.quoting {
                let piece = &self.buffer[self.start + part..self.start + length];
                if quotes == Quotes::Quoted || memchr(b'"', piece).is_some() {
                    quoted = true;
                    quotes = quotes.after(piece);
                }
            }
            let open = quotes == Quotes::Quoted;
            if found.is_some() {
                self.next_line += 1;
            }
            if length > MAX_LINE_BYTES {
                self.start = (self.start + length + 1).min(self.end);
                return Ok(Line::TooLong);
            }
            if open && found.is_some() {
                (searched, part) = (length + 1, length + 1);
                continue;
            }
            let mut at = self.start..self.start + length;
            self.start = (at.end + 1).min(self.end);
            if self.buffer[at.clone()].ends_with(b"\r") {
                at.end -= 1;
            }
            return Ok(if open {
                Line::OpenQuote(at)
            } else {
                Line::Whole { at, quoted }
            });
        }
    }

    /// Drops everything to the end of the current line.
    fn pass_over(&mut self) -> io::Result<Line> {
        loop {
            match memchr(b'\n', &self.buffer[self.start..self.end]) {
                Some(i) => {
                    self.start += i + 1;
                    self.next_line += 1;
                    return Ok(Line::TooLong);
                }
                None => self.start = self.end,
            }
            if !self.fill()? {
                return Ok(Line::TooLong);
            }
        }
    }

    /// Takes in more bytes; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK_BYTES / 2 {
            self.buffer.resize(self.end + CHUNK_BYTES, 0);
        }
        let bytes = loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += bytes;
        self.ended = bytes == 0;
        Ok(!self.ended)
    }
}

/// Where in CSV's quoting a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// At the start of a field.
    Start,
    /// In a field without quotes; there a quote is a character.
    Bare,
    /// Inside quotes.
    Quoted,
    /// Behind a quote that closes, or is the first half of a doubled one.
    Closed,
}

impl Quotes {
    fn after(self, text: &[u8]) -> Self {
        text.iter().fold(self, |state, byte| match (state, byte) {
            (Self::Start | Self::Closed, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, _) => Self::Quoted,
            (_, b',') => Self::Start,
            _ => Self::Bare,
        })
    }
}
