//! Reading a capture of any kind, packet by packet.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::classic::{Classic, FILE_HEADER};
use super::foreign::not_a_capture;
use super::ng::Section;
use super::source::Source;
use super::{Container, Format, Notes, Packet, Record};
use crate::error::{CaptureFault, Error};
use crate::output::is_pipe;

/// A stream of packets from a capture.
///
/// Kind and compression are recognised by content, not by name. Memory does not grow with the file.
/// A damaged file yields every packet before the damage, then one error, then nothing.
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
    /// Opens a capture by path; `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let input: Box<dyn Read + Send> = if is_pipe(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(Error::unopened(path))?)
        };
        Self::start(Some(path.to_path_buf()), input)
    }

    /// Reads a capture from any stream of bytes. No buffering is needed around it.
    ///
    /// # Errors
    /// If the stream cannot be read, or is not a capture.
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, Error> {
        Self::start(None, Box::new(input))
    }

    /// Reads a capture from a stream of bytes; `path` names it in errors.
    pub(crate) fn start(path: Option<PathBuf>, input: Box<dyn Read + Send>) -> Result<Self, Error> {
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
            Err(fault) => Err(Error::Capture {
                path,
                packet: 1,
                offset: 0,
                fault,
            }),
        }
    }

    /// The next packet; `None` after the last packet or after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an Iterator's items cannot borrow from it, and a packet borrows the buffer"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Result<Packet<'_>, Error>> {
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
            Err(fault) => Some(Err(self.fail(fault))),
        }
    }

    #[inline]
    fn give(&mut self, record: Record) -> Packet<'_> {
        self.packets += 1;
        let bytes = self.source.consume(record.len);
        let interface = match &self.decoder {
            Decoder::Classic(_) => "",
            Decoder::Ng(section) => section.interface_name(record.interface),
        };
        Packet {
            time: record.time,
            link: record.link,
            wire_len: record.wire_len,
            data: &bytes[record.data],
            comment: str::from_utf8(&bytes[record.comment]).unwrap_or_default(),
            interface,
        }
    }

    #[cold]
    fn fail(&mut self, fault: CaptureFault) -> Error {
        self.ended = true;
        Error::Capture {
            path: self.path.clone(),
            packet: self.packets + 1,
            offset: self.source.offset(),
            fault,
        }
    }

    /// Format of the capture. The precision of a pcapng file is that of the interfaces described so
    /// far.
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

    /// What the capture says beside its packets, as far as it has been read; classic pcap says
    /// nothing.
    pub fn notes(&self) -> Notes {
        match &self.decoder {
            Decoder::Classic(_) => Notes::default(),
            Decoder::Ng(section) => section.notes().clone(),
        }
    }

    /// Bytes of the uncompressed capture that have been read, which is where the next record
    /// begins.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// Packets returned so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

