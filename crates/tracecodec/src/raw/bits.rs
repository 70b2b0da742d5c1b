//! The bit table: the alternative raw schema (the paper, C.6), after nPrint (Holland et al., "New
//! Directions in Automated Traffic Analysis", CCS 2021). A packet is the bits of its headers, each
//! 0, 1 or absent, and the time since the previous packet.
//!
//! The bits are those of the packet that a [`RawRow`] renders to, so that both tables hold the same
//! content and share a renderer: [`BitRow::of`] and [`BitRow::read`] are inverses. Payload is not
//! part of the table. Checksums cover a payload of zeros: they follow from the other bits and say
//! nothing of the source's payload. In a decoded row, bits that the renderer computes (checksums,
//! UDP length) or keeps constant (IPv4 identification, flow label, urgent pointer, what an option
//! layout leaves out, the rest of an ICMP header) are ignored.

use super::COLUMNS;
use super::contract::{CellFault, InvalidRow, Reason, integer};
use super::render;
use super::schema::{Active, RawRow};
use crate::action::{Family, OptionLayout, OptionProfiles, Proto};

/// One bit of a header. As a number, it is its code, one above nPrint's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bit {
    /// The packet has no such header, or no such byte of options.
    Absent,
    /// 0.
    Zero,
    /// 1.
    One,
}

impl Bit {
    /// All codes in order.
    pub const ALL: [Bit; 3] = [Bit::Absent, Bit::Zero, Bit::One];
}

/// Where a header's bits lie: first the bits of the fixed part, then those of the longest options,
/// in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSegment {
    /// Name, as in nPrint.
    pub name: &'static str,
    /// Place of the first bit.
    pub offset: usize,
    /// Number of bits of the fixed part.
    pub fixed: usize,
    /// Number of bits of the options.
    pub options: usize,
}

impl HeaderSegment {
    /// The place after the last bit.
    pub const fn end(&self) -> usize {
        self.offset + self.fixed + self.options
    }
}

/// A header whose fixed part and options have these lengths in bytes, starting at bit `offset`.
const fn segment(name: &'static str, offset: usize, fixed: usize, options: usize) -> HeaderSegment {
    HeaderSegment {
        name,
        offset,
        fixed: 8 * fixed,
        options: 8 * options,
    }
}

const IPV4: HeaderSegment = segment("ipv4", 0, 20, 40);
const IPV6: HeaderSegment = segment("ipv6", IPV4.end(), 40, 0);
const TCP: HeaderSegment = segment("tcp", IPV6.end(), 20, 40);
const UDP: HeaderSegment = segment("udp", TCP.end(), 8, 0);
/// ICMP over IPv4, ICMPv6 over IPv6.
const ICMP: HeaderSegment = segment("icmp", UDP.end(), 8, 0);

/// The headers in the order of their bits.
pub const SEGMENTS: [HeaderSegment; 5] = [IPV4, IPV6, TCP, UDP, ICMP];

/// Number of bits.
pub const BITS: usize = ICMP.end();

/// The segment of an IP header.
const fn ip_segment(version: Family) -> &'static HeaderSegment {
    match version {
        Family::V4 => &IPV4,
        Family::V6 => &IPV6,
    }
}

/// The segment of the transport header of a block.
const fn transport_segment(block: Proto) -> Option<&'static HeaderSegment> {
    match block {
        Proto::Tcp => Some(&TCP),
        Proto::Udp => Some(&UDP),
        Proto::Icmp => Some(&ICMP),
        Proto::Other => None,
    }
}

/// One packet as the bits of its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitRow {
    /// Time since the previous row of the trace, in nanoseconds.
    pub delta_t: i64,
    /// Bits by [`SEGMENTS`].
    pub bits: [Bit; BITS],
}

