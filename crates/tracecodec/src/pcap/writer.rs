//! Writing a capture: classic pcap or pcapng, plain or compressed.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use crate::error::Error;
use crate::output::Output;

use super::{
    Compression, Container, Format, LinkType, MAX_DATA, MAX_SNAPLEN, Packet, Precision, Timestamp,
    classic, ng,
};

/// Size of the buffer in front of the compressor or the file.
const BUFFER: usize = 256 << 10;

/// Writes a capture, in little endian. The same packets give the same bytes.
///
/// The file appears in [`finish`](Writer::finish). A writer that is dropped earlier leaves nothing.
pub struct Writer {
    sink: BufWriter<Sink>,
    layout: Layout,
}

/// The container, and what its output has described.
enum Layout {
    /// The file header is written with the first packet, whose link type it states.
    Pcap(Precision, Option<LinkType>),
    PcapNg(PcapNgEncoder),
}

/// What packets of one interface of a pcapng capture share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    link: LinkType,
    name: String,
    /// Whether times count from [`EARLIEST`], not from 1970: timestamps have no sign.
    is_before_1970: bool,
}

/// if_tsoffset of interfaces whose packets are before 1970: the second of [`Timestamp`]'s minimum.
const EARLIEST: i64 = i64::MIN.div_euclid(1_000_000_000);

enum Sink {
    Plain(Output),
    Gzip(GzEncoder<Output>),
    Zstd(zstd::Encoder<'static, Output>),
}

impl Writer {
    /// Begins a capture at a path; `-` is standard output. [`Format::of_path`] gives the format
    /// that a name asks for.
    ///
    /// pcapng is always written with nanoseconds.
    ///
    /// # Errors
    /// If the output cannot be opened.
    pub fn create(path: impl AsRef<Path>, format: Format) -> Result<Self, Error> {
        let sink = Sink::new(Output::create(path)?, format.compression)?;
        Ok(Self {
            sink: BufWriter::with_capacity(BUFFER, sink),
            layout: match format.container {
                Container::Pcap => Layout::Pcap(format.precision, None),
                Container::PcapNg => Layout::PcapNg(PcapNgEncoder::default()),
            },
        })
    }

    /// States in the section header of a pcapng capture which program wrote it and what it is;
    /// classic pcap has no place for either. Only before the first packet.
    pub fn describe(&mut self, application: &str, comment: &str) {
        if let Layout::PcapNg(encoder) = &mut self.layout {
            encoder.describe(application, comment);
        }
    }

    /// Whether the capture is pcapng.
    pub fn is_pcapng(&self) -> bool {
        matches!(self.layout, Layout::PcapNg(_))
    }

    /// Writes one packet.
    ///
    /// # Errors
    /// If the output fails, or if the format cannot hold the packet. In the second case nothing is
    /// written, and the writer accepts further packets.
    #[inline]
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        if packet.data.len() > MAX_DATA as usize {
            return Err(Error::TooLong(packet.data.len()));
        }
        match &mut self.layout {
            Layout::Pcap(precision, link) => write_pcap(&mut self.sink, *precision, link, packet),
            Layout::PcapNg(encoder) => encoder.write(packet, &mut self.sink),
        }
    }

    /// Writes what is left and moves the file to its place. A capture without packets is valid.
    ///
    /// # Errors
    /// If the output fails; the file then does not appear.
    pub fn finish(mut self) -> Result<(), Error> {
        match &mut self.layout {
            Layout::Pcap(precision, None) => {
                let header = file_header(*precision, LinkType::ETHERNET);
                self.sink.write_all(&header)?;
            }
            // libpcap refuses a capture without any interface.
            Layout::PcapNg(encoder) if encoder.interfaces.is_empty() => {
                let ethernet = Packet {
                    link: LinkType::ETHERNET,
                    ..Packet::default()
                };
                encoder.interface(&ethernet, &mut self.sink)?;
            }
            _ => {}
        }
        let sink = self.sink.into_inner().map_err(|error| error.into_error())?;
        sink.finish()?.finish()?;
        Ok(())
    }
}

/// Encodes packets as bytes of a pcapng capture, for callers that write many captures at once and
/// buffer them on their own.
#[derive(Debug, Clone, Default)]
pub struct PcapNgEncoder {
    /// shb_userappl and opt_comment of the section header.
    application: String,
    comment: String,
    /// The interfaces so far. The section header is written with the first.
    interfaces: Vec<Interface>,
}

impl PcapNgEncoder {
    /// States in the section header which program wrote the capture and what it is. Only before the
    /// first packet.
    pub fn describe(&mut self, application: &str, comment: &str) {
        self.application = application.to_string();
        self.comment = comment.to_string();
    }