impl Decoder {
    fn open(source: &mut Source) -> Result<Self, CaptureFault> {
        source.fill(FILE_HEADER)?;
        let head = source.available();
        let head = &head[..head.len().min(FILE_HEADER)];
        match head {
            [] => Err(CaptureFault::Empty),
            head if Classic::recognises(head) => Classic::open(source).map(Self::Classic),
            head if Section::recognises(head) => Section::open(source).map(Self::Ng),
            head => Err(not_a_capture(head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{drain, fault, read};
    use super::super::{Compression, LinkType, PacketBuf, Precision, Timestamp, Writer};
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Three packets of 0, 5 and 600,000 bytes: the last is longer than the first buffer.
    fn packets() -> Vec<PacketBuf> {
        let lens = [0, 5, 600_000].into_iter();
        let packet = |(n, len): (usize, usize)| PacketBuf {
            time: Timestamp(1_700_000_000_000_000_001 + n as i64),
            link: LinkType::RAW,
            wire_len: len as u32,
            data: vec![n as u8; len],
            ..PacketBuf::default()
        };
        lens.enumerate().map(packet).collect()
    }

    fn file(container: Container, compression: Compression, packets: &[PacketBuf]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let precision = Precision::Nanos;
        let format = Format {
            container,
            precision,
            compression,
        };
        let mut writer = Writer::create(&path, format).unwrap();
        for packet in packets {
            writer.write(&packet.as_packet()).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    /// Returns one byte a call, as a slow pipe may.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    #[test]
    fn test_pipe_of_single_bytes() {
        for container in [Container::Pcap, Container::PcapNg] {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let bytes = file(container, compression, &packets());
                let (read, error) = drain(Reader::new(Slow(Cursor::new(bytes))));
                assert!(error.is_none(), "{error:?}");
                assert_eq!(read, packets());
            }
        }
    }

    #[test]
    fn test_cut_at_every_byte() {
        let packets = &packets()[..2];
        for (container, starts, ends) in [
            (Container::Pcap, [24, 40].as_slice(), [40, 61].as_slice()),
            (Container::PcapNg, &[60, 92], &[92, 132]),
        ] {
            let whole = file(container, Compression::None, packets);
            assert_eq!(whole.len(), ends[1]);
            let clean = match container {
                Container::Pcap => vec![starts[0]],
                Container::PcapNg => vec![28, starts[0]],
            };
            for cut in 0..=whole.len() {
                let (read, error) = read(whole[..cut].to_vec());
                let count = ends.iter().filter(|end| **end <= cut).count();
                assert_eq!(read, packets[..count], "{container} cut at {cut}");
                let is_clean = clean.contains(&cut) || ends.contains(&cut);
                assert_eq!(error.is_none(), is_clean, "{container} cut at {cut}");
            }
        }
    }

    #[test]
    fn test_cut_compressed() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let whole = file(Container::Pcap, compression, &packets());
            for cut in 4..whole.len() {
                let (_, error) = read(whole[..cut].to_vec());
                let error = error.unwrap();
                assert!(error.hint().unwrap().contains("cut off"), "{error:?}");
                assert!(
                    matches!(fault(error), CaptureFault::BadCompression { .. }),
                    "{compression} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn test_packets_before_bad_compressed_data() {
        let packet = |n: i64| PacketBuf {
            time: Timestamp(n * n * 1_000_003),
            link: LinkType::RAW,
            wire_len: 60,
            data: n.to_le_bytes().repeat(5),
            ..PacketBuf::default()
        };
        let packets: Vec<PacketBuf> = (0..5_000).map(packet).collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut bytes = file(Container::Pcap, compression, &packets);
            let middle = bytes.len() / 2;
            bytes[middle..].fill(0xff);
            let (read, error) = read(bytes);
            assert!(error.is_some(), "{compression}");
            assert!(read.len() > 2_000, "{compression}: {}", read.len());
            assert_eq!(read[..2_000], packets[..2_000]);
        }
    }

    #[test]
    fn test_several_compressed_members() {
        let bytes = file(Container::Pcap, Compression::None, &packets());
        let gzip = |bytes: &[u8]| {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::read::GzEncoder::new(bytes, level);
            let mut member = Vec::new();
            encoder.read_to_end(&mut member).unwrap();
            member
        };
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        for halves in [
            [gzip(&bytes[..30]), gzip(&bytes[30..])],
            [zstd(&bytes[..30]), zstd(&bytes[30..])],
        ] {
            let (read, error) = read(halves.concat());
            assert!(error.is_none(), "{error:?}");
            assert_eq!(read, packets());
        }
    }

    #[test]
    fn test_place_and_hint_of_a_cut() {
        let bytes = file(Container::Pcap, Compression::None, &packets()[..2]);
        let error = read(bytes[..50].to_vec()).1.unwrap();
        let text = "packet 2 at byte 40: the record is cut off: 10 of 16 bytes are there";
        assert_eq!(error.to_string(), text);
        let hint = "the capture was cut off; `lenient` keeps the packets before the cut";
        assert_eq!(error.hint(), Some(hint));
    }

    #[test]
    fn test_files_that_are_no_captures() {
        let shown = |bytes: &[u8]| read(bytes.to_vec()).1.unwrap().to_string();
        assert_eq!(shown(b""), "the file is empty");
        assert_eq!(
            shown(b"hello"),
            "not a pcap or pcapng capture: this is text"
        );
        assert_eq!(shown(&[0; 40]), "not a pcap or pcapng capture");
        assert_eq!(
            shown(b"\xd4\xc3\xb2\xa1\x02\0"),
            "the file header is cut off: 6 of 24 bytes are there"
        );
    }

    #[test]
    fn test_missing_file_is_named() {
        let error = Reader::open("/no/such.pcap").err().unwrap();
        assert!(error.to_string().starts_with("/no/such.pcap: "));
        assert!(matches!(fault(error), CaptureFault::Io(_)));
    }

    proptest! {
        #[test]
        fn test_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            read(bytes);
        }

        /// A capture with overwritten bytes: reading it neither panics nor loops forever.
        #[test]
        fn test_any_damage(
            ng in any::<bool>(),
            compression in 0..3usize,
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let container = if ng { Container::PcapNg } else { Container::Pcap };
            let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
            let mut bytes = file(container, compressions[compression], &packets()[..2]);
            for (place, value) in damage {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            read(bytes);
        }
    }
}
