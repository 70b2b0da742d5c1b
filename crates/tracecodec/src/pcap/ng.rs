//! pcapng: sections of blocks (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>).
//!
//! Parsed directly: a few block types and options matter here, their fields have fixed places,
//! and everything else is skipped by its length. A general parser would build values only to drop
//! them.

use std::ops::Range;

use super::endian::Endian;
use super::notes::{InterfaceNote, Notes, keep};
use super::source::Source;
use super::{LinkType, MAX_DATA, Precision, Record, Timestamp};
use crate::error::{BlockFault, CaptureFault};

/// Section Header Block; its number is the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Interface Description Block.
pub(super) const INTERFACE: u32 = 1;
/// The obsolete Packet Block: laid out as an Enhanced one, but with a 16-bit interface ID and a
/// drop count.
const OBSOLETE: u32 = 2;
/// Simple Packet Block.
const SIMPLE: u32 = 3;
/// Name Resolution Block.
const NAME_RESOLUTION: u32 = 4;
/// Enhanced Packet Block.
pub(super) const ENHANCED: u32 = 6;

/// Decryption Secrets Block.
const SECRETS: u32 = 10;

/// Byte-Order Magic of a section, as read in the section's own byte order.
pub(super) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Bytes before the packet's data in Enhanced and obsolete Packet Blocks.
pub(super) const PACKET_DATA: usize = 28;

/// Bytes that every block has: block type and two lengths.
const SMALLEST: u32 = 12;

/// Largest block: a packet, its options and the rest of the block.
const LARGEST: u32 = MAX_DATA + (1 << 20);

/// Most interfaces that a section may describe: each takes memory until the section ends.
pub(super) const MOST_INTERFACES: usize = 65_536;

/// Bytes of the name or the description of an interface that are kept.
const INTERFACE_TEXT: usize = 256;

/// opt_endofopt: no more options.
const OPTION_END: u16 = 0;
/// opt_comment, of any block.
pub(super) const OPTION_COMMENT: u16 = 1;
/// shb_userappl: the program that wrote a section.
pub(super) const OPTION_USERAPPL: u16 = 4;
/// if_name: name of an interface.
pub(super) const OPTION_NAME: u16 = 2;
/// if_description: description of an interface.
const OPTION_DESCRIPTION: u16 = 3;
/// if_tsresol: how many units of a timestamp make a second.
pub(super) const OPTION_TSRESOL: u16 = 9;
/// if_tsoffset: seconds to add to each timestamp.
pub(super) const OPTION_TSOFFSET: u16 = 14;

/// The section that is being read.
#[derive(Debug, Clone)]
pub(super) struct Section {
    endian: Endian,
    interfaces: Vec<Interface>,
    /// The finest time step of the interfaces so far.
    precision: Precision,
    /// What all sections so far say.
    notes: Notes,
}

/// An interface, as its section describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    link: LinkType,
    /// Longest captured packet; 0 if there is no limit.
    snaplen: u32,
    unit: Unit,
    /// Seconds to add to each timestamp.
    offset: i64,
    note: InterfaceNote,
}

/// Length of a timestamp's unit: `mul / div` nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    mul: u64,
    div: u128,
}

/// A block that is whole in the buffer.
struct Block {
    kind: u32,
    len: usize,
}

impl Section {
    /// Whether a file that begins with `head` is a pcapng file.
    pub(super) fn recognises(head: &[u8]) -> bool {
        head.starts_with(&SECTION.to_be_bytes())
    }

    /// Reads the first Section Header Block.
    pub(super) fn open(source: &mut Source) -> Result<Self, CaptureFault> {
        let mut section = Self {
            endian: Endian::Little,
            interfaces: Vec::new(),
            precision: Precision::Micros,
            notes: Notes::default(),
        };
        let block = match section.next_block(source) {
            Err(CaptureFault::TruncatedRecord { have, need }) => {
                return Err(CaptureFault::TruncatedHeader { have, need });
            }
            block => block?.ok_or(CaptureFault::Empty)?,
        };
        section.begin(&source.available()[..block.len])?;
        source.consume(block.len);
        Ok(section)
    }

    /// The finest time step of the interfaces so far.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// What all sections so far say beside packets.
    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Name of an interface of this section; empty if it has none.
    #[inline]
    pub(super) fn interface_name(&self, number: usize) -> &str {
        let interface = self.interfaces.get(number);
        interface.map_or("", |interface| &interface.note.name)
    }