    /// Appends the packet, preceded by the blocks that describe it.
    ///
    /// # Errors
    /// If the format cannot hold the packet.
    pub fn encode(&mut self, packet: &Packet<'_>, to: &mut Vec<u8>) -> Result<(), Error> {
        if packet.data.len() > MAX_DATA as usize {
            return Err(Error::TooLong(packet.data.len()));
        }
        self.write(packet, to)
    }

    #[inline]
    fn write(&mut self, packet: &Packet<'_>, sink: &mut impl Write) -> Result<(), Error> {
        let number = self.interface(packet, sink)?;
        let time = self.interfaces[number].units(packet.time);
        let options = options(&[(ng::OPTION_COMMENT, packet.comment.as_bytes())]);
        let padding = packet.data.len().wrapping_neg() % 4;
        let total = (ng::PACKET_DATA + packet.data.len() + padding + options.len() + 4) as u32;
        sink.write_all(&packet_block_head(number as u32, time, total, packet))?;
        sink.write_all(packet.data)?;
        sink.write_all(&[0; 4][..padding])?;
        sink.write_all(&options)?;
        Ok(sink.write_all(&total.to_le_bytes())?)
    }

    /// Number of the packet's interface, which is described just before its first packet.
    #[inline]
    fn interface(&mut self, packet: &Packet<'_>, sink: &mut impl Write) -> Result<usize, Error> {
        let mut known = self.interfaces.iter();
        if let Some(number) = known.position(|interface| interface.captured(packet)) {
            return Ok(number);
        }
        if self.interfaces.is_empty() {
            sink.write_all(&self.section_block())?;
        }
        let interface = Interface::of(packet);
        sink.write_all(&interface.block())?;
        self.interfaces.push(interface);
        Ok(self.interfaces.len() - 1)
    }

    /// A Section Header Block of pcapng 1.0, which leaves the section's length open.
    fn section_block(&self) -> Vec<u8> {
        let options = options(&[
            (ng::OPTION_COMMENT, self.comment.as_bytes()),
            (ng::OPTION_USERAPPL, self.application.as_bytes()),
        ]);
        let len = 28 + options.len() as u32;
        let (magic, version) = (ng::BYTE_ORDER_MAGIC, 1);
        let head: [u8; 24] = words([ng::SECTION, len, magic, version, u32::MAX, u32::MAX]);
        [&head, &options[..], &len.to_le_bytes()].concat()
    }
}

#[inline]
fn write_pcap(
    sink: &mut BufWriter<Sink>,
    precision: Precision,
    link: &mut Option<LinkType>,
    packet: &Packet<'_>,
) -> Result<(), Error> {
    let header = record_header(precision, packet)?;
    match *link {
        Some(link) if link == packet.link => {}
        Some(first) => {
            return Err(Error::MixedLinkTypes {
                first: first.to_string(),
                packet: packet.link.to_string(),
            });
        }
        None => {
            sink.write_all(&file_header(precision, packet.link))?;
            *link = Some(packet.link);
        }
    }
    sink.write_all(&header)?;
    Ok(sink.write_all(packet.data)?)
}

/// The file header of classic pcap, version 2.4.
fn file_header(precision: Precision, link: LinkType) -> [u8; classic::FILE_HEADER] {
    let magic = match precision {
        Precision::Micros => classic::MAGIC_MICROS,
        Precision::Nanos => classic::MAGIC_NANOS,
    };
    let version = 2 | 4 << 16;
    words([magic, version, 0, 0, MAX_SNAPLEN, u32::from(link.0)])
}

fn record_header(
    precision: Precision,
    packet: &Packet<'_>,
) -> Result<[u8; classic::RECORD_HEADER], Error> {
    let seconds = u32::try_from(packet.time.seconds())
        .map_err(|_| Error::TimeOutOfRange(packet.time.to_string()))?;
    let fraction = match precision {
        Precision::Micros => packet.time.subsec_nanos() / 1_000,
        Precision::Nanos => packet.time.subsec_nanos(),
    };
    let captured = packet.data.len() as u32;
    Ok(words([seconds, fraction, captured, packet.wire_len]))
}

impl Interface {
    /// The interface of a packet.
    fn of(packet: &Packet<'_>) -> Self {
        Self {
            link: packet.link,
            name: packet.interface.to_string(),
            is_before_1970: packet.time < Timestamp(0),
        }
    }

    /// Whether it is the interface of a packet.
    #[inline]
    fn captured(&self, packet: &Packet<'_>) -> bool {
        self.link == packet.link
            && self.is_before_1970 == (packet.time < Timestamp(0))
            && self.name == packet.interface
    }

    /// Timestamp of a packet: nanoseconds since 1970, or since [`EARLIEST`].
    #[inline]
    fn units(&self, time: Timestamp) -> u64 {
        if self.is_before_1970 {
            (i128::from(time.0) - i128::from(EARLIEST) * 1_000_000_000) as u64
        } else {
            time.0 as u64
        }
    }

