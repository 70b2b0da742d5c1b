//! Headers: what a frame says, from the link layer to the fixed transport header.

pub mod checksum;
pub(crate) mod field;
pub mod icmp;
mod identification;
mod ip;
pub mod link;
mod transport;
pub mod tunnel;

use std::fmt;
use std::net::IpAddr;

use crate::action::{ActionSchema, Family};
use crate::pcap::Packet;

use ip::IpPacket;

pub(crate) use identification::Identifications;
pub(crate) use ip::IPV4_HEADER;
pub use ip::IPV6_HEADER;
pub(crate) use link::ethertype;
pub use transport::{IcmpHeader, TcpHeader, Transport};
pub(crate) use transport::{SHORT_HEADER, TCP_HEADER, transport_header_len};
pub use tunnel::Tunnels;

/// IP protocol numbers that the code names.
pub mod ip_proto {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// Encapsulated IPv4.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Encapsulated IPv6.
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Generic Routing Encapsulation.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Ethernet within IP.
    pub const ETHERIP: u8 = 97;
    /// MPLS within IP.
    pub const MPLS: u8 = 137;
    /// Ethernet within IP, by segment routing (RFC 8986).
    pub const ETHERNET: u8 = 143;
    /// Experimentation and testing (RFC 3692).
    pub const EXPERIMENT: u8 = 253;

    /// The protocol number of ICMP over a family.
    pub fn icmp(family: crate::action::Family) -> u8 {
        match family {
            crate::action::Family::V4 => ICMP,
            crate::action::Family::V6 => ICMPV6,
        }
    }

    /// Whether this number in IPv6 means an extension header that is followed, not a protocol.
    pub fn is_extension(number: u8) -> bool {
        matches!(
            number,
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
        )
    }

    /// Length of the smallest header of protocols other than TCP, UDP, ICMP; 0 if none is known. A
    /// shorter packet is malformed.
    pub fn smallest_header(proto: u8) -> u16 {
        match proto {
            97 => 2,                                                             // EtherIP
            47 | 48 | 53 | 103 | 108 | 115 | 137 => 4, // GRE, DSR, swIPe, PIM, IPComp, L2TPv3, MPLS
            ICMP | 2 | 46 | 50 | ICMPV6 | 62 | 112 | 134 | 135 | 136 | 140 => 8, // IGMP, RSVP, ESP, mobility, VRRP, UDP-Lite
            9 | 33 | 51 | 132 => 12,             // IGRP, DCCP, AH, SCTP
            93 | 143 => 14,                      // AX.25, Ethernet
            89 | 113 => 16,                      // OSPF, PGM
            4 | 54 | 88 => 20,                   // IPv4, NHRP, EIGRP
            IPV6 | 139 => 40,                    // IPv6, HIP
            36 | 80 | 83 | 106 | 173 | 224 => 8, // XTP, ISO, VINES and others
            _ => 0,
        }
    }
}

/// Why a frame is out of scope. Such frames are counted; they are not errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// The crate does not read this link type.
    UnsupportedLink,
    /// The frame carries no IP packet.
    NonIp,
    /// A fragment; also a first one, whose segment length is unknown.
    Fragment,
    /// The capture cut the frame before the end of the fixed transport header.
    CutHeader,
    /// A header contradicts itself or the packet's length.
    MalformedHeader,
    /// The length exceeds what an IP header can state (jumbograms, offloaded segments), or the
    /// packet has over 1,016 bytes of extension headers.
    TooLong,
}

impl SkipReason {
    /// All reasons, in the order of reports.
    pub const ALL: [SkipReason; 6] = [
        SkipReason::UnsupportedLink,
        SkipReason::NonIp,
        SkipReason::Fragment,
        SkipReason::CutHeader,
        SkipReason::MalformedHeader,
        SkipReason::TooLong,
    ];

    /// Name in manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            SkipReason::UnsupportedLink => "unsupported_link",
            SkipReason::NonIp => "non_ip",
            SkipReason::Fragment => "fragment",
            SkipReason::CutHeader => "cut_header",
            SkipReason::MalformedHeader => "malformed_header",
            SkipReason::TooLong => "too_long",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::UnsupportedLink => "unsupported link type",
            SkipReason::NonIp => "not IP",
            SkipReason::Fragment => "fragment",
            SkipReason::CutHeader => "header cut by the capture",
            SkipReason::MalformedHeader => "malformed header",
            SkipReason::TooLong => "too long",
        })
    }
}