    /// The next packet, its block whole in the buffer but not yet consumed; `None` at the end of
    /// the file.
    pub(super) fn next_record(
        &mut self,
        source: &mut Source,
    ) -> Result<Option<Record>, CaptureFault> {
        while let Some(Block { kind, len }) = self.next_block(source)? {
            let bytes = &source.available()[..len];
            match kind {
                SECTION => self.begin(bytes)?,
                INTERFACE => self.describe(bytes)?,
                ENHANCED | OBSOLETE => return self.packet(kind, bytes).map(Some),
                SIMPLE => return self.simple_packet(bytes).map(Some),
                NAME_RESOLUTION => self.notes.name_resolution_blocks += 1,
                SECRETS => self.notes.secrets_blocks += 1,
                _ => {}
            }
            source.consume(len);
        }
        Ok(None)
    }

    /// Brings the next block into the buffer and checks its two lengths.
    fn next_block(&mut self, source: &mut Source) -> Result<Option<Block>, CaptureFault> {
        const START: usize = SMALLEST as usize;
        if !source.fill(START)? {
            return match source.available().len() {
                0 => Ok(None),
                have => Err(CaptureFault::TruncatedRecord { have, need: START }),
            };
        }
        let start = source.available();
        let kind = self.endian.u32(start, 0);
        if kind == SECTION {
            self.endian = byte_order(start)?;
        }
        let fault = |fault| CaptureFault::BadBlock { block: kind, fault };
        let total = self.endian.u32(start, 4);
        if !(smallest(kind)..=LARGEST).contains(&total) {
            return Err(fault(BlockFault::Length(total)));
        }
        // Some writers leave the padding out of the length, though not out of the file.
        let len = (total as usize).next_multiple_of(4);
        if !source.fill(len)? {
            let have = source.available().len();
            return Err(CaptureFault::TruncatedRecord { have, need: len });
        }
        match self.endian.u32(source.available(), len - 4) {
            trailer if trailer == total => Ok(Some(Block { kind, len })),
            trailer => Err(fault(BlockFault::Trailer(total, trailer))),
        }
    }

    /// Begins a new section: interfaces are numbered anew.
    fn begin(&mut self, block: &[u8]) -> Result<(), CaptureFault> {
        let (major, minor) = (self.endian.u16(block, 12), self.endian.u16(block, 14));
        if major != 1 {
            return Err(CaptureFault::UnsupportedVersion { major, minor });
        }
        self.interfaces.clear();
        let mut options = &block[24..block.len() - 4];
        // A broken option costs the notes behind it, not the packets.
        while let Ok(Some((code, value))) = next_option(self.endian, &mut options) {
            match code {
                OPTION_COMMENT => keep(&mut self.notes.comments, text(value)),
                OPTION_USERAPPL => keep(&mut self.notes.applications, text(value)),
                _ => {}
            }
        }
        Ok(())
    }

    fn describe(&mut self, block: &[u8]) -> Result<(), CaptureFault> {
        let interface = Interface::parse(self.endian, block).map_err(|fault| {
            let block = INTERFACE;
            CaptureFault::BadBlock { block, fault }
        })?;
        if interface.unit.is_finer_than_micros() {
            self.precision = Precision::Nanos;
        }
        if self.interfaces.len() == MOST_INTERFACES {
            return Err(CaptureFault::TooManyInterfaces(MOST_INTERFACES));
        }
        keep(&mut self.notes.interfaces, interface.note.clone());
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&self, kind: u32, block: &[u8]) -> Result<Record, CaptureFault> {
        let number = match kind {
            OBSOLETE => u32::from(self.endian.u16(block, 8)),
            _ => self.endian.u32(block, 8),
        };
        let interface = self.interface(number)?;
        let high = u64::from(self.endian.u32(block, 12));
        let low = u64::from(self.endian.u32(block, 16));
        let captured = self.endian.u32(block, 20);
        if captured as usize > block.len() - PACKET_DATA - 4 {
            let fault = BlockFault::PacketLength(captured);
            return Err(CaptureFault::BadBlock { block: kind, fault });
        }
        Ok(Record {
            time: interface.time(high << 32 | low),
            link: interface.link,
            wire_len: self.endian.u32(block, 24),
            data: PACKET_DATA..PACKET_DATA + captured as usize,
            len: block.len(),
            comment: self.comment(block, PACKET_DATA + (captured as usize).next_multiple_of(4)),
            interface: number as usize,
        })
    }

