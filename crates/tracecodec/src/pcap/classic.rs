//! Classic pcap: a file header, then one record a packet
//! (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>).

use super::endian::Endian;
use super::source::Source;
use super::{LinkType, MAX_DATA, MAX_SNAPLEN, Precision, Record, Timestamp};
use crate::error::CaptureFault;

/// Bytes of the file header.
pub(super) const FILE_HEADER: usize = 24;

/// Bytes of a record header.
pub(super) const RECORD_HEADER: usize = 16;

/// Bytes of a record header of the "modified" format: interface index, protocol and packet type
/// follow the usual fields.
const MODIFIED_RECORD_HEADER: usize = 24;

/// Magic of a file with microseconds.
pub(super) const MAGIC_MICROS: u32 = 0xa1b2_c3d4;

/// Magic of a file with nanoseconds.
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

/// Magic of Alexey Kuznetzov's "modified" libpcap: microseconds.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// How to read the records of one file.
#[derive(Debug, Clone)]
pub(super) struct Classic {
    endian: Endian,
    precision: Precision,
    record_header: usize,
    lengths: Lengths,
    snaplen: u32,
    link: LinkType,
}

/// Order of the two lengths in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    /// `incl_len`, then `orig_len`.
    Usual,
    /// `orig_len`, then `incl_len`: files before version 2.3.
    Swapped,
    /// Files of version 2.3 were written both ways: the smaller length is `incl_len`.
    Smaller,
}

impl Classic {
    /// Whether a file that begins with `head` is a classic pcap file.
    pub(super) fn recognises(head: &[u8]) -> bool {
        head.len() >= 4 && magic(head).is_some()
    }

    /// Reads the file header.
    pub(super) fn open(source: &mut Source) -> Result<Self, CaptureFault> {
        if !source.fill(FILE_HEADER)? {
            return Err(CaptureFault::TruncatedHeader {
                have: source.available().len(),
                need: FILE_HEADER,
            });
        }
        let classic = Self::parse(source.available())?;
        source.consume(FILE_HEADER);
        Ok(classic)
    }