    /// An Interface Description Block with the options if_name, if there is one, if_tsresol = 10⁻⁹
    /// s and, if times are before 1970, if_tsoffset.
    fn block(&self) -> Vec<u8> {
        let offset = EARLIEST.to_le_bytes();
        let options = options(&[
            (ng::OPTION_NAME, self.name.as_bytes()),
            (ng::OPTION_TSRESOL, &[9]),
            (
                ng::OPTION_TSOFFSET,
                if self.is_before_1970 { &offset } else { &[] },
            ),
        ]);
        let len = 20 + options.len() as u32;
        let head: [u8; 16] = words([ng::INTERFACE, len, self.link.0.into(), MAX_SNAPLEN]);
        [&head, &options[..], &len.to_le_bytes()].concat()
    }
}

/// Options of a pcapng block, those with an empty value left out: each padded to four bytes, then,
/// if there are any, opt_endofopt. Values longer than 65,535 bytes are cut.
#[inline]
fn options(told: &[(u16, &[u8])]) -> Vec<u8> {
    let mut options = Vec::new();
    for (code, value) in told.iter().filter(|(_, value)| !value.is_empty()) {
        let value = &value[..value.len().min(u16::MAX.into())];
        options.extend(code.to_le_bytes());
        options.extend((value.len() as u16).to_le_bytes());
        options.extend(value);
        options.resize(options.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        options.extend([0; 4]);
    }
    options
}

/// An Enhanced Packet Block up to the packet's data.
#[inline]
fn packet_block_head(
    interface: u32,
    time: u64,
    total: u32,
    packet: &Packet<'_>,
) -> [u8; ng::PACKET_DATA] {
    let (high, low) = ((time >> 32) as u32, time as u32);
    let captured = packet.data.len() as u32;
    let (kind, wire) = (ng::ENHANCED, packet.wire_len);
    words([kind, total, interface, high, low, captured, wire])
}

/// `N / 4` little-endian words.
#[inline]
fn words<const W: usize, const N: usize>(words: [u32; W]) -> [u8; N] {
    const { assert!(N == 4 * W) };
    let mut bytes = [0; N];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

impl Sink {
    fn new(output: Output, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(output),
            Compression::Gzip => Self::Gzip(gzip(output)),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(output, 3)?),
        })
    }

    fn finish(self) -> io::Result<Output> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A gzip header without time and system, so that the same packets give the same bytes. On headers,
