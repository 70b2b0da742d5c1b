//! Faults of TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443).

use super::ip::IpPayload;
use super::span::{Span, word};
use super::{Fault, Faults};
use crate::action::Family;
use crate::tcp::flags::{ACK, FIN, RESERVED, RST, SYN, URG};
use crate::wire::{SHORT_HEADER, TCP_HEADER, checksum, icmp, ip_proto};

/// Largest shift of a window scale option (RFC 7323 section 2.3).
const MAX_WINDOW_SCALE: u8 = 14;

/// Judges the bytes after the IP headers.
pub(super) fn judge(ip: &IpPayload<'_>, faults: &mut Faults) -> Result<(), Fault> {
    match (ip.proto, ip.family) {
        (ip_proto::TCP, _) => judge_tcp(ip, faults),
        (ip_proto::UDP, _) => judge_udp(ip, faults),
        (ip_proto::ICMP, Family::V4) | (ip_proto::ICMPV6, Family::V6) => judge_icmp(ip, faults),
        (proto, _) => {
            let smallest = ip_proto::smallest_header(proto).into();
            faults.add(Fault::TooShort, ip.span.len < smallest);
            Ok(())
        }
    }
}

/// Whether the checksum over a span and its pseudo-header is wrong; false if the capture cut the
/// span.
fn is_wrong(ip: &IpPayload<'_>, span: Span<'_>) -> bool {
    let Some(bytes) = span.whole() else {
        return false;
    };
    let len = bytes.len() as u64;
    let pseudo = u64::from(ip.addresses) + len + u64::from(ip.proto);
    checksum::finish(checksum::fold(pseudo + u64::from(checksum::sum(bytes)))) != 0
}

fn judge_tcp(ip: &IpPayload<'_>, faults: &mut Faults) -> Result<(), Fault> {
    let header: &[u8; TCP_HEADER] = ip.span.fixed()?;
    let header_len = 4 * usize::from(header[12] >> 4);
    judge_ports(header, faults);
    if header_len < TCP_HEADER || header_len > ip.span.len {
        return Err(Fault::TcpHeaderLength);
    }
    faults.add(Fault::TcpChecksum, is_wrong(ip, ip.span));
    let flags = word(header, 12);
    judge_flags(flags, faults);
    let has_acknowledgment = header[8..12] != [0; 4] && flags & ACK == 0;
    let has_urgent = word(header, 18) != 0 && flags & URG == 0;
    faults.add(Fault::TcpUnusedField, has_acknowledgment || has_urgent);
    let has_payload = ip.span.len > header_len;
    faults.add(Fault::SynPayload, flags & SYN != 0 && has_payload);
    let options = ip.span.limit(header_len).skip(TCP_HEADER);
    match options.whole() {
        Some(area) => judge_options(area, flags & SYN != 0, faults),
        None => faults.add(Fault::OptionsCut, true),
    }
    Ok(())
}

fn judge_ports(header: &[u8], faults: &mut Faults) {
    faults.add(
        Fault::PortZero,
        word(header, 0) == 0 || word(header, 2) == 0,
    );
}

fn judge_flags(flags: u16, faults: &mut Faults) {
    let is_illegal = match flags & (SYN | FIN | RST) {
        0 | FIN => flags & ACK == 0,
        SYN | RST => false,
        _ => true,
    };
    faults.add(Fault::TcpFlags, is_illegal);
    faults.add(Fault::TcpReservedBits, flags & RESERVED != 0);
}

fn judge_options(area: &[u8], is_syn: bool, faults: &mut Faults) {
    let mut rest = area;
    loop {
        rest = match *rest {
            [] | [0, ..] => return,
            [1, ref after @ ..] => after,
            [kind, len, ..] if has_length(kind, len) && usize::from(len) <= rest.len() => {
                let is_of_syn = matches!(kind, 2..=4);
                let is_over = kind == 3 && rest[2] > MAX_WINDOW_SCALE;
                faults.add(Fault::SynOptions, is_of_syn && !is_syn || is_over);
                &rest[len.into()..]
            }
            _ => return faults.add(Fault::TcpOptions, true),
        };
    }
}

/// Whether an option of this kind can have this length.
fn has_length(kind: u8, len: u8) -> bool {
    match kind {
        2 => len == 4,
        3 => len == 3,
        4 => len == 2,
        // SACK: one block or more.
        5 => len >= 10 && len % 8 == 2,
        8 => len == 10,
        // MD5 signature (RFC 2385), user timeout (RFC 5482), authentication (RFC 5925), multipath
        // (RFC 8684).
        19 => len == 18,
        28 => len == 4,
        29 => len >= 4,
        30 => len >= 3,
        _ => len >= 2,
    }
}

fn judge_udp(ip: &IpPayload<'_>, faults: &mut Faults) -> Result<(), Fault> {
    let header: &[u8; SHORT_HEADER] = ip.span.fixed()?;
    judge_ports(header, faults);
    let len = usize::from(word(header, 4));
    if len < SHORT_HEADER || len > ip.span.len {
        return Err(Fault::UdpLength);
    }
    faults.add(Fault::UdpSurplus, len < ip.span.len);
    let has_checksum = word(header, 6) != 0;
    let is_wrong = match (has_checksum, ip.family) {
        // "An all zero transmitted checksum value means that the transmitter generated no checksum"
        // (RFC 768); "unlike IPv4 … the UDP checksum is not optional" (RFC 8200 section 8.1).
        (false, family) => family == Family::V6,
        (true, _) => is_wrong(ip, ip.span.limit(len)),
    };
    faults.add(Fault::UdpChecksum, is_wrong);
    Ok(())
}

fn judge_icmp(ip: &IpPayload<'_>, faults: &mut Faults) -> Result<(), Fault> {
    let is_wrong = match ip.family {
        Family::V4 => {
            let bytes = ip.span.whole();
            bytes.is_some_and(|bytes| checksum::finish(checksum::sum(bytes)) != 0)
        }
        Family::V6 => is_wrong(ip, ip.span),
    };
    faults.add(Fault::IcmpChecksum, is_wrong);
    let &[icmp_type, code, ..]: &[u8; SHORT_HEADER] = ip.span.fixed()?;
    let body = u32::try_from(ip.span.len - SHORT_HEADER).unwrap_or(u32::MAX);
    let legal = icmp::legal_body(ip.family, icmp_type, body);
    faults.add(Fault::IcmpLength, legal != body);
    let has_code = icmp::has_code(ip.family, icmp_type, code);
    faults.add(Fault::IcmpCode, !has_code);
    Ok(())
}