impl BitRow {
    /// The bits of the packet that a row renders to.
    ///
    /// # Errors
    /// If the row is not a packet.
    pub fn of(row: &RawRow, profiles: &OptionProfiles) -> Result<Self, InvalidRow> {
        row.check(profiles)?;
        let mut headers = Vec::with_capacity((IPV6.fixed + TCP.fixed + TCP.options) / 8);
        render::emit_headers(row, profiles, &mut headers);
        let ip = ip_segment(row.ip_version);
        let (ip_header, transport_header) = headers.split_at(ip.fixed / 8);
        let mut bits = [Bit::Absent; BITS];
        put(&mut bits[ip.offset..], ip_header);
        if let Some(transport) = transport_segment(row.block()) {
            put(&mut bits[transport.offset..], transport_header);
        }
        Ok(Self {
            delta_t: row.delta_t,
            bits,
        })
    }

    /// A row as a model decodes it. The time is rounded to the nearest nanosecond, as the numbers
    /// of the column table are.
    ///
    /// # Errors
    /// If the time does not fit 64 bits or is not a number.
    pub fn decoded(delta_t: f64, bits: [Bit; BITS]) -> Result<Self, InvalidRow> {
        let delta_t = integer(delta_t).map_err(|reason| invalid(reason, "delta_t"))?;
        Ok(Self { delta_t, bits })
    }

    /// The row of the packet that the bits encode, as a [`RowReader`](super::RowReader) reads it;
    /// IPv4 options are lost. If `profiles` learns, layouts that it lacks are added. Since it can
    /// fill up with wrong ones, callers that render rows one by one may start each from a copy.
    ///
    /// The bits themselves say which headers are present. A fault in the IP header is reported for
    /// `ip_version`, a fault in the transport header for `proto`. Columns that only a sound header
    /// could fill are not judged.
    ///
    /// # Errors
    /// If the bits are not a packet. Nothing is repaired.
    pub fn read(&self, profiles: &mut OptionProfiles) -> Result<RawRow, InvalidRow> {
        let mut row = RawRow {
            delta_t: self.delta_t,
            ..RawRow::default()
        };
        let len = self.read_ip(&mut row)?;
        let header = self.transport_header(&row)?;
        let payload_len = usize::from(len).checked_sub(header.len());
        row.payload_len = payload_len.ok_or_else(too_short)? as u16;
        read_transport(&mut row, &header, profiles)?;
        row.check(profiles)?;
        Ok(row)
    }

    /// Reads the IP header into a row. Returns the number of bytes after it, by its length field.
    fn read_ip(&self, row: &mut RawRow) -> Result<u16, InvalidRow> {
        let header = self.ip_header();
        let (version, header) = header.map_err(|reason| invalid(reason, "ip_version"))?;
        row.ip_version = version;
        let tos = match version {
            Family::V4 => header[1],
            Family::V6 => (word(&header, 0) >> 4) as u8,
        };
        (row.dscp, row.ecn) = (tos >> 2, tos & 3);
        match version {
            Family::V4 => {
                let fragment = word(&header, 6);
                (row.ip_flags, row.ip_frag_off) = ((fragment >> 13) as u8, fragment & 0x1fff);
                (row.ttl, row.proto) = (header[8], header[9]);
                row.src_ip = chunk::<4>(&header, 12).into();
                row.dst_ip = chunk::<4>(&header, 16).into();
                let len = word(&header, 2).checked_sub(header.len() as u16);
                len.ok_or_else(too_short)
            }
            Family::V6 => {
                (row.proto, row.ttl) = (header[6], header[7]);
                row.src_ip = chunk::<16>(&header, 8).into();
                row.dst_ip = chunk::<16>(&header, 24).into();
                Ok(word(&header, 4))
            }
        }
    }

    /// The one IP header that is present, options included.
    fn ip_header(&self) -> Result<(Family, Vec<u8>), Reason> {
        let (version, mut header) = match (self.fixed(&IPV4)?, self.fixed(&IPV6)?) {
            (Some(header), None) => (Family::V4, header),
            (None, Some(header)) => (Family::V6, header),
            (None, None) => return Err(Reason::NotApplicable),
            (Some(_), Some(_)) => return Err(Reason::HeaderConflict),
        };
        match (version, header[0] >> 4) {
            (Family::V4, 4) => header.extend(self.options(&IPV4, header[0] & 0xf)?),
            (Family::V6, 6) => {}
            _ => return Err(Reason::HeaderConflict),
        }
        Ok((version, header))
    }