    fn parse(header: &[u8]) -> Result<Self, CaptureFault> {
        let (endian, magic) = magic(header).expect("the reader recognised the file by it");
        let (major, minor) = (endian.u16(header, 4), endian.u16(header, 6));
        // libpcap stops at 2.4, Wireshark accepts every 2.x: no later minor version was ever
        // defined.
        if major != 2 {
            return Err(CaptureFault::UnsupportedVersion { major, minor });
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
            // The upper half says whether there is a frame check sequence and how long it is.
            link: LinkType(endian.u32(header, 20) as u16),
        })
    }

    /// The file's time step.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// The next record, whole in the buffer but not yet consumed; `None` at the end of the file.
    #[inline]
    pub(super) fn next_record(&self, source: &mut Source) -> Result<Option<Record>, CaptureFault> {
        if !source.fill(self.record_header)? {
            return match source.available().len() {
                0 => Ok(None),
                have => Err(CaptureFault::TruncatedRecord {
                    have,
                    need: self.record_header,
                }),
            };
        }
        let header = source.available();
        let (captured, wire) = self.lengths(header);
        if !self.is_plausible(captured, wire) {
            return Err(CaptureFault::BadRecord { captured, wire });
        }
        let time = self.time(header);
        let need = self.record_header + captured as usize;
        if !source.fill(need)? {
            let have = source.available().len();
            return Err(CaptureFault::TruncatedRecord { have, need });
        }
        Ok(Some(Record {
            time,
            link: self.link,
            wire_len: wire,
            data: self.record_header..need,
            len: need,
            comment: 0..0,
            interface: 0,
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

    /// Captured and original length of a record.
    fn lengths(&self, header: &[u8]) -> (u32, u32) {
        let (first, second) = (self.endian.u32(header, 8), self.endian.u32(header, 12));
        match self.lengths {
            Lengths::Swapped => (second, first),
            Lengths::Smaller if first > second => (second, first),
            _ => (first, second),
        }
    }

    /// Whether to believe a captured length. Beyond libpcap's maximum, the original length or the
    /// snap length must confirm it.
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

#[cfg(test)]
mod tests {
    use super::super::PacketBuf;
    use super::super::testing::{Bytes, fault, read};
    use super::*;
    use crate::pcap::Reader;
    use Endian::{Big, Little};

    fn header(endian: Endian, magic: u32, minor: u16, link: u32) -> Bytes {
        let header = Bytes::new().u32(endian, magic).u16(endian, 2);
        let header = header.u16(endian, minor).raw(&[0; 8]);
        header.u32(endian, 65_535).u32(endian, link)
    }

    fn packet(time: i64, link: u16, wire_len: u32, data: &[u8]) -> PacketBuf {
        PacketBuf {
            time: Timestamp(time),
            link: LinkType(link),
            wire_len,
            data: data.to_vec(),
            ..PacketBuf::default()
        }
    }

    #[test]
    fn test_both_byte_orders_and_time_steps() {
        for endian in [Little, Big] {
            for (magic, nanos) in [(MAGIC_MICROS, 7_000), (MAGIC_NANOS, 7)] {
                let bytes = header(endian, magic, 4, 1)
                    .u32(endian, 3)
                    .u32(endian, 7)
                    .u32(endian, 2)
                    .u32(endian, 60)
                    .raw(b"ab");
                let (packets, error) = read(bytes.0);
                assert!(error.is_none(), "{error:?}");
                let expected = packet(3_000_000_000 + nanos, 1, 60, b"ab");
                assert_eq!(packets, [expected]);
            }
        }
    }

    #[test]
    fn test_modified_record_header() {
        for endian in [Little, Big] {
            let bytes = header(endian, MAGIC_MODIFIED, 4, 1)
                .u32(endian, 0)
                .u32(endian, 1)
                .u32(endian, 2)
                .u32(endian, 2)
                .u32(endian, 3)
                .u32(endian, 0x0800)
                .raw(b"ab");
            assert_eq!(read(bytes.0).0, [packet(1_000, 1, 2, b"ab")]);
        }
    }

    #[test]
    fn test_link_type_without_frame_check_sequence_bits() {
        let bytes = header(Little, MAGIC_MICROS, 4, 0x2400_0001).raw(&[0; 16]);
        assert_eq!(read(bytes.0).0, [packet(0, 1, 0, b"")]);
    }

    #[test]
    fn test_lengths_of_old_versions() {
        for (minor, first, second) in [(2, 60, 2), (3, 60, 2), (3, 2, 60), (4, 2, 60)] {
            let bytes = header(Big, MAGIC_MICROS, minor, 1).raw(&[0; 8]);
            let bytes = bytes.u32(Big, first).u32(Big, second).raw(b"ab");
            assert_eq!(read(bytes.0).0, [packet(0, 1, 60, b"ab")], "2.{minor}");
        }
    }

    #[test]
    fn test_time_of_unsigned_seconds_and_long_fractions() {
        let bytes = header(Little, MAGIC_MICROS, 4, 1)
            .u32(Little, u32::MAX)
            .u32(Little, 1_500_000);
        let (packets, _) = read(bytes.raw(&[0; 8]).0);
        assert_eq!(packets[0].time.to_string(), "4294967296.500000000");
    }

    #[test]
    fn test_captured_more_than_on_the_wire() {
        let bytes = header(Little, MAGIC_MICROS, 4, 1).raw(&[0; 8]);
        let bytes = bytes.u32(Little, 3).u32(Little, 1).raw(b"abc");
        assert_eq!(read(bytes.0).0, [packet(0, 1, 1, b"abc")]);
    }

    fn error_of_lengths(captured: u32, wire: u32) -> CaptureFault {
        let bytes = header(Little, MAGIC_MICROS, 4, 1).raw(&[0; 8]);
        let bytes = bytes.u32(Little, captured).u32(Little, wire);
        fault(read(bytes.0).1.unwrap())
    }

    #[test]
    fn test_plausible_lengths() {
        let bad = |captured, wire| {
            let kind = error_of_lengths(captured, wire);
            matches!(kind, CaptureFault::BadRecord { .. })
        };
        assert!(bad(u32::MAX, u32::MAX));
        assert!(bad(300_000, 60));
        assert!(!bad(300_000, 300_000));
        assert!(!bad(262_144, 60));
    }

    #[test]
    fn test_version_1_is_refused() {
        let bytes = Bytes::new().u32(Little, MAGIC_MICROS).u16(Little, 1);
        let bytes = bytes.u16(Little, 4).raw(&[0; 16]);
        assert!(matches!(
            fault(read(bytes.0).1.unwrap()),
            CaptureFault::UnsupportedVersion { major: 1, minor: 4 }
        ));
    }

    #[test]
    fn test_format() {
        let bytes = header(Big, MAGIC_NANOS, 4, 1).0;
        let reader = Reader::new(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(reader.format().to_string(), "pcap, nanoseconds");
        assert_eq!(reader.offset(), 24);
    }
}
