//! Recordings: read from and written to files, pipes and compressed files.
//!
//! CSV with a header, or NDJSON (one object a line) with the same names; plain, gzip or
//! zstandard. Format and compression are told by the first bytes, not by the file's name.
//!
//! | column | |
//! |---|---|
//! | `ts_ms` | whole milliseconds since the epoch |
//! | `pair`, or `key` | a pair's address, lower-cased and put through the key template, or a key's exact bytes |
//! | `chain` | the pair's chain, `default` when empty or left out |
//! | `op` | `update`, `read`; empty or left out: both roles at once |
//! | `version` | the value's version, a whole number |
//! | `value` | the new value |
//! | `size` | bytes of the value |
//!
//! Other columns are passed over.

mod csv;
mod error;
mod fields;
mod json;
mod lines;
mod names;
mod source;
mod writer;
mod zstandard;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use forewarm_application::trace::TraceEvent;

use crate::codec::KeyCodec;
use csv::{Columns, Fields};
pub use error::{HeaderProblem, LineProblem, TraceError};
use lines::{Line, Lines};
use names::Names;
use source::Progress;
pub use writer::{Naming, TraceColumns, TraceLine, TraceWriter};

/// The events of a recording, in the order of the file.
///
/// Memory is bounded whatever the file holds: lines of more than 1 MiB are malformed. After an
/// error there is no next event, unless bad lines are to be skipped.
pub struct TraceReader {
    path: PathBuf,
    lines: Lines,
    format: Format,
    names: Names,
    progress: Progress,
    skip_bad_lines: bool,
    skipped: u64,
    ended: bool,
}

enum Format {
    Csv {
        columns: Columns,
        fields: Box<Fields>,
    },
    Ndjson,
}

impl TraceReader {
    /// Opens a recording (`-` is standard input) and reads its header.
    ///
    /// A malformed line ends the reading with an error that names it, or with `skip_bad_lines`
    /// is only counted. A bad header, or data that can't be read or decompressed, always is an error.
    pub fn open(path: &Path, codec: &KeyCodec, skip_bad_lines: bool) -> Result<Self, TraceError> {
        let cannot_open = |source| TraceError::Open {
            path: path.to_owned(),
            source,
        };
        let source = source::open(path).map_err(cannot_open)?;
        Self::of(path, source, codec, skip_bad_lines)
    }

    /// The same of bytes that somebody else has opened; messages call them `path` (`-` is standard
    /// input).
    pub fn from_bytes(
        path: &Path,
        bytes: impl io::Read + Send + 'static,
        codec: &KeyCodec,
        skip_bad_lines: bool,
    ) -> Result<Self, TraceError> {
        let source = source::decompressed(bytes, None).map_err(|source| TraceError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::of(path, source, codec, skip_bad_lines)
    }

    fn of(
        path: &Path,
        (source, progress): (source::Source, Progress),
        codec: &KeyCodec,
        skip_bad_lines: bool,
    ) -> Result<Self, TraceError> {
        let mut lines = Lines::new(source);
        let format = Format::read(path, &mut lines)?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            format,
            names: Names::new(codec.clone()),
            progress,
            skip_bad_lines,
            skipped: 0,
            ended: false,
        })
    }

    /// Malformed lines passed over so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes taken from the file so far, compressed as they are.
    pub fn bytes_read(&self) -> u64 {
        self.progress.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file; unknown for a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.progress.total
    }

    fn event(&mut self) -> io::Result<Option<Result<TraceEvent, LineProblem>>> {
        loop {
            let read = self.line()?;
            if !matches!(read, Some(Ok(None))) {
                return Ok(read.map(|event| event.map(|event| event.expect("just seen"))));
            }
        }
    }

    /// One line; an inner `None` is a line that holds no event and is none.
    #[allow(clippy::type_complexity)]
    fn line(&mut self) -> io::Result<Option<Result<Option<TraceEvent>, LineProblem>>> {
        let (at, quoted) = match self.lines.next()? {
            Line::Whole { at, quoted } => (at, quoted),
            Line::End => return Ok(None),
            Line::TooLong => return Ok(Some(Err(LineProblem::TooLong))),
            Line::OpenQuote(at) => {
                let text = error::excerpt(self.lines.bytes(&at));
                return Ok(Some(Err(LineProblem::OpenQuote { text })));
            }
        };
        let line = self.lines.bytes(&at);
        Ok(Some(match &mut self.format {
            Format::Csv { columns, fields } => {
                let event = columns.event(line, quoted, fields, &mut self.names);
                event.map(Some)
            }
            Format::Ndjson => json::event(line, &mut self.names),
        }))
    }
}

impl Format {
    fn read(path: &Path, lines: &mut Lines) -> Result<Self, TraceError> {
        let cannot_read = |source| TraceError::Read {
            path: path.to_owned(),
            line: 0,
            source,
        };
        if lines.peek().map_err(cannot_read)? == Some(b'{') {
            return Ok(Self::Ndjson);
        }
        lines.set_quoting(true);
        let mut fields = Box::new(Fields::new());
        let columns = match lines.next().map_err(cannot_read)? {
            Line::Whole { at, .. } => Columns::read(lines.bytes(&at), &mut fields),
            Line::End => Err(HeaderProblem::Empty),
            Line::TooLong => Err(HeaderProblem::Unreadable(LineProblem::TooLong)),
            Line::OpenQuote(at) => {
                let text = error::excerpt(lines.bytes(&at));
                Err(HeaderProblem::Unreadable(LineProblem::OpenQuote { text }))
            }
        };
        match columns {
            Ok(columns) => Ok(Self::Csv { columns, fields }),
            Err(problem) => Err(TraceError::Header {
                path: path.to_owned(),
                line: lines.line(),
                problem,
            }),
        }
    }
}

impl Iterator for TraceReader {
    type Item = Result<TraceEvent, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.event() {
                Ok(Some(Ok(event))) => return Some(Ok(event)),
                Ok(Some(Err(_))) if self.skip_bad_lines => self.skipped += 1,
                Ok(Some(Err(problem))) => {
                    self.ended = true;
                    let (path, line) = (self.path.clone(), self.lines.line());
                    return Some(Err(TraceError::Line {
                        path,
                        line,
                        problem,
                    }));
                }
                Ok(None) => self.ended = true,
                Err(source) => {
                    self.ended = true;
                    let (path, line) = (self.path.clone(), self.lines.line().saturating_sub(1));
                    return Some(Err(TraceError::Read { path, line, source }));
                }
            }
        }
        None
    }
}

impl std::fmt::Debug for TraceReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceReader")
            .field("path", &self.path)
            .field("line", &self.lines.line())
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