    /// The transport header of the row's block, options included; empty for other protocols, which
    /// have no header in the table.
    fn transport_header(&self, row: &RawRow) -> Result<Vec<u8>, InvalidRow> {
        let block = row.block();
        let mut header = Vec::new();
        for segment in [&TCP, &UDP, &ICMP] {
            let is_named = transport_segment(block) == Some(segment);
            let fixed = self.fixed(segment);
            match (fixed.map_err(|reason| invalid(reason, "proto"))?, is_named) {
                (Some(fixed), true) => header = fixed,
                (None, true) => return Err(missing(block)),
                (Some(_), false) => return Err(invalid(Reason::HeaderConflict, "proto")),
                (None, false) => {}
            }
        }
        if block == Proto::Tcp {
            let options = self.options(&TCP, header[12] >> 4);
            header.extend(options.map_err(|reason| invalid(reason, "tcp_opt_profile"))?);
        }
        Ok(header)
    }

    /// The fixed part of a header; `None` if the header is absent altogether.
    fn fixed(&self, segment: &HeaderSegment) -> Result<Option<Vec<u8>>, Reason> {
        let (fixed, options) = self.bits[segment.offset..segment.end()].split_at(segment.fixed);
        if fixed.iter().all(is_there) {
            Ok(Some(bytes(fixed)))
        } else if fixed.iter().chain(options).any(is_there) {
            Err(Reason::PartialHeader)
        } else {
            Ok(None)
        }
    }

    /// The options of a header whose length field says `words` words of four bytes, the fixed part
    /// included.
    fn options(&self, segment: &HeaderSegment, words: u8) -> Result<Vec<u8>, Reason> {
        let options = &self.bits[segment.offset + segment.fixed..segment.end()];
        let len = (32 * usize::from(words)).checked_sub(segment.fixed);
        let parts = len.and_then(|len| options.split_at_checked(len));
        let (options, beyond) = parts.ok_or(Reason::HeaderLength)?;
        if options.iter().all(is_there) && !beyond.iter().any(is_there) {
            Ok(bytes(options))
        } else {
            Err(Reason::HeaderLength)
        }
    }
}

/// Reads the transport header of the row's block into the row.
fn read_transport(
    row: &mut RawRow,
    header: &[u8],
    profiles: &mut OptionProfiles,
) -> Result<(), InvalidRow> {
    match row.block() {
        Proto::Tcp => {
            (row.tcp_sport, row.tcp_dport) = (word(header, 0), word(header, 2));
            row.tcp_seq = u32::from_be_bytes(chunk(header, 4));
            row.tcp_ack = u32::from_be_bytes(chunk(header, 8));
            (row.tcp_flags, row.tcp_window) = (word(header, 12) & 0xfff, word(header, 14));
            let layout = OptionLayout::of(&header[TCP.fixed / 8..]);
            row.tcp_opt_profile = profiles.intern(layout);
            // A layout that does not fit in the dictionary would become padding.
            if profiles.layout(row.tcp_opt_profile) != Some(&layout) {
                return Err(invalid(Reason::UnknownProfile, "tcp_opt_profile"));
            }
        }
        Proto::Udp => (row.udp_sport, row.udp_dport) = (word(header, 0), word(header, 2)),
        Proto::Icmp => (row.icmp_type, row.icmp_code) = (header[0], header[1]),
        Proto::Other => {}
    }
    Ok(())
}

/// Writes bytes as bits, the highest first.
fn put(bits: &mut [Bit], bytes: &[u8]) {
    for (bits, byte) in bits.chunks_exact_mut(8).zip(bytes) {
        for (place, bit) in (0..8).rev().zip(bits) {
            *bit = match byte >> place & 1 {
                0 => Bit::Zero,
                _ => Bit::One,
            };
        }
    }
}

