//! Bodies of ICMPv6 messages of the output that are neither echo messages nor errors.

use super::flow::{AddressBytes, Flow};
use super::message::Message;
use crate::action::Action;
use crate::wire::field::icmp as field;

/// Types of messages (RFC 4861, RFC 2710, RFC 2894, RFC 4620, RFC 6275, RFC 6550).
mod message_type {
    pub(super) const LISTENER_QUERY: u8 = 130;
    pub(super) const LISTENER_DONE: u8 = 132;
    pub(super) const ROUTER_SOLICITATION: u8 = 133;
    pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(super) const NEIGHBOR_SOLICITATION: u8 = 135;
    pub(super) const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    pub(super) const REDIRECT: u8 = 137;
    pub(super) const ROUTER_RENUMBERING: u8 = 138;
    pub(super) const NODE_INFORMATION_QUERY: u8 = 139;
    pub(super) const NODE_INFORMATION_RESPONSE: u8 = 140;
    pub(super) const HOME_AGENT_REPLY: u8 = 145;
    pub(super) const RPL_CONTROL: u8 = 155;
}

/// Options of neighbour discovery: the link-layer address of sender or target (RFC 4861 section
/// 4.6.1), and a nonce, which may have any length (RFC 3971 section 5.3.2).
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
const NONCE: u8 = 14;

/// Unit of the length of options, in bytes.
const UNIT: usize = 8;

/// Operation of router renumbering that adds prefixes (RFC 2894 section 3.2.1.1).
const ADD: u8 = 1;

/// Code of queries for node information about an IPv4 address (RFC 4620 section 4).
const SUBJECT_IPV4: u8 = 2;

/// Hop limit and lifetime, in seconds, that routers advertise (RFC 4861 section 6.2.1).
const HOP_LIMIT: u8 = 64;
const ROUTER_LIFETIME: u16 = 1800;

/// Flags of neighbour advertisements: solicited, override (RFC 4861 section 4.4).
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Fills the four bytes behind the checksum. Returns the body and its captured length: neighbour
/// discovery is complete, of other messages the fixed part is captured, and the rest is cut.
pub(super) fn emit(action: &Action, flow: &Flow, header: &mut [u8]) -> (Message, usize) {
    use message_type::*;
    let len = action.l4_payload_len as usize;
    let mut body = Message::default();
    let captured = match action.icmp_type {
        LISTENER_QUERY..=LISTENER_DONE => {
            if is_multicast(&destination(action, flow)) {
                body.put(&destination(action, flow));
            } else {
                body.put(&[0; 16]);
            }
            // A query of version 2 names no source.
            if len >= 20 { 20 } else { 16 }
        }
        ROUTER_SOLICITATION => options(action, flow, SOURCE_LINK_ADDRESS, &mut body),
        ROUTER_ADVERTISEMENT => {
            header[field::IDENTIFIER.start] = HOP_LIMIT;
            header[field::SEQUENCE_NUMBER].copy_from_slice(&ROUTER_LIFETIME.to_be_bytes());
            // Reachable time and retransmission timer: unspecified by this router.
            body.put(&[0; 8]);
            options(action, flow, SOURCE_LINK_ADDRESS, &mut body)
        }
        NEIGHBOR_SOLICITATION => {
            body.put(&solicited(action, flow));
            options(action, flow, SOURCE_LINK_ADDRESS, &mut body)
        }
        NEIGHBOR_ADVERTISEMENT => {
            let is_solicited = !is_multicast(&destination(action, flow));
            header[field::IDENTIFIER.start] = OVERRIDE | if is_solicited { SOLICITED } else { 0 };
            body.put(&source(action, flow));
            options(action, flow, TARGET_LINK_ADDRESS, &mut body)
        }
        REDIRECT => {
            // "If the target is the actual endpoint of communication, i.e., the destination is a
            // neighbor, the Target Address field MUST contain the same value as the ICMP
            // Destination Address field" (RFC 4861 section 4.5).
            body.put(&source(action, flow));
            body.put(&source(action, flow));
            options(action, flow, TARGET_LINK_ADDRESS, &mut body)
        }
        ROUTER_RENUMBERING if len >= 32 && len.is_multiple_of(32) => {
            body.put(&[0; 8]);
            // One operation: a prefix of three units, and prefixes of four units in its place.
            body.put(&[ADD, (len / 8 - 1) as u8]);
            len
        }
        NODE_INFORMATION_QUERY if len == 12 && action.icmp_code == SUBJECT_IPV4 => len,
        // Behind the fixed part is nothing, or room for whatever the code says.
        NODE_INFORMATION_QUERY | NODE_INFORMATION_RESPONSE if len == 8 || len >= 24 => len,
        // Addresses of home agents: unspecified ones.
        HOME_AGENT_REPLY if len.is_multiple_of(16) => len,
        // A destination advertisement object, or its acknowledgment.
        RPL_CONTROL if matches!(action.icmp_code, 2 | 3) => len,
        _ => 0,
    };
    (body, captured.min(len))
}

fn source(action: &Action, flow: &Flow) -> AddressBytes {
    flow.address(action.role())
}

fn destination(action: &Action, flow: &Flow) -> AddressBytes {
    flow.address(action.role().reverse())
}

fn is_multicast(address: &[u8]) -> bool {
    address[0] == 0xff
}

fn is_unspecified(address: &[u8]) -> bool {
    address.iter().all(|&byte| byte == 0)
}

/// The address that a solicitation asks for: its destination or, if that is a group, the neighbour
/// of the sender whose address ends as the group's (RFC 4291 section 2.7.1).
fn solicited(action: &Action, flow: &Flow) -> [u8; 16] {
    let destination: [u8; 16] = destination(action, flow)[..].try_into().expect("IPv6");
    if !is_multicast(&destination) {
        return destination;
    }
    let source = source(action, flow);
    let mut target = [0; 16];
    if is_unspecified(&source) || is_multicast(&source) {
        target[..2].copy_from_slice(&[0xfe, 0x80]);
    } else {
        target[..8].copy_from_slice(&source[..8]);
    }
    target[13..].copy_from_slice(&destination[13..]);
    target
}

/// Appends options that fill the message, behind its fixed body: a link-layer address of this kind
/// and a nonce. Returns the captured length, which ends with the last whole option.
fn options(action: &Action, flow: &Flow, kind: u8, body: &mut Message) -> usize {
    let len = action.l4_payload_len as usize;
    let fixed = body.bytes().len();
    let rest = len.saturating_sub(fixed);
    // A single byte behind the last option is no option: everything behind the fixed body is cut.
    let mut units = if rest % UNIT == 1 { 0 } else { rest / UNIT };
    let mut captured = fixed + UNIT * units;
    // "MUST NOT be included when the source IP address is the unspecified address" (RFC 4861
    // section 4.3).
    let has_address = kind != SOURCE_LINK_ADDRESS || !is_unspecified(&source(action, flow));
    if units > 0 && has_address {
        body.put(&[kind, 1]);
        body.put(&flow.mac(action.role()));
        units -= 1;
    }
    if units > 0 {
        let nonce = units.min(u8::MAX.into());
        captured -= UNIT * (units - nonce);
        body.put(&[NONCE, nonce as u8]);
    }
    captured
}
