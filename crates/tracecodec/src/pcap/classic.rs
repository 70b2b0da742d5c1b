//! Classic pcap: a file header, then one record a packet
//! (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>).

use super::endian::Endian;
use super::source::Source;
use super::{LinkType, MAX_DATA, MAX_SNAPLEN, Precision, ReadErrorKind, Record, Timestamp};

/// Bytes of the file header.
pub(super) const FILE_HEADER: usize = 24;

/// Bytes of a record header.
pub(super) const RECORD_HEADER: usize = 16;

/// Record header of the "modified" format: interface index, protocol and packet type behind the usual fields.
const MODIFIED_RECORD_HEADER: usize = 24;

/// Magic of a file with microseconds.
pub(super) const MAGIC_MICROS: u32 = 0xa1b2_c3d4;

/// Magic of a file with nanoseconds.
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

/// Magic of Alexey Kuznetzov's "modified" libpcap: microseconds.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// How the records of one file are to be read.
#[derive(Debug, Clone)]
pub(super) struct Classic {
    endian: Endian,
    precision: Precision,
    record_header: usize,
    lengths: Lengths,
    snaplen: u32,
    link: LinkType,
}

/// Order of the two lengths of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    /// `incl_len`, then `orig_len`.
    Usual,
    /// `orig_len` first: files before version 2.3.
    Swapped,
    /// Version 2.3 was written both ways: the smaller is `incl_len`.
    Smaller,
}

impl Classic {
    /// Whether a file that starts so is a classic pcap file.
    pub(super) fn recognises(head: &[u8]) -> bool {
        head.len() >= 4 && magic(head).is_some()
    }

    /// Reads the file header.
    pub(super) fn open(source: &mut Source) -> Result<Self, ReadErrorKind> {
        if !source.fill(FILE_HEADER)? {
            return Err(ReadErrorKind::TruncatedHeader {
                have: source.available().len(),
                need: FILE_HEADER,
            });
        }
        let classic = Self::parse(source.available())?;
        source.consume(FILE_HEADER);
        Ok(classic)
    }

    fn parse(header: &[u8]) -> Result<Self, ReadErrorKind> {
        let (endian, magic) = magic(header).ok_or(ReadErrorKind::NotACapture(None))?;
        let (major, minor) = (endian.u16(header, 4), endian.u16(header, 6));
        // libpcap stops at 2.4, Wireshark takes every 2.x: no later minor version was ever defined.
        if major != 2 {
            return Err(ReadErrorKind::UnsupportedVersion { major, minor });
        }
        Ok(Self {
            endian,
            precision: if magic == MAGIC_NANOS {
                Precision::Nanos
            } else {
                Precision::Micros
            },
            record_header: if magic == MAGIC_MODIFIED {
                MODIFIED_RECORD_HEADER
            } else {
                RECORD_HEADER
            },
            lengths: Lengths::of_version(minor),
            snaplen: endian.u32(header, 16),
            // The upper half says whether and how long a frame check sequence is.
            link: LinkType(endian.u32(header, 20) as u16),
        })
    }

    /// The file's time step.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// The next record, whole in the buffer but not yet consumed; none at the end of the file.
    #[inline]
    pub(super) fn next_record(&self, source: &mut Source) -> Result<Option<Record>, ReadErrorKind> {
        if !source.fill(self.record_header)? {
            return match source.available().len() {
                0 => Ok(None),
                have => Err(ReadErrorKind::TruncatedRecord {
                    have,
                    need: self.record_header,
                }),
            };
        }
        let header = source.available();
        let (captured, wire) = self.lengths(header);
        if !self.is_plausible(captured, wire) {
            return Err(ReadErrorKind::BadRecord { captured, wire });
        }
        let time = self.time(header);
        let need = self.record_header + captured as usize;
        if !source.fill(need)? {
            let have = source.available().len();
            return Err(ReadErrorKind::TruncatedRecord { have, need });
        }
        Ok(Some(Record {
            time,
            link: self.link,
            wire_len: wire,
            data: self.record_header..need,
            len: need,
        }))
    }

    fn time(&self, header: &[u8]) -> Timestamp {
        let seconds = i64::from(self.endian.u32(header, 0));
        let fraction = i64::from(self.endian.u32(header, 4));
        Timestamp::new(
            seconds,
            match self.precision {
                Precision::Micros => fraction * 1_000,
                Precision::Nanos => fraction,
            },
        )
    }

    /// Captured and original length.
    fn lengths(&self, header: &[u8]) -> (u32, u32) {
        let (first, second) = (self.endian.u32(header, 8), self.endian.u32(header, 12));
        match self.lengths {
            Lengths::Swapped => (second, first),
            Lengths::Smaller if first > second => (second, first),
            _ => (first, second),
        }
    }

    /// Beyond libpcap's maximum, a length is believed only if the file says it twice.
    fn is_plausible(&self, captured: u32, wire: u32) -> bool {
        captured <= MAX_SNAPLEN || captured <= MAX_DATA.min(wire.max(self.snaplen))
    }
}

impl Lengths {
    fn of_version(minor: u16) -> Self {
        match minor {
            0..=2 => Self::Swapped,
            3 => Self::Smaller,
            _ => Self::Usual,
        }
    }
}

fn magic(header: &[u8]) -> Option<(Endian, u32)> {
    [Endian::Little, Endian::Big]
        .map(|endian| (endian, endian.u32(header, 0)))
        .into_iter()
        .find(|(_, magic)| matches!(*magic, MAGIC_MICROS | MAGIC_NANOS | MAGIC_MODIFIED))
}
