//! Zstandard streams of any number of frames, over a codec that knows one frame at a time.

use std::io::{self, BufRead, BufReader, Read, Write};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Uncompressed bytes of the frames that we write: enough to compress well, and to decompress
/// apart from the rest.
const FRAME_BYTES: usize = 4 << 20;

/// Decompresses frame after frame, passes over skippable ones, and compares checksums where
/// frames have them.
pub(super) struct Decoder<R> {
    source: BufReader<R>,
    frame: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(source: R) -> Self {
        let source = BufReader::with_capacity(64 << 10, source);
        Self {
            source,
            frame: FrameDecoder::new(),
            in_frame: false,
        }
    }

    /// Whether there is another frame; it has been entered then.
    fn enter_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.frame.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(
                        &mut self.source.by_ref().take(length.into()),
                        &mut io::sink(),
                    )?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn leave_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let said = self.frame.get_checksum_from_data();
        if said.is_some() && said != self.frame.get_calculated_checksum() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "wrong zstd checksum",
            ));
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.enter_frame()? {
                return Ok(0);
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                self.frame
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            match self.frame.read(buffer)? {
                0 => self.leave_frame()?,
                bytes => return Ok(bytes),
            }
        }
    }
}

/// Compresses into frames of [`FRAME_BYTES`].
pub(super) struct Encoder<W> {
    out: W,
    pending: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            pending: Vec::new(),
        }
    }

    /// Writes what is pending as the last frame.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.write_frame()?;
        self.out.flush()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frame = compress_to_vec(self.pending.as_slice(), CompressionLevel::Fastest);
        self.pending.clear();
        self.out.write_all(&frame)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= FRAME_BYTES {
            self.write_frame()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_frame()?;
        self.out.flush()
    }
}