    /// Record of a Simple Packet Block, which has no time. The snap length implies its captured
    /// length.
    fn simple_packet(&self, block: &[u8]) -> Result<Record, CaptureFault> {
        const DATA: usize = 12;
        let interface = self.interface(0)?;
        let wire = self.endian.u32(block, 8);
        let captured = match interface.snaplen {
            0 => wire,
            snaplen => wire.min(snaplen),
        };
        if captured as usize > block.len() - DATA - 4 {
            return Err(CaptureFault::BadBlock {
                block: SIMPLE,
                fault: BlockFault::PacketLength(captured),
            });
        }
        Ok(Record {
            time: Timestamp(0),
            link: interface.link,
            wire_len: wire,
            data: DATA..DATA + captured as usize,
            len: block.len(),
            comment: 0..0,
            interface: 0,
        })
    }

    /// Place of the first comment in the options from `at` on; empty if there is none.
    #[inline]
    fn comment(&self, block: &[u8], mut at: usize) -> Range<usize> {
        let end = block.len() - 4;
        while at + 4 < end {
            let (code, len) = (self.endian.u16(block, at), self.endian.u16(block, at + 2));
            let value = at + 4..at + 4 + usize::from(len);
            match code {
                OPTION_COMMENT if value.end <= end => return value,
                OPTION_END => break,
                _ => at = value.end.next_multiple_of(4),
            }
        }
        0..0
    }

    fn interface(&self, interface: u32) -> Result<&Interface, CaptureFault> {
        let known = self.interfaces.len();
        self.interfaces
            .get(interface as usize)
            .ok_or(CaptureFault::UnknownInterface { interface, known })
    }
}

/// Byte order of the section that a Section Header Block begins.
fn byte_order(block: &[u8]) -> Result<Endian, CaptureFault> {
    [Endian::Little, Endian::Big]
        .into_iter()
        .find(|endian| endian.u32(block, 8) == BYTE_ORDER_MAGIC)
        .ok_or(CaptureFault::BadBlock {
            block: SECTION,
            fault: BlockFault::ByteOrder,
        })
}

/// Smallest Block Total Length of a block of this type.
fn smallest(kind: u32) -> u32 {
    match kind {
        SECTION => 28,
        INTERFACE => 20,
        ENHANCED | OBSOLETE => 32,
        SIMPLE => 16,
        _ => SMALLEST,
    }
}

impl Interface {
    fn parse(endian: Endian, block: &[u8]) -> Result<Self, BlockFault> {
        let mut interface = Self {
            link: LinkType(endian.u16(block, 8)),
            snaplen: endian.u32(block, 12),
            unit: Unit::from_tsresol(6),
            offset: 0,
            note: InterfaceNote::default(),
        };
        let mut options = &block[16..block.len() - 4];
        while let Some((code, value)) = next_option(endian, &mut options)? {
            match (code, value.len()) {
                (OPTION_TSRESOL, 1) => interface.unit = Unit::from_tsresol(value[0]),
                (OPTION_TSOFFSET, 8) => interface.offset = endian.i64(value, 0),
                (OPTION_NAME, _) => interface.note.name = beginning(value),
                (OPTION_DESCRIPTION, _) => interface.note.description = beginning(value),
                (OPTION_TSRESOL | OPTION_TSOFFSET, _) => return Err(BlockFault::Option),
                _ => {}
            }
        }
        Ok(interface)
    }

    #[inline]
    fn time(&self, units: u64) -> Timestamp {
        let nanos = self.unit.to_nanos(units) + i128::from(self.offset) * 1_000_000_000;
        let in_range = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Timestamp(in_range as i64)
    }
}

/// Text of an option, without the zero byte that some writers end it with.
fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_end_matches('\0').to_string()
}

/// The first bytes of the text of an option, up to a whole character.
fn beginning(value: &[u8]) -> String {
    let mut text = text(&value[..value.len().min(INTERFACE_TEXT + 4)]);
    text.truncate(text.floor_char_boundary(INTERFACE_TEXT));
    text
}

