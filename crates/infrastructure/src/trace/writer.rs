//! Writing a recording.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use forewarm_domain::{Op, Timestamp, Version};

use super::error::TraceError;
use super::zstandard;

/// How keys are named in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Columns `chain` and `pair`.
    Pairs,
    /// Column `key`: exact bytes, whatever the template.
    Keys,
}

/// The columns beside time, name and op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceColumns {
    /// How keys are named.
    pub naming: Naming,
    /// Whether there is a column `version`.
    pub version: bool,
    /// Whether there is a column `value`.
    pub value: bool,
}

/// One line to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceLine<'a> {
    /// When; written in whole milliseconds.
    pub at: Timestamp,
    /// The chain; ignored where keys are named by their bytes.
    pub chain: &'a str,
    /// The pair's address, or the key's bytes.
    pub name: &'a [u8],
    /// What happened; [`Op::Access`] leaves its field empty.
    pub op: Op,
    /// Written if there is a column for it.
    pub version: Option<Version>,
    /// Written if there is a column for it.
    pub value: Option<&'a [u8]>,
}

/// Writes CSV with a header: `ts_ms,chain,pair,op[,version][,value]` or `ts_ms,key,op…`; or, where
/// the file's name says `.ndjson` or `.jsonl` (before `.gz` or `.zst`), one object a line.
///
/// [`finish`](Self::finish) must be called, or the end of a compressed file is missing.
pub struct TraceWriter {
    path: PathBuf,
    out: BufWriter<Out>,
    columns: TraceColumns,
    ndjson: bool,
    line: Vec<u8>,
    lines: u64,
}

enum Out {
    Plain(Box<dyn Write + Send>),
    Gzip(GzEncoder<File>),
    Zstd(zstandard::Encoder<File>),
}

impl TraceWriter {
    /// Creates (or empties) `path`, compressed as its suffix `.gz` or `.zst` says; `-` is
    /// standard output, never compressed.
    pub fn create(path: &Path, columns: TraceColumns) -> Result<Self, TraceError> {
        let out = Out::create(path).map_err(|source| TraceError::Open {
            path: path.to_owned(),
            source,
        })?;
        let mut writer = Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(64 << 10, out),
            columns,
            ndjson: is_ndjson(path),
            line: Vec::new(),
            lines: 0,
        };
        if writer.ndjson {
            return Ok(writer);
        }
        writer.line.extend_from_slice(match columns.naming {
            Naming::Pairs => b"ts_ms,chain,pair,op",
            Naming::Keys => b"ts_ms,key,op",
        });
        if columns.version {
            writer.line.extend_from_slice(b",version");
        }
        if columns.value {
            writer.line.extend_from_slice(b",value");
        }
        writer.write_line()?;
        Ok(writer)
    }

    /// Whether a name can be written: JSON has no words for bytes that are not UTF-8.
    pub fn takes(&self, name: &[u8]) -> bool {
        !self.ndjson || std::str::from_utf8(name).is_ok()
    }

    /// Appends one line.
    pub fn write(&mut self, line: &TraceLine<'_>) -> Result<(), TraceError> {
        if self.ndjson {
            self.line.clear();
            push_object(&mut self.line, line, self.columns);
            self.lines += 1;
            return self.write_line();
        }
        let out = &mut self.line;
        out.clear();
        // Writing to a vector can't fail.
        let _ = write!(out, "{},", line.at.as_millis());
        if self.columns.naming == Naming::Pairs {
            push_field(out, line.chain.as_bytes());
            out.push(b',');
        }
        push_field(out, line.name);
        out.extend_from_slice(match line.op {
            Op::Update => b",update",
            Op::Read => b",read",
            Op::Access => b",",
        });
        if self.columns.version {
            out.push(b',');
            if let Some(Version(version)) = line.version {
                let _ = write!(out, "{version}");
            }
        }
        if self.columns.value {
            out.push(b',');
            push_field(out, line.value.unwrap_or_default());
        }
        self.lines += 1;
        self.write_line()
    }

    /// Lines written so far, without the header.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Hands what is buffered to the file, for readers that follow it; costs compression.
    pub fn flush(&mut self) -> Result<(), TraceError> {
        self.out.flush().map_err(|source| self.failed(source))
    }

    /// Ends the file; how many lines it has, without the header.
    pub fn finish(self) -> Result<u64, TraceError> {
        let Self {
            path, out, lines, ..
        } = self;
        let ended = match out.into_inner() {
            Ok(Out::Plain(mut out)) => out.flush(),
            Ok(Out::Gzip(encoder)) => encoder.finish().map(drop),
            Ok(Out::Zstd(encoder)) => encoder.finish(),
            Err(error) => Err(error.into_error()),
        };
        ended.map_err(|source| TraceError::Write { path, source })?;
        Ok(lines)
    }

    fn write_line(&mut self) -> Result<(), TraceError> {
        self.line.push(b'\n');
        self.out
            .write_all(&self.line)
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> TraceError {
        TraceError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

impl Out {
    fn create(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Plain(Box::new(io::stdout())));
        }
        let file = File::create(path)?;
        Ok(match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Self::Gzip(GzEncoder::new(file, Compression::default())),
            Some("zst") => Self::Zstd(zstandard::Encoder::new(file)),
            _ => Self::Plain(Box::new(file)),
        })
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

/// `trades.ndjson`, `trades.jsonl.gz`.
fn is_ndjson(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
    plain.ends_with(".ndjson") || plain.ends_with(".jsonl")
}

/// One object, with the names of the CSV columns. Bytes that are not UTF-8 are replaced.
fn push_object(out: &mut Vec<u8>, line: &TraceLine<'_>, columns: TraceColumns) {
    let quoted = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        serde_json::to_string(&text).expect("text is always JSON")
    };
    // Writing to a vector can't fail.
    let _ = write!(out, "{{\"ts_ms\":{}", line.at.as_millis());
    let name = quoted(line.name);
    let _ = match columns.naming {
        Naming::Pairs => {
            let chain = quoted(line.chain.as_bytes());
            write!(out, ",\"chain\":{chain},\"pair\":{name}")
        }
        Naming::Keys => write!(out, ",\"key\":{name}"),
    };
    out.extend_from_slice(match line.op {
        Op::Update => b",\"op\":\"update\"",
        Op::Read => b",\"op\":\"read\"",
        Op::Access => b"",
    });
    if let Some(Version(version)) = line.version.filter(|_| columns.version) {
        let _ = write!(out, ",\"version\":{version}");
    }
    if let Some(value) = line.value.filter(|_| columns.value) {
        let _ = write!(out, ",\"value\":{}", quoted(value));
    }
    out.push(b'}');
}

/// Quotes a field where it must be (RFC 4180).
fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    if !field
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
    {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for byte in field {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
