//! What is known of ICMP (RFC 792) and ICMPv6 (RFC 4443) messages by their type.

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

/// Bytes of the smallest body after the eight bytes that all messages share. A shorter message is malformed.
pub fn smallest_body(family: Family, icmp_type: u8) -> u16 {
    match (family, icmp_type) {
        // The quoted IP header and 64 bits of what follows.
        (Family::V4, _) if is_error(family, icmp_type) => 20 + 8,
        (Family::V6, _) if is_error(family, icmp_type) => 40 + 8,
        // Timestamps, address masks.
        (Family::V4, 13 | 14) => 12,
        (Family::V4, 17 | 18) => 4,
        // Multicast listener messages, neighbour solicitation and advertisement: one address.
        (Family::V6, 130..=132 | 135 | 136) => 16,
        // Router advertisement, renumbering, node information, redirect.
        (Family::V6, 134 | 138..=140 | 157 | 158) => 8,
        (Family::V6, 137) => 32,
        (Family::V6, 155) => 16,
        _ => 0,
    }
}

/// Whether the type has this code. Known of one type alone, whose other codes analysers reject: the extended echo request
/// (RFC 8335) shares its number with the MPL control message (RFC 7731).
pub fn has_code(family: Family, icmp_type: u8, code: u8) -> bool {
    !matches!((family, icmp_type), (Family::V6, 159)) || code == 0
}