/// Takes the first option off, as code and value; `None` at opt_endofopt or the end of the block.
fn next_option<'a>(
    endian: Endian,
    options: &mut &'a [u8],
) -> Result<Option<(u16, &'a [u8])>, BlockFault> {
    let Some((header, rest)) = options.split_at_checked(4) else {
        return Ok(None);
    };
    let (code, len) = (endian.u16(header, 0), usize::from(endian.u16(header, 2)));
    if code == OPTION_END {
        return Ok(None);
    }
    let value = rest.get(..len).ok_or(BlockFault::Option)?;
    *options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    Ok(Some((code, value)))
}

impl Unit {
    /// Unit for an `if_tsresol` value: a negative exponent of ten, or of two if the highest bit is
    /// set.
    fn from_tsresol(value: u8) -> Self {
        let exponent = u32::from(value & 0x7f);
        let (mul, div) = match exponent {
            _ if value & 0x80 != 0 => (1_000_000_000, 1 << exponent),
            0..=9 => (10u64.pow(9 - exponent), 1),
            _ => (1, 10u128.saturating_pow(exponent - 9)),
        };
        Self { mul, div }
    }

    fn to_nanos(self, units: u64) -> i128 {
        let nanos = u128::from(units) * u128::from(self.mul);
        // The quotient is below 2^64 * 10^9, so the sign bit is free. Division is slow, and mostly
        // by 1.
        if self.div == 1 {
            nanos as i128
        } else {
            (nanos / self.div) as i128
        }
    }

    fn is_finer_than_micros(self) -> bool {
        u128::from(self.mul) < self.div.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::super::PacketBuf;
    use super::super::testing::{Bytes, fault, read};
    use super::*;
    use crate::error::Error;
    use crate::pcap::{Container, Reader};
    use Endian::{Big, Little};
    use std::io::Cursor;

    fn block(endian: Endian, kind: u32, body: &Bytes) -> Vec<u8> {
        let len = 12 + body.0.len() as u32;
        let head = Bytes::new().u32(endian, kind).u32(endian, len);
        head.raw(&body.0).u32(endian, len).0
    }

    fn section(endian: Endian) -> Vec<u8> {
        let body = Bytes::new().u32(endian, BYTE_ORDER_MAGIC);
        let body = body.u16(endian, 1).u16(endian, 0).raw(&[0xff; 8]);
        block(endian, SECTION, &body)
    }

    fn interface(endian: Endian, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        let body = Bytes::new().u16(endian, link).u16(endian, 0);
        block(endian, INTERFACE, &body.u32(endian, snaplen).raw(options))
    }

    fn enhanced(endian: Endian, interface: u32, time: u64, data: &[u8]) -> Vec<u8> {
        let body = Bytes::new()
            .u32(endian, interface)
            .u32(endian, (time >> 32) as u32)
            .u32(endian, time as u32)
            .u32(endian, data.len() as u32)
            .u32(endian, 60);
        block(endian, ENHANCED, &body.raw(data).padded())
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
    fn test_enhanced_packet_both_byte_orders() {
        for endian in [Little, Big] {
            let idb = interface(endian, 101, 0, &[]);
            let epb = enhanced(endian, 0, 0x1_0000_0002, b"hello");
            let (packets, error) = read([section(endian), idb, epb].concat());
            assert!(error.is_none(), "{error:?}");
            let micros = 0x1_0000_0002 * 1_000;
            assert_eq!(packets, [packet(micros, 101, 60, b"hello")]);
        }
    }

    #[test]
    fn test_interfaces_take_little_memory() {
        let idb = interface(Little, 1, 0, &[]);
        let many = [section(Little), idb.repeat(MOST_INTERFACES + 1)].concat();
        let (_, error) = read(many);
        let fault = fault(error.unwrap());
        assert!(matches!(fault, CaptureFault::TooManyInterfaces(_)));
        let name = format!("a{}", "ü".repeat(20_000));
        let option = Bytes::new().u16(Little, OPTION_NAME);
        let option = option.u16(Little, name.len() as u16).raw(name.as_bytes());
        let idb = interface(Little, 1, 0, &option.padded().0);
        let mut reader = Reader::new(Cursor::new([section(Little), idb].concat())).unwrap();
        assert!(reader.next().is_none());
        assert_eq!(
            reader.notes().interfaces[0].name,
            name[..INTERFACE_TEXT - 1]
        );
    }

    #[test]
    fn test_obsolete_packet() {
        let body = Bytes::new()
            .u16(Little, 0)
            .u16(Little, 7)
            .u32(Little, 0)
            .u32(Little, 5)
            .u32(Little, 3)
            .u32(Little, 9)
            .raw(b"abc")
            .padded();
        let block = block(Little, OBSOLETE, &body);
        let (packets, error) =
            read([section(Little), interface(Little, 1, 0, &[]), block].concat());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, [packet(5_000, 1, 9, b"abc")]);
    }

    #[test]
    fn test_simple_packet_is_cut_at_the_snap_length() {
        let body = Bytes::new().u32(Little, 9).raw(b"abcd");
        let spb = block(Little, SIMPLE, &body);
        let idb = interface(Little, 1, 4, &[]);
        let (packets, error) = read([section(Little), idb, spb].concat());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, [packet(0, 1, 9, b"abcd")]);
    }

