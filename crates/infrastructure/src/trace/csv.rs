//! CSV: a header that names the columns, then one event a line.

use bytes::Bytes;
use csv_core::ReadRecordResult;
use forewarm_application::trace::TraceEvent;
use forewarm_domain::{Op, Timestamp, Version};

use super::error::{HeaderProblem, LineProblem, excerpt};
use super::fields::{MAX_TS_MS, integer, op};
use super::names::Names;

/// Which column holds what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    count: usize,
    ts_ms: usize,
    name: NameColumn,
    op: Option<usize>,
    version: Option<usize>,
    value: Option<usize>,
    size: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum NameColumn {
    Pair { pair: usize, chain: Option<usize> },
    Key(usize),
}

impl Columns {
    /// Reads the header. Columns of other names are passed over.
    pub(super) fn read(header: &[u8], fields: &mut Fields) -> Result<Self, HeaderProblem> {
        const KNOWN: [&str; 8] = [
            "ts_ms", "pair", "key", "chain", "op", "version", "value", "size",
        ];

        let text = fields.split(header, true);
        let mut at = [None; KNOWN.len()];
        for index in 0..fields.len() {
            let name = fields.get(text, index).trim_ascii();
            let Some(column) = KNOWN.iter().position(|known| known.as_bytes() == name) else {
                continue;
            };
            if at[column].replace(index).is_some() {
                let name = KNOWN[column].to_owned();
                return Err(HeaderProblem::Twice {
                    first: name.clone(),
                    second: name,
                });
            }
        }
        let [ts_ms, pair, key, chain, op, version, value, size] = at;
        let missing = |column| HeaderProblem::Missing {
            column,
            found: excerpt(header),
        };
        let name = match (pair, key) {
            (Some(pair), None) => NameColumn::Pair { pair, chain },
            (None, Some(key)) => NameColumn::Key(key),
            (None, None) => return Err(missing("pair")),
            (Some(_), Some(_)) => {
                let (first, second) = ("pair".to_owned(), "key".to_owned());
                return Err(HeaderProblem::Twice { first, second });
            }
        };
        let ts_ms = ts_ms.ok_or_else(|| missing("ts_ms"))?;
        Ok(Self {
            count: fields.len(),
            ts_ms,
            name,
            op,
            version,
            value,
            size,
        })
    }

    /// Reads one line.
    pub(super) fn event(
        &self,
        line: &[u8],
        quoted: bool,
        fields: &mut Fields,
        names: &mut Names,
    ) -> Result<TraceEvent, LineProblem> {
        let text = fields.split(line, quoted);
        if fields.len() != self.count {
            let (expected, found) = (self.count, fields.len());
            return Err(LineProblem::FieldCount {
                expected,
                found,
                text: excerpt(line),
            });
        }
        let field = |index: usize| fields.get(text, index);
        let optional = |column: Option<usize>| column.map(field).filter(|f| !f.is_empty());
        let number = |column, index, max| {
            optional(index)
                .map(|field| integer(column, field, max))
                .transpose()
        };

        let at = Timestamp::from_millis(integer("ts_ms", field(self.ts_ms), MAX_TS_MS)?);
        let op = self.op.map_or(Ok(Op::Access), |index| op(field(index)))?;
        let version = number("version", self.version, u64::MAX)?.map(Version);
        let size = number("size", self.size, u64::from(u32::MAX))?.map(|size| size as u32);
        let value = optional(self.value).map(Bytes::copy_from_slice);
        let key = match self.name {
            NameColumn::Pair { pair, chain } => names.pair(chain.map(field), field(pair))?,
            NameColumn::Key(key) => names.key(field(key))?,
        };
        Ok(TraceEvent {
            key,
            op,
            at,
            version,
            value,
            size,
        })
    }
}

/// The fields of the line split last; its buffers are used again for the next.
pub(super) struct Fields {
    bounds: Vec<(usize, usize)>,
    /// The text of a quoted line without its quotes.
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    parser: csv_core::Reader,
}

/// Which text the bounds of [`Fields`] belong to.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Line(&'a [u8]),
    Unquoted,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self {
            bounds: Vec::new(),
            unquoted: Vec::new(),
            ends: Vec::new(),
            parser: csv_core::Reader::new(),
        }
    }

    /// Splits a line; only one with quotes pays for a real parser.
    pub(super) fn split<'a>(&mut self, line: &'a [u8], quoted: bool) -> Text<'a> {
        self.bounds.clear();
        if quoted {
            self.split_quoted(line);
            return Text::Unquoted;
        }
        let mut start = 0;
        for comma in memchr::memchr_iter(b',', line) {
            self.bounds.push((start, comma));
            start = comma + 1;
        }
        self.bounds.push((start, line.len()));
        Text::Line(line)
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    pub(super) fn get<'a>(&'a self, text: Text<'a>, index: usize) -> &'a [u8] {
        let (start, end) = self.bounds[index];
        match text {
            Text::Line(line) => &line[start..end],
            Text::Unquoted => &self.unquoted[start..end],
        }
    }

    fn split_quoted(&mut self, line: &[u8]) {
        self.parser.reset();
        self.unquoted.resize(self.unquoted.len().max(line.len()), 0);
        // One field more than commas, at most; one byte more, for the end that `line` lacks.
        self.ends.resize(self.ends.len().max(line.len() + 1), 0);
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let (result, more_read, more_written, more_fields) = self.parser.read_record(
                &line[read..],
                &mut self.unquoted[written..],
                &mut self.ends[fields..],
            );
            (read, written, fields) = (
                read + more_read,
                written + more_written,
                fields + more_fields,
            );
            match result {
                // An empty input after all is read means "that was the end".
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull => self.unquoted.resize(written * 2 + 16, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(fields * 2 + 16, 0),
            }
        }
        let mut start = 0;
        for end in &self.ends[..fields] {
            self.bounds.push((start, *end));
            start = *end;
        }
    }
}
