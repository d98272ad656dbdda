//! What can be wrong with a recording: always with its file, its line and the text itself.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forewarm_domain::PairNameError;

use super::lines::MAX_LINE_BYTES;

/// Characters of offending text that a message repeats.
const EXCERPT_CHARS: usize = 80;

/// Why a recording can't be read (further) or written.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file could not be opened.
    #[error("cannot open {}", Shown(path, "standard input"))]
    Open {
        /// Which file; `-` is standard input (standard output always opens).
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading failed on the way: an I/O error, or compressed data that is damaged or cut off.
    #[error("cannot read {} past line {line}", Shown(path, "standard input"))]
    Read {
        /// Which file.
        path: PathBuf,
        /// The last line that was read whole.
        line: u64,
        /// The system's or the decompressor's reason.
        source: io::Error,
    },
    /// The header does not name what every line needs.
    #[error("{}, line {line}: {problem}", Shown(path, "standard input"))]
    Header {
        /// Which file.
        path: PathBuf,
        /// The header's line number.
        line: u64,
        /// What is missing or wrong.
        problem: HeaderProblem,
    },
    /// A line is malformed.
    #[error("{}, line {line}: {problem}", Shown(path, "standard input"))]
    Line {
        /// Which file.
        path: PathBuf,
        /// The number of the line (of its first line, when quotes span several).
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// Writing failed.
    #[error("cannot write {}", Shown(path, "standard output"))]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl TraceError {
    /// Whether the reader of our output went away (`forewarm generate | head`): no failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// There is not one line.
    #[error("the recording is empty, expected a header such as `ts_ms,pair`")]
    Empty,
    /// A column that every line needs is not there.
    #[error("the header has no column `{column}`, found {found:?}")]
    Missing {
        /// The missing column.
        column: &'static str,
        /// The header, shortened.
        found: String,
    },
    /// A column stands twice, or `pair` and `key` stand side by side.
    #[error("the header names both `{first}` and `{second}`, expected one of them, once")]
    Twice {
        /// The earlier column.
        first: String,
        /// The later one.
        second: String,
    },
    /// The header itself is not a line of CSV.
    #[error("the header is unreadable: {0}")]
    Unreadable(LineProblem),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Too few or too many fields.
    #[error("expected {expected} fields, found {found} in {text:?}")]
    FieldCount {
        /// The header's number.
        expected: usize,
        /// The line's number.
        found: usize,
        /// The line, shortened.
        text: String,
    },
    /// A number is none, or out of range.
    #[error("column `{column}`: expected a whole number up to {max}, found {text:?}")]
    Integer {
        /// The column.
        column: &'static str,
        /// The largest number allowed.
        max: u64,
        /// The field, shortened.
        text: String,
    },
    /// An op of another kind.
    #[error("column `op`: expected update, read or nothing, found {text:?}")]
    Op {
        /// The field, shortened.
        text: String,
    },
    /// A name that must be text is not.
    #[error("column `{column}`: not UTF-8: {text:?}")]
    Utf8 {
        /// The column.
        column: &'static str,
        /// The field, shortened, with its unreadable bytes replaced.
        text: String,
    },
    /// A key without bytes.
    #[error("column `key` is empty")]
    EmptyKey,
    /// A pair's name is empty or too long.
    #[error("column `{column}`: {source}, found {text:?}")]
    Pair {
        /// `pair` or `chain`.
        column: &'static str,
        /// The field, shortened.
        text: String,
        /// Why it is refused.
        source: PairNameError,
    },
    /// A line of NDJSON is not an object with the fields that it needs.
    #[error("{reason}, in {text:?}")]
    Json {
        /// The parser's words.
        reason: String,
        /// The line, shortened.
        text: String,
    },
    /// A line of NDJSON lacks a field.
    #[error("no field `{column}` in {text:?}")]
    NoField {
        /// The missing field.
        column: &'static str,
        /// The line, shortened.
        text: String,
    },
    /// A line has both names.
    #[error("both `pair` and `key` in {text:?}, expected one of them")]
    BothNames {
        /// The line, shortened.
        text: String,
    },
    /// A line longer than memory is given for.
    #[error("longer than {MAX_LINE_BYTES} bytes (is a quote left open?)")]
    TooLong,
    /// The file ends inside quotes.
    #[error("a quote is left open to the end of the file, in {text:?}")]
    OpenQuote {
        /// The line, shortened.
        text: String,
    },
}

/// The beginning of `bytes` for a message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    // Four bytes a character at most, so that a megabyte is not converted to be cut.
    let head = &bytes[..bytes.len().min(4 * EXCERPT_CHARS)];
    let text = String::from_utf8_lossy(head);
    let mut shown: String = text.chars().take(EXCERPT_CHARS).collect();
    if shown.len() < text.len() || head.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// A path, or the stream that `-` stands for.
struct Shown<'a>(&'a Path, &'static str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_os_str() == "-" {
            f.write_str(self.1)
        } else {
            self.0.display().fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_named_as_the_stream_that_it_stands_for() {
        let (path, source) = (PathBuf::from("-"), || io::ErrorKind::BrokenPipe.into());
        let read = TraceError::Read {
            path: path.clone(),
            line: 3,
            source: source(),
        };
        assert_eq!(read.to_string(), "cannot read standard input past line 3");
        let write = TraceError::Write {
            path,
            source: source(),
        };
        assert_eq!(write.to_string(), "cannot write standard output");
    }
}
