//! Reading a capture of any kind, packet by packet.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::classic::{Classic, FILE_HEADER};
use super::foreign::recognise;
use super::ng::Section;
use super::source::Source;
use super::{Container, Format, Packet, ReadError, ReadErrorKind, Record};

/// A stream of packets out of a capture.
///
/// Kind and compression are told by content, not by name. Memory does not depend on the length of the file. A damaged
/// file gives every packet before the damage, then one error, then nothing.
pub struct Reader {
    path: Option<PathBuf>,
    source: Source,
    decoder: Decoder,
    packets: u64,
    ended: bool,
}

enum Decoder {
    Classic(Classic),
    Ng(Section),
}

impl Reader {
    /// Opens a capture by its path; `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let input: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| ReadError {
                path: Some(path.to_path_buf()),
                kind: ReadErrorKind::Io(error),
                offset: 0,
                packet: 0,
            })?)
        };
        Self::start(Some(path.to_path_buf()), input)
    }

    /// Reads a capture from any stream of bytes. No buffering is needed around it.
    ///
    /// # Errors
    /// If the stream cannot be read, or is not a capture.
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, ReadError> {
        Self::start(None, Box::new(input))
    }

    fn start(path: Option<PathBuf>, input: Box<dyn Read + Send>) -> Result<Self, ReadError> {
        let opened = Source::open(input).and_then(|mut source| {
            let decoder = Decoder::open(&mut source)?;
            Ok((source, decoder))
        });
        match opened {
            Ok((source, decoder)) => Ok(Self {
                path,
                source,
                decoder,
                packets: 0,
                ended: false,
            }),
            Err(kind) => Err(ReadError {
                path,
                kind,
                offset: 0,
                packet: 1,
            }),
        }
    }

    /// The next packet; none after the last one, or after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an Iterator's items cannot borrow from it, and a packet borrows the buffer"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Result<Packet<'_>, ReadError>> {
        if self.ended {
            return None;
        }
        let record = match &mut self.decoder {
            Decoder::Classic(classic) => classic.next_record(&mut self.source),
            Decoder::Ng(section) => section.next_record(&mut self.source),
        };
        match record {
            Ok(Some(record)) => Some(Ok(self.give(record))),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(kind) => Some(Err(self.fail(kind))),
        }
    }

    #[inline]
    fn give(&mut self, record: Record) -> Packet<'_> {
        self.packets += 1;
        let bytes = self.source.consume(record.len);
        Packet {
            time: record.time,
            link: record.link,
            wire_len: record.wire_len,
            data: &bytes[record.data],
        }
    }

    #[cold]
    fn fail(&mut self, kind: ReadErrorKind) -> ReadError {
        self.ended = true;
        ReadError {
            path: self.path.clone(),
            kind,
            offset: self.source.offset(),
            packet: self.packets + 1,
        }
    }

    /// What the capture is. A pcapng file's precision is that of the interfaces described so far.
    pub fn format(&self) -> Format {
        let (container, precision) = match &self.decoder {
            Decoder::Classic(classic) => (Container::Pcap, classic.precision()),
            Decoder::Ng(section) => (Container::PcapNg, section.precision()),
        };
        Format {
            container,
            precision,
            compression: self.source.compression(),
        }
    }

    /// Bytes of the uncompressed capture that have been read: where the next record begins.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// Packets given so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

impl Decoder {
    fn open(source: &mut Source) -> Result<Self, ReadErrorKind> {
        source.fill(FILE_HEADER)?;
        let head = source.available();
        let head = &head[..head.len().min(FILE_HEADER)];
        match head {
            [] => Err(ReadErrorKind::Empty),
            head if Classic::recognises(head) => Classic::open(source).map(Self::Classic),
            head if Section::recognises(head) => Section::open(source).map(Self::Ng),
            head => Err(ReadErrorKind::NotACapture(recognise(head))),
        }
    }
}
