//! Where a recording's bytes come from: a file or standard input, decompressed if need be.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::zstandard;

/// A decompressed stream of bytes.
pub(super) type Source = Box<dyn Read + Send>;

/// What is known of a source beside its bytes.
#[derive(Debug)]
pub(super) struct Progress {
    /// Bytes taken from the file so far, before decompression.
    pub(super) read: Arc<AtomicU64>,
    /// Bytes of the file, unknown for a pipe.
    pub(super) total: Option<u64>,
}

/// Opens `path` (`-` is standard input) and looks at its first bytes, whatever its name says.
pub(super) fn open(path: &Path) -> io::Result<(Source, Progress)> {
    if path.as_os_str() == "-" {
        return decompressed(io::stdin(), None);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let total = metadata.is_file().then_some(metadata.len());
    decompressed(file, total)
}

/// Decompresses, if need be, what comes from `raw`.
pub(super) fn decompressed(
    raw: impl Read + Send + 'static,
    total: Option<u64>,
) -> io::Result<(Source, Progress)> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

    let read = Arc::new(AtomicU64::new(0));
    let mut raw = Counted {
        inner: raw,
        read: Arc::clone(&read),
    };
    let mut magic = Vec::with_capacity(ZSTD.len());
    raw.by_ref()
        .take(ZSTD.len() as u64)
        .read_to_end(&mut magic)?;
    let (gzip, zstd) = (magic.starts_with(&GZIP), magic.starts_with(&ZSTD));
    let whole = Cursor::new(magic).chain(raw);
    let source: Source = if gzip {
        Box::new(MultiGzDecoder::new(whole))
    } else if zstd {
        Box::new(zstandard::Decoder::new(whole))
    } else {
        Box::new(whole)
    };
    Ok((source, Progress { read, total }))
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