    #[test]
    fn test_two_interfaces_with_their_own_time() {
        let nanos = interface(Little, 1, 0, &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        // if_tsoffset of ten seconds, and no opt_endofopt.
        let late = interface(Little, 276, 0, &[14, 0, 8, 0, 10, 0, 0, 0, 0, 0, 0, 0]);
        let epbs = [enhanced(Little, 1, 1, b"b"), enhanced(Little, 0, 1, b"a")];
        let (packets, error) = read([section(Little), nanos, late, epbs.concat()].concat());
        assert!(error.is_none(), "{error:?}");
        let expected = [
            packet(10_000_001_000, 276, 60, b"b"),
            packet(1, 1, 60, b"a"),
        ];
        assert_eq!(packets, expected);
    }

    #[test]
    fn test_time_units() {
        let nanos = |tsresol, units| Unit::from_tsresol(tsresol).to_nanos(units);
        assert_eq!(nanos(0, 2), 2_000_000_000);
        assert_eq!(nanos(6, 1), 1_000);
        assert_eq!(nanos(9, 1), 1);
        assert_eq!(nanos(12, 1_999), 1);
        assert_eq!(nanos(127, u64::MAX), 0);
        assert_eq!(nanos(0x80 | 10, 1_536), 1_500_000_000);
        assert_eq!(nanos(0x80 | 32, 1 << 31), 500_000_000);
        assert_eq!(nanos(0xff, u64::MAX), 0);
        assert_eq!(nanos(0, u64::MAX), i128::from(u64::MAX) * 1_000_000_000);
        assert!(Unit::from_tsresol(0xff).is_finer_than_micros());
        assert!(!Unit::from_tsresol(6).is_finer_than_micros());
    }

    #[test]
    fn test_time_saturates() {
        let epb = enhanced(Little, 0, u64::MAX, b"a");
        let (packets, _) = read([section(Little), interface(Little, 1, 0, &[]), epb].concat());
        assert_eq!(packets[0].time, Timestamp(i64::MAX));
    }

    #[test]
    fn test_each_section_has_its_own_byte_order_and_interfaces() {
        let first = [section(Little), interface(Little, 1, 0, &[])];
        let second = [section(Big), interface(Big, 101, 0, &[])];
        let bytes = [
            first.concat(),
            enhanced(Little, 0, 1, b"a"),
            second.concat(),
            enhanced(Big, 0, 2, b"b"),
            section(Little),
            enhanced(Little, 0, 3, b"c"),
        ];
        let (packets, error) = read(bytes.concat());
        let expected = [packet(1_000, 1, 60, b"a"), packet(2_000, 101, 60, b"b")];
        assert_eq!(packets, expected);
        assert!(matches!(
            error.unwrap(),
            Error::Capture {
                packet: 3,
                fault: CaptureFault::UnknownInterface {
                    interface: 0,
                    known: 0
                },
                ..
            }
        ));
    }

    #[test]
    fn test_other_blocks_are_skipped() {
        let custom = block(Little, 0x0bad, &Bytes::new().raw(&[1; 40]));
        let bytes = [
            section(Little),
            custom.clone(),
            interface(Little, 1, 0, &[]),
            custom,
        ];
        let (packets, error) = read(bytes.concat());
        assert!(packets.is_empty() && error.is_none());
    }

    #[test]
    fn test_notes() {
        let option = |code: u16, value: &[u8]| {
            let len = value.len() as u16;
            let head = Bytes::new().u16(Big, code).u16(Big, len);
            head.raw(value).padded().0
        };
        let body = Bytes::new().u32(Big, BYTE_ORDER_MAGIC);
        let body = body.u16(Big, 1).u16(Big, 0).raw(&[0xff; 8]);
        let told = [option(1, b"of a section"), option(4, b"dumpcap\0")];
        let section = block(Big, SECTION, &body.raw(&told.concat()));
        let told = [option(2, b"en0"), option(3, b"Wi-Fi"), option(0, b"")];
        let idb = interface(Big, 101, 0, &told.concat());
        let mut epb = enhanced(Big, 0, 1, b"abc");
        epb.truncate(epb.len() - 4);
        // An option of another kind, a comment, and a second comment, which is not returned.
        epb.extend([option(2, &[0; 4]), option(1, b"mine"), option(1, b"second")].concat());
        let len = epb.len() as u32 + 4;
        epb[4..8].copy_from_slice(&len.to_be_bytes());
        epb.extend(len.to_be_bytes());
        // A comment that is longer than its block.
        let mut broken = enhanced(Big, 0, 1, b"abc");
        broken.truncate(broken.len() - 4);
        broken.extend(option(1, b"mine"));
        let at = broken.len() - 6;
        broken[at] = 200;
        let len = broken.len() as u32 + 4;
        broken[4..8].copy_from_slice(&len.to_be_bytes());
        broken.extend(len.to_be_bytes());
        let others = [NAME_RESOLUTION, SECRETS, SECRETS];
        let others = others.map(|kind| block(Big, kind, &Bytes::new().raw(&[0; 8])));
        let bytes = [section, idb.clone(), idb, epb, broken, others.concat()].concat();
        let mut reader = Reader::new(std::io::Cursor::new(bytes)).unwrap();
        let first = reader.next().unwrap().unwrap();
        assert_eq!((first.comment, first.interface), ("mine", "en0"));
        assert_eq!(reader.next().unwrap().unwrap().comment, "");
        assert!(reader.next().is_none());
        let wifi = InterfaceNote {
            name: "en0".to_string(),
            description: "Wi-Fi".to_string(),
        };
        let expected = Notes {
            applications: vec!["dumpcap".to_string()],
            comments: vec!["of a section".to_string()],
            interfaces: vec![wifi],
            name_resolution_blocks: 1,
            secrets_blocks: 2,
        };
        assert_eq!(reader.notes(), expected);
    }

    #[test]
    fn test_length_without_padding() {
        let mut epb = enhanced(Little, 0, 1, b"abc");
        let len = epb.len();
        epb[4] -= 1;
        epb[len - 4] -= 1;
        let (packets, error) = read([section(Little), interface(Little, 1, 0, &[]), epb].concat());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, [packet(1_000, 1, 60, b"abc")]);
    }