/// level 3 gives 7 % more bytes than the usual level 6 and takes a third of the time.
fn gzip(output: Output) -> GzEncoder<Output> {
    const LEVEL: u32 = 3;
    const UNKNOWN_SYSTEM: u8 = 255;
    let builder = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM);
    builder.write(output, flate2::Compression::new(LEVEL))
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::drain;
    use super::super::{PacketBuf, Reader};
    use super::*;
    use proptest::prelude::*;
    use std::ops::Range;
    use std::path::PathBuf;

    const PACKET: Packet<'static> = Packet {
        time: Timestamp(1_000_000_007),
        link: LinkType::RAW,
        wire_len: 60,
        data: b"abc",
        comment: "",
        interface: "",
    };

    /// A path in a folder that lives as long as the guard.
    fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        (folder, path)
    }

    fn write(path: &Path, packets: &[PacketBuf]) -> Result<(), Error> {
        let mut writer = Writer::create(path, Format::of_path(path))?;
        for packet in packets {
            writer.write(&packet.as_packet())?;
        }
        writer.finish()
    }

    #[test]
    fn test_pcap_bytes() {
        let (_folder, path) = place("a.pcap");
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        writer.write(&PACKET).unwrap();
        writer.finish().unwrap();
        let expected = [
            b"\x4d\x3c\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0".as_slice(),
            b"\x01\0\0\0\x07\0\0\0\x03\0\0\0\x3c\0\0\0abc",
        ];
        assert_eq!(std::fs::read(path).unwrap(), expected.concat());
    }

    #[test]
    fn test_micros() {
        let (_folder, path) = place("a.pcap");
        let format = Format {
            precision: Precision::Micros,
            ..Format::of_path(&path)
        };
        let mut writer = Writer::create(&path, format).unwrap();
        writer.write(&PACKET).unwrap();
        writer.finish().unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.format(), format);
        let (packets, _) = drain(Ok(reader));
        assert_eq!(packets[0].time, Timestamp(1_000_000_000));
    }

    #[test]
    fn test_no_packets() {
        for name in ["a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.zst"] {
            let (_folder, path) = place(name);
            write(&path, &[]).unwrap();
            let (packets, error) = drain(Reader::open(&path));
            assert!(packets.is_empty() && error.is_none(), "{name}: {error:?}");
        }
        let (_folder, path) = place("a.pcapng");
        write(&path, &[]).unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file[28..32], ng::INTERFACE.to_le_bytes());
    }

    #[test]
    fn test_a_section_says_what_it_is() {
        for name in ["a.pcapng", "a.pcap"] {
            let (_folder, path) = place(name);
            let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
            writer.describe("tracecodec", "synthetic packets");
            writer.write(&PACKET).unwrap();
            writer.finish().unwrap();
            let mut reader = Reader::open(&path).unwrap();
            assert!(reader.next().unwrap().is_ok());
            let notes = reader.notes();
            let said = [notes.applications, notes.comments].concat();
            if name == "a.pcapng" {
                assert_eq!(said, ["tracecodec", "synthetic packets"]);
            } else {
                assert!(said.is_empty());
            }
        }
    }

    #[test]
    fn test_comments_and_interface_names_in_pcapng() {
        let (_folder, path) = place("a.pcapng");
        let packet = |comment: &str, interface: &str| PacketBuf {
            comment: comment.to_string(),
            interface: interface.to_string(),
            ..PacketBuf::from(&PACKET)
        };
        let packets = [
            packet("", "en0"),
            packet("42,web", ""),
            packet("größer", "lo"),
            packet("1", "en0"),
        ];
        write(&path, &packets).unwrap();
        assert_eq!(drain(Reader::open(&path)).0, packets);
        let mut reader = Reader::open(&path).unwrap();
        while reader.next().is_some() {}
        let names = reader.notes().interfaces.into_iter();
        assert!(names.map(|interface| interface.name).eq(["en0", "lo"]));
    }

    #[test]
    fn test_times_before_1970_in_pcapng() {
        let (_folder, path) = place("a.pcapng");
        let times = [-1, 0, i64::MIN, 1, i64::MAX, -315_619_200_000_000_000];
        let packets = times.map(|nanos| PacketBuf {
            time: Timestamp(nanos),
            ..PacketBuf::from(&PACKET)
        });
        write(&path, &packets).unwrap();
        assert_eq!(drain(Reader::open(&path)).0, packets);
    }

    #[test]
    fn test_packets_that_do_not_fit_are_not_written() {
        let (_folder, path) = place("a.pcap");
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        writer.write(&PACKET).unwrap();
        for nanos in [-1, (1 << 32) * 1_000_000_000] {
            let time = Timestamp(nanos);
            let error = writer.write(&Packet { time, ..PACKET }).unwrap_err();
            assert!(matches!(error, Error::TimeOutOfRange(_)), "{error}");
        }
        let link = LinkType::ETHERNET;
        let error = writer.write(&Packet { link, ..PACKET }).unwrap_err();
        let text = "a pcap file holds one link type: RAW so far, now ETHERNET";
        assert_eq!(error.to_string(), text);
        writer.write(&PACKET).unwrap();
        writer.finish().unwrap();
        assert_eq!(drain(Reader::open(&path)).0.len(), 2);
    }

    #[test]
    fn test_compressed_bytes_do_not_depend_on_the_clock() {
        let (_folder, path) = place("a.pcap.gz");
        write(&path, &[]).unwrap();
        let header = std::fs::read(&path).unwrap()[..10].to_vec();
        assert_eq!(header, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn test_drop_leaves_the_older_file() {
        let (folder, path) = place("a.pcap");
        std::fs::write(&path, "old").unwrap();
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        writer.write(&PACKET).unwrap();
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn test_full_disk_is_named() {
        let path = Path::new("/dev/full");
        let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
        writer.write(&PACKET).unwrap();
        let error = writer.finish().unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
    }

    prop_compose! {
        fn packet(links: &'static [u16], times: Range<i64>)(
            nanos in times,
            link in prop::sample::select(links),
            wire_len in any::<u32>(),
            data in prop::collection::vec(any::<u8>(), 0..100),
        ) -> PacketBuf {
            PacketBuf { time: Timestamp(nanos), link: LinkType(link), wire_len, data, ..PacketBuf::default() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn test_round_trip_pcap(
            packets in prop::collection::vec(packet(&[101], 0..(1 << 32) * 1_000_000_000), 0..20),
            name in prop::sample::select(&["a.pcap", "a.pcap.gz", "a.pcap.zst"][..]),
        ) {
            let (_folder, path) = place(name);
            write(&path, &packets).unwrap();
            let (read, error) = drain(Reader::open(&path));
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(read, packets);
        }

        #[test]
        fn test_round_trip_pcapng(
            packets in prop::collection::vec(packet(&[0, 1, 276, 65_535], i64::MIN..i64::MAX), 0..20),
            name in prop::sample::select(&["a.pcapng", "a.pcapng.gz", "a.pcapng.zst"][..]),
        ) {
            let (_folder, path) = place(name);
            write(&path, &packets).unwrap();
            let (read, error) = drain(Reader::open(&path));
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(read, packets);
        }
    }
}
