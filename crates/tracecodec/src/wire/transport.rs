//! The fixed transport headers: TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443).

use super::ip::IpPacket;
use super::{SkipReason, icmp, ip_proto};
use crate::action::{Family, OptionLayout, Proto};
use crate::tcp::{SegmentNumbers, SeqNumber};

/// Length of the UDP header, and of the part of an ICMP message that all types share.
pub(crate) const SHORT_HEADER: usize = 8;

/// Length of the fixed TCP header.
pub(crate) const TCP_HEADER: usize = 20;

/// A TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence and acknowledgment number.
    pub numbers: SegmentNumbers,
    /// All twelve flag bits.
    pub flags: u16,
    /// Window, unscaled.
    pub window: u16,
    /// The options area as captured; shorter than `options_len` where the capture cut it.
    pub options: &'a [u8],
    /// Length of the options area by the data offset.
    pub options_len: usize,
}

impl TcpHeader<'_> {
    /// Whether the capture cut the options.
    pub fn has_cut_options(&self) -> bool {
        self.options.len() < self.options_len
    }

    /// The layout of the options; padding of the same length where the capture cut them.
    pub fn layout(&self) -> OptionLayout {
        if self.has_cut_options() {
            OptionLayout::padding(self.options_len / 4)
        } else {
            OptionLayout::of(self.options)
        }
    }
}

/// The part of an ICMP or ICMPv6 message that all types share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpHeader {
    /// Type.
    pub icmp_type: u8,
    /// Code.
    pub code: u8,
    /// The first half of the rest of the header: of an echo message the identifier.
    pub identifier: u16,
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
    Icmp(IcmpHeader),
    /// Any other IP protocol, by its number.
    Other(u8),
}

impl Transport<'_> {
    /// The protocol as an action tells it.
    pub fn proto(&self) -> Proto {
        match self {
            Transport::Tcp(_) => Proto::Tcp,
            Transport::Udp { .. } => Proto::Udp,
            Transport::Icmp(_) => Proto::Icmp,
            Transport::Other(_) => Proto::Other,
        }
    }
}

/// Parses the transport header; returns it with its length.
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

fn tcp<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; TCP_HEADER] = fixed(ip)?;
    let header_len = 4 * usize::from(header[12] >> 4);
    if header_len < TCP_HEADER || header_len > ip.payload_len {
        return Err(SkipReason::MalformedHeader);
    }
    let word = |at| u16::from_be_bytes([header[at], header[at + 1]]);
    let long =
        |at| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let header = TcpHeader {
        source_port: word(0),
        destination_port: word(2),
        numbers: SegmentNumbers {
            seq: SeqNumber(long(4)),
            ack: SeqNumber(long(8)),
        },
        flags: word(12) & 0xfff,
        window: word(14),
        options: &ip.payload[TCP_HEADER..header_len.min(ip.payload.len())],
        options_len: header_len - TCP_HEADER,
    };
    Ok((Transport::Tcp(header), header_len))
}

fn udp<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; SHORT_HEADER] = fixed(ip)?;
    let word = |at| u16::from_be_bytes([header[at], header[at + 1]]);
    // A length of 0 stands for a jumbogram (RFC 2675) or an offloaded datagram.
    if matches!(word(4), 1..=7) {
        return Err(SkipReason::MalformedHeader);
    }
    Ok((
        Transport::Udp {
            source_port: word(0),
            destination_port: word(2),
        },
        SHORT_HEADER,
    ))
}

fn icmp_message<'a>(ip: &IpPacket<'a>) -> Result<(Transport<'a>, usize), SkipReason> {
    let header: &[u8; SHORT_HEADER] = fixed(ip)?;
    let body = u16::try_from(ip.payload_len - SHORT_HEADER).map_err(|_| SkipReason::TooLong)?;
    let has_code = icmp::has_code(ip.family, header[0], header[1]);
    if !has_code || icmp::legal_body(ip.family, header[0], body) != body {
        return Err(SkipReason::MalformedHeader);
    }
    let identifier = u16::from_be_bytes([header[4], header[5]]);
    Ok((
        Transport::Icmp(IcmpHeader {
            icmp_type: header[0],
            code: header[1],
            identifier,
        }),
        SHORT_HEADER,
    ))
}