/// The bytes of bits, none of which is absent.
fn bytes(bits: &[Bit]) -> Vec<u8> {
    let byte = |bits: &[Bit]| {
        let bits = bits.iter().map(|bit| u8::from(*bit == Bit::One));
        bits.fold(0, |byte, bit| byte << 1 | bit)
    };
    bits.chunks_exact(8).map(byte).collect()
}

fn is_there(bit: &Bit) -> bool {
    *bit != Bit::Absent
}

/// Bytes of a header, which must lie inside its fixed part.
fn chunk<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| header[at + i])
}

fn word(header: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(chunk(header, at))
}

fn invalid(reason: Reason, column: &'static str) -> InvalidRow {
    InvalidRow(vec![CellFault { reason, column }])
}

fn too_short() -> InvalidRow {
    invalid(Reason::TooShort, "payload_len")
}

/// The faults of a row that lacks the header of its block.
fn missing(block: Proto) -> InvalidRow {
    let active = COLUMNS.iter().filter(|column| column.active.covers(block));
    let block = active.filter(|column| column.active != Active::Always);
    let faults = block.map(|column| CellFault {
        reason: Reason::NotApplicable,
        column: column.name,
    });
    InvalidRow(faults.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ip_proto;
    use std::net::Ipv6Addr;

    /// A SYN with an MSS, and the dictionary of its layout.
    fn syn() -> (RawRow, OptionProfiles) {
        let mut profiles = OptionProfiles::new();
        let row = RawRow {
            delta_t: -7,
            proto: ip_proto::TCP,
            src_ip: [192, 0, 2, 1].into(),
            dst_ip: [198, 51, 100, 7].into(),
            ttl: 57,
            dscp: 0x2e,
            ecn: 2,
            ip_flags: 2,
            payload_len: 3,
            tcp_sport: 51_000,
            tcp_dport: 443,
            tcp_seq: 0x0102_0304,
            tcp_ack: u32::MAX,
            tcp_flags: 0x902,
            tcp_window: 64_240,
            tcp_opt_profile: profiles.intern(OptionLayout::of(&[2, 4, 5, 180])),
            ..RawRow::default()
        };
        (row, profiles)
    }

    fn v6(row: RawRow) -> RawRow {
        RawRow {
            ip_version: Family::V6,
            src_ip: Ipv6Addr::LOCALHOST.into(),
            dst_ip: Ipv6Addr::UNSPECIFIED.into(),
            ..row
        }
    }

    fn udp() -> RawRow {
        RawRow {
            proto: ip_proto::UDP,
            udp_sport: 53,
            udp_dport: 40_000,
            payload_len: 12,
            ..RawRow::default()
        }
    }

    /// One row of each IP version and block of columns.
    fn rows() -> Vec<RawRow> {
        let (syn, _) = syn();
        let other = RawRow {
            proto: 47,
            payload_len: 4,
            ..RawRow::default()
        };
        let icmp = RawRow {
            icmp_type: 8,
            icmp_code: 1,
            ..other
        };
        let icmp_of = |proto| RawRow { proto, ..icmp };
        vec![
            syn,
            v6(RawRow { ip_flags: 0, ..syn }),
            udp(),
            v6(udp()),
            icmp_of(ip_proto::ICMP),
            v6(icmp_of(ip_proto::ICMPV6)),
            other,
            v6(other),
        ]
        .into_iter()
        .map(|row| match row.block() {
            Proto::Other => RawRow {
                icmp_type: 0,
                icmp_code: 0,
                ..row
            },
            _ => row,
        })
        .collect()
    }

    fn bits_of(row: &RawRow) -> BitRow {
        BitRow::of(row, &syn().1).unwrap()
    }

    /// Writes bytes at a byte offset of a segment.
    fn patch(row: &mut BitRow, segment: &HeaderSegment, at: usize, bytes: &[u8]) {
        put(&mut row.bits[segment.offset + 8 * at..], bytes);
    }

    /// Makes bytes of a segment absent.
    fn clear(row: &mut BitRow, segment: &HeaderSegment, at: usize, len: usize) {
        row.bits[segment.offset + 8 * at..][..8 * len].fill(Bit::Absent);
    }

    /// Faults in the bits of a row after a change.
    fn faults(row: &RawRow, change: impl FnOnce(&mut BitRow)) -> Vec<(Reason, &'static str)> {
        let mut bits = bits_of(row);
        change(&mut bits);
        let faults = match bits.read(&mut syn().1) {
            Ok(_) => Vec::new(),
            Err(InvalidRow(faults)) => faults,
        };
        let faults = faults.iter().map(|fault| (fault.reason, fault.column));
        faults.collect()
    }

    #[test]
    fn test_segments_are_those_of_nprint() {
        let sizes = SEGMENTS.map(|segment| (segment.name, segment.end() - segment.offset));
        let expected = [
            ("ipv4", 480),
            ("ipv6", 320),
            ("tcp", 480),
            ("udp", 64),
            ("icmp", 64),
        ];
        assert_eq!(sizes, expected);
        assert_eq!(BITS, 1_408);
    }

    #[test]
    fn test_bits_of_a_syn() {
        let row = bits_of(&syn().0);
        let text = |segment: &HeaderSegment, at: usize, len: usize| -> String {
            let bits = &row.bits[segment.offset + at..][..len];
            bits.iter()
                .map(|bit| ['.', '0', '1'][*bit as usize])
                .collect()
        };
        // Version 4, five words of header, DSCP and ECN.
        assert_eq!(text(&IPV4, 0, 16), "0100010110111010");
        assert_eq!(text(&IPV4, 158, 4), "11..");
        assert_eq!(text(&IPV6, 0, 320), ".".repeat(320));
        // Six words of header, flags 0x902; the MSS option.
        assert_eq!(text(&TCP, 96, 16), "0110100100000010");
        assert_eq!(text(&TCP, 160, 33), "00000010000001000000010110110100.");
        assert_eq!(row.delta_t, -7);
    }

    #[test]
    fn test_row_to_bits_and_back() {
        for row in rows() {
            assert_eq!(bits_of(&row).read(&mut syn().1), Ok(row));
        }
    }

    #[test]
    fn test_no_bits_of_a_row_that_is_no_packet() {
        let row = RawRow { dscp: 64, ..udp() };
        assert!(BitRow::of(&row, &OptionProfiles::new()).is_err());
    }

    #[test]
    fn test_one_wrong_bit() {
        for row in rows() {
            let bits = bits_of(&row);
            for at in 0..BITS {
                for code in Bit::ALL {
                    let mut wrong = bits.clone();
                    wrong.bits[at] = code;
                    let mut profiles = syn().1;
                    let read = wrong.read(&mut profiles);
                    if is_there(&bits.bits[at]) != is_there(&code) {
                        assert!(read.is_err(), "{row:?}, bit {at} {code:?}");
                    } else if let Ok(row) = read {
                        assert_eq!(row.check(&profiles), Ok(()));
                    }
                }
            }
        }
    }

    #[test]
    fn test_faults_of_an_ip_header() {
        let (row, _) = syn();
        let fault = |reason| vec![(reason, "ip_version")];
        let none = faults(&row, |bits| clear(bits, &IPV4, 0, 20));
        assert_eq!(none, fault(Reason::NotApplicable));
        let partial = faults(&row, |bits| clear(bits, &IPV4, 12, 4));
        assert_eq!(partial, fault(Reason::PartialHeader));
        let both = faults(&row, |bits| patch(bits, &IPV6, 0, &[0x60; 40]));
        assert_eq!(both, fault(Reason::HeaderConflict));
        let version = faults(&row, |bits| patch(bits, &IPV4, 0, &[0x65]));
        assert_eq!(version, fault(Reason::HeaderConflict));
        for words in [4, 6] {
            let words = faults(&row, |bits| patch(bits, &IPV4, 0, &[0x40 | words]));
            assert_eq!(words, fault(Reason::HeaderLength));
        }
        let options = faults(&row, |bits| patch(bits, &IPV4, 20, &[1; 4]));
        assert_eq!(options, fault(Reason::HeaderLength));
        let short = faults(&row, |bits| patch(bits, &IPV4, 2, &[0, 43]));
        assert_eq!(short, [(Reason::TooShort, "payload_len")]);
        let shorter = faults(&row, |bits| patch(bits, &IPV4, 2, &[0, 0]));
        assert_eq!(shorter, [(Reason::TooShort, "payload_len")]);
        let extension = faults(&v6(udp()), |bits| {
            patch(bits, &IPV6, 6, &[ip_proto::ROUTING]);
            clear(bits, &UDP, 0, 8);
        });
        assert_eq!(extension, [(Reason::OutOfRange, "proto")]);
    }

    #[test]
    fn test_faults_of_a_transport_header() {
        let none = faults(&udp(), |bits| clear(bits, &UDP, 0, 8));
        let missing = ["udp_sport", "udp_dport"].map(|column| (Reason::NotApplicable, column));
        assert_eq!(none, missing);
        let partial = faults(&udp(), |bits| clear(bits, &UDP, 7, 1));
        assert_eq!(partial, [(Reason::PartialHeader, "proto")]);
        let options_alone = faults(&udp(), |bits| patch(bits, &TCP, 20, &[1]));
        assert_eq!(options_alone, [(Reason::PartialHeader, "proto")]);
        let two = faults(&udp(), |bits| patch(bits, &ICMP, 0, &[0; 8]));
        assert_eq!(two, [(Reason::HeaderConflict, "proto")]);
        // The number of another protocol, which has no header in the table.
        let number = faults(&udp(), |bits| patch(bits, &IPV4, 9, &[47]));
        assert_eq!(number, [(Reason::HeaderConflict, "proto")]);

        let (row, _) = syn();
        let fault = [(Reason::HeaderLength, "tcp_opt_profile")];
        for words in [4, 5, 7, 15] {
            let words = faults(&row, |bits| patch(bits, &TCP, 12, &[words << 4]));
            assert_eq!(words, fault);
        }
        let hole = faults(&row, |bits| clear(bits, &TCP, 21, 1));
        assert_eq!(hole, fault);
        let beyond = faults(&row, |bits| patch(bits, &TCP, 28, &[1]));
        assert_eq!(beyond, fault);
    }

    #[test]
    fn test_layouts_that_the_dictionary_lacks() {
        let (row, profiles) = syn();
        let bits = BitRow::of(&row, &profiles).unwrap();
        let mut frozen = OptionProfiles::new().freeze();
        let unknown = invalid(Reason::UnknownProfile, "tcp_opt_profile");
        assert_eq!(bits.read(&mut frozen), Err(unknown));
        let mut learning = OptionProfiles::new();
        assert_eq!(bits.read(&mut learning), Ok(row));
    }

    #[test]
    fn test_what_the_renderer_computes_is_not_looked_at() {
        let mut bits = bits_of(&udp());
        patch(&mut bits, &UDP, 4, &[9; 4]);
        patch(&mut bits, &IPV4, 10, &[9; 2]);
        assert_eq!(bits.read(&mut OptionProfiles::new()), Ok(udp()));
    }

    #[test]
    fn test_ipv4_options_are_lost() {
        let mut bits = bits_of(&udp());
        patch(&mut bits, &IPV4, 0, &[0x46, 0, 0, 20 + 4 + 8 + 12]);
        patch(&mut bits, &IPV4, 20, &[1; 4]);
        assert_eq!(bits.read(&mut OptionProfiles::new()), Ok(udp()));
    }

    #[test]
    fn test_times_of_a_model() {
        let decoded = |time| BitRow::decoded(time, [Bit::Absent; BITS]).map(|row| row.delta_t);
        assert_eq!(decoded(-1.5), Ok(-2));
        let fault = |reason| Err(invalid(reason, "delta_t"));
        assert_eq!(decoded(f64::NAN), fault(Reason::NotFinite));
        assert_eq!(decoded(1e19), fault(Reason::OutOfRange));
    }
}
