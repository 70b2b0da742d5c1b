//! The fixed transport headers: TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443).

use std::ops::Range;

use super::ip::IpPacket;
use super::{SkipReason, field, icmp, ip_proto};
use crate::action::{Family, OptionLayout, Proto};
use crate::tcp::{SegmentNumbers, SeqNumber};

/// Length of the UDP header, and of the part that all ICMP messages share.
pub(crate) const SHORT_HEADER: usize = 8;

/// Length of the fixed TCP header.
pub(crate) const TCP_HEADER: usize = 20;

/// Length of a transport header; for TCP, with an options area of `options_len` bytes.
pub(crate) fn transport_header_len(proto: Proto, options_len: usize) -> usize {
    match proto {
        Proto::Tcp => TCP_HEADER + options_len,
        Proto::Udp | Proto::Icmp => SHORT_HEADER,
        Proto::Other => 0,
    }
}

/// A TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number and acknowledgment number.
    pub numbers: SegmentNumbers,
    /// All twelve flag bits.
    pub flags: u16,
    /// Window, unscaled.
    pub window: u16,
    /// The options area as captured; shorter than `options_len` if the capture cut it.
    pub options: &'a [u8],
    /// Length of the options area by the data offset.
    pub options_len: usize,
}

impl TcpHeader<'_> {
    /// Whether the capture cut the options.
    pub fn has_cut_options(&self) -> bool {
        self.options.len() < self.options_len
    }

    /// The layout of the options. If the capture cut them, padding of the same length.
    pub fn layout(&self) -> OptionLayout {
        if self.has_cut_options() {
            OptionLayout::padding(self.options_len / 4)
        } else {
            OptionLayout::of(self.options)
        }
    }
}

/// An ICMP or ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpHeader<'a> {
    /// Type.
    pub icmp_type: u8,
    /// Code.
    pub code: u8,
    /// The first half of the rest of the header: the identifier of an echo message.
    pub identifier: u16,
    /// The second half of the rest of the header: the MTU of "fragmentation needed".
    pub second_word: u16,
    /// What follows the eight bytes, as captured.
    pub body: &'a [u8],
}

/// A transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport<'a> {
    /// TCP.
    Tcp(TcpHeader<'a>),
    /// UDP.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP over IPv4 or ICMPv6 over IPv6.
    Icmp(IcmpHeader<'a>),
    /// Any other IP protocol, by its number.
    Other(u8),
}

impl Transport<'_> {
    /// Source and destination port; `None` for protocols without ports.
    pub fn ports(&self) -> Option<[u16; 2]> {
        match *self {
            Transport::Tcp(tcp) => Some([tcp.source_port, tcp.destination_port]),
            Transport::Udp {
                source_port,
                destination_port,
            } => Some([source_port, destination_port]),
            Transport::Icmp(_) | Transport::Other(_) => None,
        }
    }

    /// The protocol, as in an action.
    pub fn proto(&self) -> Proto {
        match self {
            Transport::Tcp(_) => Proto::Tcp,
            Transport::Udp { .. } => Proto::Udp,
            Transport::Icmp(_) => Proto::Icmp,
            Transport::Other(_) => Proto::Other,
        }
    }
}

/// Parses the transport header and returns it with its length.
pub(super) fn parse<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    match (ip.proto, ip.family) {
        (ip_proto::TCP, _) => tcp(ip),
        (ip_proto::UDP, _) => udp(ip),
        (ip_proto::ICMP, Family::V4) | (ip_proto::ICMPV6, Family::V6) => icmp_message(ip),
        (proto, _) if ip.payload_len < ip_proto::smallest_header(proto).into() => {
            Err(SkipReason::MalformedHeader)
        }
        (proto, _) => Ok((Transport::Other(proto), 0)),
    }
}

/// The first `N` bytes of the payload.
fn fixed<'a, const N: usize>(ip: &IpPacket<'a>) -> Result<&'a [u8; N], SkipReason> {
    if ip.payload_len < N {
        return Err(SkipReason::MalformedHeader);
    }
    ip.payload.first_chunk().ok_or(SkipReason::CutHeader)
}

/// A 16-bit field.
fn word(header: &[u8], field: Range<usize>) -> u16 {
    u16::from_be_bytes([header[field.start], header[field.start + 1]])
}

/// A 32-bit field.
fn long(header: &[u8], field: Range<usize>) -> u32 {
    let bytes = header[field].first_chunk().copied();
    u32::from_be_bytes(bytes.expect("the field has four bytes"))
}

fn tcp<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; TCP_HEADER] = fixed(ip)?;
    let offset_and_flags = word(header, field::tcp::OFFSET_AND_FLAGS);
    let header_len = 4 * usize::from(offset_and_flags >> 12);
    if header_len < TCP_HEADER || header_len > ip.payload_len {
        return Err(SkipReason::MalformedHeader);
    }
    let header = TcpHeader {
        source_port: word(header, field::tcp::SOURCE_PORT),
        destination_port: word(header, field::tcp::DESTINATION_PORT),
        numbers: SegmentNumbers {
            seq: SeqNumber(long(header, field::tcp::SEQ)),
            ack: SeqNumber(long(header, field::tcp::ACK)),
        },
        flags: offset_and_flags & 0xfff,
        window: word(header, field::tcp::WINDOW),
        options: &ip.payload[TCP_HEADER..header_len.min(ip.payload.len())],
        options_len: header_len - TCP_HEADER,
    };
    Ok((Transport::Tcp(header), header_len))
}

fn udp<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; SHORT_HEADER] = fixed(ip)?;
    // Length 0 means a jumbogram (RFC 2675) or an offloaded datagram.
    if matches!(word(header, field::udp::LENGTH), 1..=7) {
        return Err(SkipReason::MalformedHeader);
    }
    Ok((
        Transport::Udp {
            source_port: word(header, field::udp::SOURCE_PORT),
            destination_port: word(header, field::udp::DESTINATION_PORT),
        },
        SHORT_HEADER,
    ))
}

fn icmp_message<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; SHORT_HEADER] = fixed(ip)?;
    let body = u32::try_from(ip.payload_len - SHORT_HEADER).map_err(|_| SkipReason::TooLong)?;
    let (icmp_type, code) = (header[field::icmp::TYPE], header[field::icmp::CODE]);
    let has_code = icmp::has_code(ip.family, icmp_type, code);
    if !has_code || icmp::legal_body(ip.family, icmp_type, body) != body {
        return Err(SkipReason::MalformedHeader);
    }
    Ok((
        Transport::Icmp(IcmpHeader {
            icmp_type,
            code,
            identifier: word(header, field::icmp::IDENTIFIER),
            second_word: word(header, field::icmp::SEQUENCE_NUMBER),
            body: &ip.payload[SHORT_HEADER..],
        }),
        SHORT_HEADER,
    ))
}
