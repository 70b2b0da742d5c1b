//! What can be wrong with a capture.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{Compression, Foreign, LinkType, Timestamp};

/// A capture that cannot be read on, and the place where it stops. All packets before that place have been given.
#[derive(Debug)]
pub struct ReadError {
    /// The file, if it has a name; `-` is standard input.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub kind: ReadErrorKind,
    /// Where the record, block or header begins that is wrong, in bytes of the uncompressed capture.
    pub offset: u64,
    /// Number of the packet that could not be read; the file's first is 1. Zero: the file could not be opened.
    pub packet: u64,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The operating system cannot open or read the file.
    #[error("{0}")]
    Io(io::Error),
    /// There is not one byte.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of a capture.
    #[error("not a pcap or pcapng capture{}", looks_like(.0))]
    NotACapture(Option<&'static Foreign>),
    /// The file is of a version that nobody else reads either.
    #[error("version {major}.{minor} of the format is not supported")]
    UnsupportedVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// The file ends within its file header.
    #[error("the file header is cut off: {have} of {need} bytes are there")]
    TruncatedHeader {
        /// Bytes that are there.
        have: usize,
        /// Bytes of a whole header.
        need: usize,
    },
    /// The file ends within a packet record or a block.
    #[error("the record is cut off: {have} of {need} bytes are there")]
    TruncatedRecord {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the record needs, as far as is known.
        need: usize,
    },
    /// A packet record that claims an impossible length.
    #[error("the record claims {captured} captured of {wire} bytes, which cannot be")]
    BadRecord {
        /// `incl_len`: bytes that should follow.
        captured: u32,
        /// `orig_len`: bytes that were on the wire.
        wire: u32,
    },
    /// A pcapng block that contradicts itself.
    #[error("bad block of type {block:#010x}: {fault}")]
    BadBlock {
        /// Block type.
        block: u32,
        /// What is wrong with it.
        fault: BlockFault,
    },
    /// A pcapng packet of an interface that was not described before it.
    #[error("the packet names interface {interface}, but the section has {known} so far")]
    UnknownInterface {
        /// Interface ID in the packet's block.
        interface: u32,
        /// Interfaces that the section has described.
        known: usize,
    },
    /// The compressed data around the capture is damaged or cut off.
    #[error("bad {compression} data: {cause}")]
    BadCompression {
        /// The compression.
        compression: Compression,
        /// The decompressor's word on it.
        cause: io::Error,
    },
}

/// How a pcapng block contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// Block Total Length is too small, too large, or no multiple of four.
    #[error("its length cannot be {0}")]
    Length(u32),
    /// The length at its end is not the length at its start.
    #[error("its two lengths, {0} and {1}, differ")]
    Trailer(u32, u32),
    /// Byte-Order Magic is neither 1a2b3c4d nor 4d3c2b1a.
    #[error("its byte order cannot be told")]
    ByteOrder,
    /// An option reaches beyond the block, or is too short for its value.
    #[error("one of its options is malformed")]
    Option,
    /// The captured length reaches beyond the block.
    #[error("it has no room for the {0} bytes of its packet")]
    PacketLength(u32),
}

impl ReadError {
    /// What to try, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        self.kind.hint()
    }
}

impl ReadErrorKind {
    fn hint(&self) -> Option<&'static str> {
        const LENIENT: &str = "--lenient keeps the packets before the damage";
        const CUT: &str = "the capture was cut off; --lenient keeps the packets before the cut";
        match self {
            Self::Io(_) => None,
            Self::Empty => Some("the capture may never have been started, or the disk was full"),
            Self::NotACapture(Some(foreign)) => Some(foreign.hint),
            Self::NotACapture(None) => Some("a pcap or pcapng file is needed"),
            Self::UnsupportedVersion { .. } => Some("pcap 2.x and pcapng 1.x can be read"),
            Self::TruncatedHeader { .. } => Some("the capture was cut off before its first packet"),
            Self::TruncatedRecord { .. } => Some(CUT),
            Self::BadCompression { cause, .. } if cause.kind() == io::ErrorKind::UnexpectedEof => {
                Some(CUT)
            }
            Self::BadRecord { .. }
            | Self::BadBlock { .. }
            | Self::UnknownInterface { .. }
            | Self::BadCompression { .. } => Some(LENIENT),
        }
    }

    /// Whether the fault is the file's as a whole, not that of one place in it.
    fn is_whole_file(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::NotACapture(_)
                | Self::UnsupportedVersion { .. }
                | Self::TruncatedHeader { .. }
        )
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        if self.offset > 0 || self.packet > 0 && !self.kind.is_whole_file() {
            write!(f, "packet {} at byte {}: ", self.packet, self.offset)?;
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for ReadError {}

fn looks_like(foreign: &Option<&'static Foreign>) -> String {
    foreign.map_or_else(String::new, |foreign| format!(": this is {}", foreign.name))
}

/// A packet that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The output failed; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The format has no room for the time: classic pcap ends in 2106, and neither format goes before 1970.
    #[error("the format cannot hold the time {0}")]
    TimeOutOfRange(Timestamp),
    /// A classic pcap file has one link type.
    #[error("a pcap file holds one link type: {first} so far, now {packet}")]
    MixedLinkTypes {
        /// Link type of the file.
        first: LinkType,
        /// Link type of the packet.
        packet: LinkType,
    },
    /// The packet is longer than any reader accepts.
    #[error("a packet of {0} bytes is too long for a capture")]
    TooLong(usize),
}

impl WriteError {
    /// Whether the reader of a pipe went away, which is no failure of the writer.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to try, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) | Self::TooLong(_) => None,
            Self::TimeOutOfRange(_) => Some("pcapng output holds times up to 2262"),
            Self::MixedLinkTypes { .. } => Some("write to a .pcapng file, which can hold several"),
        }
    }
}
