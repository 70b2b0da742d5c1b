//! ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: what their type determines.

use super::{IPV4_HEADER, IPV6_HEADER};
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

/// Whether messages of this type quote the packet that they complain of.
pub fn is_error(family: Family, icmp_type: u8) -> bool {
    match family {
        Family::V4 => matches!(icmp_type, 3 | 4 | 5 | 11 | 12),
        Family::V6 => matches!(icmp_type, 1..=4),
    }
}

/// The shortest legal body of at least `len` bytes for a message of this type, after the eight
/// bytes that all types share. A message of another length is malformed.
pub fn legal_body(family: Family, icmp_type: u8, len: u16) -> u16 {
    let smallest = smallest_body(family, icmp_type);
    match len.saturating_sub(smallest) {
        1..SMALLEST_OPTION if has_options(family, icmp_type) => smallest + SMALLEST_OPTION,
        _ => len.max(smallest),
    }
}

/// Length of the smallest option of neighbour discovery, "in units of 8 octets" (RFC 4861 section
/// 4.6).
const SMALLEST_OPTION: u16 = 8;

/// Whether the fixed body is followed by options of neighbour discovery: solicitations and
/// advertisements of routers and neighbours, redirects, inverse discovery (RFC 3122), home agents
/// (RFC 6275), certification paths (RFC 3971), mobility experiments and fast handovers (RFC 4065,
/// RFC 5568).
fn has_options(family: Family, icmp_type: u8) -> bool {
    family == Family::V6 && matches!(icmp_type, 133..=137 | 141 | 142 | 147..=150 | 154)
}

/// Bytes of the fixed body of a message of this type, the smallest that it can have.
pub fn smallest_body(family: Family, icmp_type: u8) -> u16 {
    match (family, icmp_type) {
        // The quoted IP header and 64 bits of what follows.
        (Family::V4, _) if is_error(family, icmp_type) => IPV4_HEADER as u16 + 8,
        (Family::V6, _) if is_error(family, icmp_type) => IPV6_HEADER as u16 + 8,
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
