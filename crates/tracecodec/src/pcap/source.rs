//! The bytes of a capture: one growing buffer over a file, a pipe or a decompressor.

use std::io::{self, BufReader, Cursor, Read, Write};

use super::Compression;
use crate::error::{CaptureFault, Error};

/// Initial size of the buffer, which grows if a record needs more.
const BUFFER: usize = 512 << 10;

/// Size of the buffer of compressed bytes.
const COMPRESSED_BUFFER: usize = 128 << 10;

/// Most bytes asked of a decompressor at once. At bad data, a decompressor also drops what it had
/// ready for the caller.
const DECOMPRESSED_STEP: usize = 16 << 10;

/// A stream of bytes, with a buffer that shows several bytes at once.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    compression: Compression,
    buffer: Vec<u8>,
    /// The unconsumed bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    offset: u64,
}

/// Copies a file without its compression, for programs that read plain files only. If the file is
/// damaged, everything before the damage is copied.
///
/// # Errors
/// If the file cannot be read or is damaged, or the output cannot be written.
pub fn decompress(input: impl Read + Send + 'static, output: &mut impl Write) -> Result<(), Error> {
    let failed = |fault| Error::Capture {
        path: None,
        packet: 0,
        offset: 0,
        fault,
    };
    let mut source = Source::open(Box::new(input)).map_err(failed)?;
    while source.fill(1).map_err(failed)? {
        let bytes = source.consume(source.available().len());
        output.write_all(bytes)?;
    }
    Ok(())
}

impl Source {
    /// Starts a stream; decompresses it if its first bytes are those of a compression.
    pub(super) fn open(input: Box<dyn Read + Send>) -> Result<Self, CaptureFault> {
        let mut source = Self::new(input, Compression::None);
        source.fill(4)?;
        let compression = match source.available() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => return Ok(source),
        };
        let head = source.available().to_vec();
        let input = Cursor::new(head).chain(source.input);
        let input = BufReader::with_capacity(COMPRESSED_BUFFER, input);
        let input: Box<dyn Read + Send> = match compression {
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(CaptureFault::Io)?)
            }
            _ => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        };
        Ok(Self::new(input, compression))
    }

    fn new(input: Box<dyn Read + Send>, compression: Compression) -> Self {
        Self {
            input,
            compression,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// Compression of the stream.
    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Place of the first unconsumed byte in the uncompressed stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The unconsumed bytes that are in the buffer.
    pub(super) fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads until `wanted` bytes are available; false if the stream ends earlier.
    ///
    /// A full buffer at most doubles, so a false length in a file costs no memory.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> Result<bool, CaptureFault> {
        if self.end - self.start >= wanted {
            return Ok(true);
        }
        self.refill(wanted)
    }

    #[cold]
    fn refill(&mut self, wanted: usize) -> Result<bool, CaptureFault> {
        while self.end - self.start < wanted {
            self.make_room();
            let room = &mut self.buffer[self.end..];
            let step = match self.compression {
                Compression::None => room.len(),
                _ => room.len().min(DECOMPRESSED_STEP),
            };
            match self.input.read(&mut room[..step]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(true)
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// The fault for an I/O error. Decompressors report bad data as an I/O error that no system
    /// call returned.
    fn failure(&self, cause: io::Error) -> CaptureFault {
        match self.compression {
            Compression::None => CaptureFault::Io(cause),
            _ if cause.raw_os_error().is_some() => CaptureFault::Io(cause),
            compression => CaptureFault::BadCompression {
                compression: compression.name(),
                cause,
            },
        }
    }

    /// Moves past `count` available bytes, and returns them.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        self.offset += count as u64;
        &self.buffer[from..self.start]
    }
}