    fn fault_of(block: Vec<u8>) -> BlockFault {
        let bytes = [section(Little), interface(Little, 1, 0, &[]), block];
        match fault(read(bytes.concat()).1.unwrap()) {
            CaptureFault::BadBlock { fault, .. } => fault,
            kind => panic!("{kind}"),
        }
    }

    #[test]
    fn test_bad_blocks() {
        let mut trailer = enhanced(Little, 0, 1, b"abcd");
        trailer[32] = 40;
        assert_eq!(fault_of(trailer), BlockFault::Trailer(36, 40));
        let mut short = enhanced(Little, 0, 1, b"");
        short[4] = 8;
        assert_eq!(fault_of(short), BlockFault::Length(8));
        let mut long = enhanced(Little, 0, 1, b"abcd");
        long[20] = 5;
        assert_eq!(fault_of(long), BlockFault::PacketLength(5));
        let option = interface(Little, 1, 0, &[9, 0, 200, 0, 9, 0, 0, 0]);
        assert_eq!(fault_of(option), BlockFault::Option);
        let mut section = section(Little);
        section[8] = 0;
        assert_eq!(fault_of(section), BlockFault::ByteOrder);
    }

    #[test]
    fn test_format() {
        let idb = interface(Little, 1, 0, &[9, 0, 1, 0, 9, 0, 0, 0]);
        let bytes = [section(Little), idb, enhanced(Little, 0, 1, b"")].concat();
        let mut reader = Reader::new(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(reader.format().container, Container::PcapNg);
        assert_eq!(reader.format().precision, Precision::Micros);
        reader.next().unwrap().unwrap();
        assert_eq!(reader.format().precision, Precision::Nanos);
    }
}