/// The headers of a packet in scope, starting at the outermost IP header (that of the carried
/// packet, if [`Tunnels`] chose it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// IP family.
    pub family: Family,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// The three flag bits of IPv4: 4 reserved, 2 don't fragment, 1 more fragments (never set in
    /// scope); 0 in IPv6.
    pub ip_flags: u8,
    /// Identification of IPv4; 0 in IPv6.
    pub ip_id: u16,
    /// IPv4 options or IPv6 extension headers, in units of four bytes.
    pub ip_ext: u8,
    /// The transport header.
    pub transport: Transport<'a>,
    /// Bytes after the transport header, by the IP length; beyond 64 KiB in an offloaded segment
    /// whose IP length is 0.
    pub payload_len: u32,
    /// Length of the IP packet, which packet-size metrics count, whatever the link layer.
    pub ip_len: u32,
}

/// Parses a captured frame.
///
/// Lengths come from the IP header or, if offloading left the IP length 0, from the frame. They
/// never exceed the frame's length on the wire.
///
/// # Errors
/// The reason why the frame is out of scope.
pub fn parse<'a>(packet: &Packet<'a>) -> Result<Headers<'a>, SkipReason> {
    let ip = ip_packet(packet)?;
    let (transport, header_len) = transport::parse(&ip)?;
    let payload_len = ip.payload_len - header_len;
    let is_segment = matches!(transport, Transport::Tcp(_));
    let is_too_long = if is_segment {
        payload_len > LONGEST_SEGMENT
    } else {
        ip.len > longest(ip.family)
    };
    if is_too_long {
        return Err(SkipReason::TooLong);
    }
    Ok(Headers {
        family: ip.family,
        source: ip.source,
        destination: ip.destination,
        ttl: ip.ttl,
        tos: ip.tos,
        ip_flags: ip.flags,
        ip_id: ip.id,
        ip_ext: ip.ext,
        transport,
        payload_len: u32::try_from(payload_len).map_err(|_| SkipReason::TooLong)?,
        ip_len: ip.len as u32,
    })
}

/// Parses the outermost IP header of a captured frame.
fn ip_packet<'a>(packet: &Packet<'a>) -> Result<IpPacket<'a>, SkipReason> {
    let place = link::find_ip(packet.link, packet.data)?;
    let wire_len = (packet.wire_len as usize)
        .max(packet.data.len())
        .saturating_sub(place.trailer);
    let end = place.end.map_or(wire_len, |end| end.min(wire_len));
    ip::parse(
        &packet.data[place.offset..],
        end.saturating_sub(place.offset),
    )
}

/// Length of the frame on the wire by its IP header, if that is longer than the capture says.
///
/// So it is in captures that were cut by a tool which lost the original lengths.
pub fn longer_by_ip(packet: &Packet<'_>) -> Option<u32> {
    let place = link::find_ip(packet.link, packet.data).ok()?;
    let header = &packet.data[place.offset..];
    let word = |at: usize| Some(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?]));
    let len = if header[0] >> 4 == 4 {
        word(2)?.into()
    } else {
        IPV6_HEADER + usize::from(word(4)?)
    };
    let len = place.offset + len + place.trailer;
    let said = (packet.wire_len as usize).max(packet.data.len());
    (len > said).then_some(len as u32)
}

impl Headers<'_> {
    /// Whether the length of the packet exceeds what an IP header can state, as that of a segment
    /// which a network interface was to cut.
    pub fn is_beyond_length_field(&self) -> bool {
        self.ip_len as usize > longest(self.family)
    }
}

/// Longest payload of a segment that a network interface was to cut: what an action can state, and
/// twice what Linux hands to an interface at once.
const LONGEST_SEGMENT: usize = ActionSchema::MAX_PAYLOAD as usize;

/// Longest packet whose length the length field can state. IPv4's field counts the header, IPv6's
/// does not.
fn longest(family: Family) -> usize {
    match family {
        Family::V4 => usize::from(u16::MAX),
        Family::V6 => IPV6_HEADER + usize::from(u16::MAX),
    }
}
