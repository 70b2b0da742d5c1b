//! ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: what their type determines.

use std::net::IpAddr;

use super::{IPV4_HEADER, IPV6_HEADER, ip_proto};
use crate::action::Family;

/// Whether messages of this type are echo requests or replies.
pub fn is_echo(family: Family, icmp_type: u8) -> bool {
    is_echo_request(family, icmp_type)
        || matches!((family, icmp_type), (Family::V4, 0) | (Family::V6, 129))
}

/// Whether messages of this type are echo requests.
pub fn is_echo_request(family: Family, icmp_type: u8) -> bool {
    matches!((family, icmp_type), (Family::V4, 8) | (Family::V6, 128))
}

/// The type of echo requests, or of replies.
pub fn echo_type(family: Family, is_request: bool) -> u8 {
    match (family, is_request) {
        (Family::V4, true) => 8,
        (Family::V4, false) => 0,
        (Family::V6, true) => 128,
        (Family::V6, false) => 129,
    }
}

/// Whether messages of this type quote the packet that they complain of.
pub fn is_error(family: Family, icmp_type: u8) -> bool {
    match family {
        Family::V4 => matches!(icmp_type, 3 | 4 | 5 | 11 | 12),
        Family::V6 => matches!(icmp_type, 1..=4),
    }
}

/// What the four bytes between checksum and body of a message mean, in messages that have a
/// parameter there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// The MTU of the next hop (RFC 1191, RFC 4443 section 3.2).
    Mtu,
    /// The place of the error in the quoted packet (RFC 792, RFC 4443 section 3.4).
    Pointer,
    /// The address of a better gateway (RFC 792).
    Gateway,
}

impl Parameter {
    /// The parameter of a type and code; `None` if the four bytes are unused or not kept.
    pub fn of(family: Family, icmp_type: u8, code: u8) -> Option<Self> {
        match (family, icmp_type, code) {
            (Family::V4, 3, 4) | (Family::V6, 2, _) => Some(Self::Mtu),
            (Family::V4, 12, _) | (Family::V6, 4, _) => Some(Self::Pointer),
            (Family::V4, 5, _) => Some(Self::Gateway),
            _ => None,
        }
    }

    /// The parameter's value in a message whose four bytes are these two words; of a number beyond
    /// 65535, 65535. A gateway's number is its address.
    pub fn value(self, family: Family, [high, low]: [u16; 2]) -> u32 {
        let long = u32::from(high) << 16 | u32::from(low);
        match (self, family) {
            (Self::Mtu, Family::V4) => low.into(),
            (Self::Pointer, Family::V4) => (high >> 8).into(),
            (Self::Gateway, _) => long,
            (Self::Mtu | Self::Pointer, Family::V6) => long.min(u16::MAX.into()),
        }
    }
}

/// The addresses and ports of a packet that an ICMP error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotedPacket {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol: TCP, UDP, or ICMP of the packet's family.
    pub proto: u8,
    /// Source and destination port; the identifier of an echo message twice.
    pub ports: [u16; 2],
}

impl QuotedPacket {
    /// Parses the packet at the start of an error's body: a segment, a datagram or an echo message
    /// of the given family, cut anywhere behind eight bytes of the transport header. `None` for
    /// any other packet.
    pub fn parse(family: Family, body: &[u8]) -> Option<Self> {
        let (source, destination, proto, transport): (IpAddr, IpAddr, u8, &[u8]) = match family {
            Family::V4 => {
                let header: &[u8; IPV4_HEADER] = body.first_chunk()?;
                let len = 4 * usize::from(header[0] & 0xf);
                let is_later_fragment = header[6] & 0x1f != 0 || header[7] != 0;
                if header[0] >> 4 != 4 || len < IPV4_HEADER || is_later_fragment {
                    return None;
                }
                let address = |at: usize| header[at..].first_chunk::<4>().copied();
                (
                    address(12)?.into(),
                    address(16)?.into(),
                    header[9],
                    body.get(len..)?,
                )
            }
            Family::V6 => {
                let header: &[u8; IPV6_HEADER] = body.first_chunk()?;
                if header[0] >> 4 != 6 {
                    return None;
                }
                let address = |at: usize| header[at..].first_chunk::<16>().copied();
                (
                    address(8)?.into(),
                    address(24)?.into(),
                    header[6],
                    &body[IPV6_HEADER..],
                )
            }
        };
        let words: &[u8; 8] = transport.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([words[at], words[at + 1]]);
        let ports = match proto {
            ip_proto::TCP | ip_proto::UDP => [word(0), word(2)],
            proto if proto == ip_proto::icmp(family) && is_echo(family, words[0]) => {
                [word(4), word(4)]
            }
            _ => return None,
        };
        Some(Self {
            source,
            destination,
            proto,
            ports,
        })
    }
}

/// The shortest legal body of at least `len` bytes for a message of this type, after the eight
/// bytes that all types share. A message of another length is malformed.
pub fn legal_body(family: Family, icmp_type: u8, len: u32) -> u32 {
    let smallest = smallest_body(family, icmp_type);
    match len.saturating_sub(smallest) {
        1..SMALLEST_OPTION if has_options(family, icmp_type) => smallest + SMALLEST_OPTION,
        _ => len.max(smallest),
    }
}

/// Length of the smallest option of neighbour discovery, "in units of 8 octets" (RFC 4861 section
/// 4.6).
const SMALLEST_OPTION: u32 = 8;

/// Whether the fixed body is followed by options of neighbour discovery: solicitations and
/// advertisements of routers and neighbours, redirects, inverse discovery (RFC 3122), home agents
/// (RFC 6275), certification paths (RFC 3971), mobility experiments and fast handovers (RFC 4065,
/// RFC 5568).
fn has_options(family: Family, icmp_type: u8) -> bool {
    family == Family::V6 && matches!(icmp_type, 133..=137 | 141 | 142 | 147..=150 | 154)
}

/// Bytes of the fixed body of a message of this type, the smallest that it can have.
pub fn smallest_body(family: Family, icmp_type: u8) -> u32 {
    match (family, icmp_type) {
        // The quoted IP header and 64 bits of what follows.
        (Family::V4, _) if is_error(family, icmp_type) => IPV4_HEADER as u32 + 8,
        (Family::V6, _) if is_error(family, icmp_type) => IPV6_HEADER as u32 + 8,
        // Timestamps, address masks.
        (Family::V4, 13 | 14) => 12,
        (Family::V4, 17 | 18) => 4,
        // Multicast listener messages, neighbour solicitation and advertisement: one address.
        (Family::V6, 130..=132 | 135 | 136) => 16,
        // Router advertisement, renumbering, node information, duplicate addresses.
        (Family::V6, 134 | 138..=140 | 157 | 158) => 8,
        // Redirect: two addresses.
        (Family::V6, 137) => 32,
        (Family::V6, 155) => 16,
        // Certification path advertisement.
        (Family::V6, 149) => 4,
        _ => 0,
    }
}

/// Whether the type has this code. Only one type is restricted: of the MPL control message (RFC
/// 7731), analysers reject every code but 0.
pub fn has_code(family: Family, icmp_type: u8, code: u8) -> bool {
    !matches!((family, icmp_type), (Family::V6, 159)) || code == 0
}
