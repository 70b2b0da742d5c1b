//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, extension headers included.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::{SkipReason, ip_proto};
use crate::action::Family;

/// Length of an IPv4 header without options.
pub(crate) const IPV4_HEADER: usize = 20;

/// Length of an IPv6 header without extension headers.
pub const IPV6_HEADER: usize = 40;

/// An IP packet in scope: whole, or cut by the capture behind the IP header.
pub(super) struct IpPacket<'a> {
    pub(super) family: Family,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    /// The three flag bits of IPv4, the reserved bit first; 0 in IPv6.
    pub(super) flags: u8,
    /// Identification of IPv4; 0 in IPv6.
    pub(super) id: u16,
    /// IPv4 options or IPv6 extension headers, in units of four bytes.
    pub(super) ext: u8,
    /// Protocol after the last extension header.
    pub(super) proto: u8,
    /// Length of the packet, headers included.
    pub(super) len: usize,
    /// Bytes after the IP headers, by the IP length.
    pub(super) payload_len: usize,
    /// The captured part of the payload.
    pub(super) payload: &'a [u8],
}

/// Parses the IP packet at the start of `data`; the frame held `wire_len` bytes from there on.
pub(super) fn parse(data: &[u8], wire_len: usize) -> Result<IpPacket<'_>, SkipReason> {
    match data.first().map(|byte| byte >> 4) {
        None => Err(SkipReason::CutHeader),
        Some(4) => parse_v4(data, wire_len),
        Some(6) => parse_v6(data, wire_len),
        Some(_) => Err(SkipReason::MalformedHeader),
    }
}

fn parse_v4(data: &[u8], wire_len: usize) -> Result<IpPacket<'_>, SkipReason> {
    let header = Ipv4HeaderSlice::from_slice(data).map_err(|error| match error {
        etherparse::err::ipv4::HeaderSliceError::Len(_) => SkipReason::CutHeader,
        etherparse::err::ipv4::HeaderSliceError::Content(_) => SkipReason::MalformedHeader,
    })?;
    if header.is_fragmenting_payload() {
        return Err(SkipReason::Fragment);
    }
    let header_len = header.slice().len();
    let len = ip_len(header.total_len().into(), 0, wire_len);
    let payload_len = len
        .checked_sub(header_len)
        .ok_or(SkipReason::MalformedHeader)?;
    Ok(IpPacket {
        family: Family::V4,
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        tos: header.dcp().value() << 2 | header.ecn().value(),
        flags: header.slice()[6] >> 5,
        id: header.identification(),
        ext: ((header_len - IPV4_HEADER) / 4) as u8,
        proto: header.protocol().0,
        len,
        payload_len,
        payload: captured(data, header_len, payload_len),
    })
}

fn parse_v6(data: &[u8], wire_len: usize) -> Result<IpPacket<'_>, SkipReason> {
    let header = Ipv6HeaderSlice::from_slice(data).map_err(|_| SkipReason::CutHeader)?;
    let len = match jumbo_len(data) {
        Some(jumbo) => (IPV6_HEADER + jumbo).min(wire_len),
        None => ip_len(header.payload_length().into(), IPV6_HEADER, wire_len),
    };
    let (proto, header_len) = walk_extensions(data, header.next_header().0)?;
    let payload_len = len
        .checked_sub(header_len)
        .ok_or(SkipReason::MalformedHeader)?;
    Ok(IpPacket {
        family: Family::V6,
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.hop_limit(),
        tos: header.traffic_class(),
        flags: 0,
        id: 0,
        ext: u8::try_from((header_len - IPV6_HEADER) / 4).map_err(|_| SkipReason::TooLong)?,
        proto,
        len,
        payload_len,
        payload: captured(data, header_len, payload_len),
    })
}

/// Payload length of a jumbogram (RFC 2675): if the length field is 0, an option of a hop-by-hop
/// header states it. `None` if there is none, or the capture cut it.
fn jumbo_len(data: &[u8]) -> Option<usize> {
    const JUMBO: u8 = 0xc2;
    if data.get(4..7)? != [0, 0, ip_proto::HOP_BY_HOP] {
        return None;
    }
    let header = data.get(IPV6_HEADER..)?;
    let len = 8 + 8 * usize::from(*header.get(1)?);
    let mut rest = header.get(2..len.min(header.len()))?;
    loop {
        rest = match *rest {
            [0, ref after @ ..] => after,
            [JUMBO, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([a, b, c, d]) as usize),
            [_, len, ref after @ ..] => after.get(usize::from(len)..)?,
            _ => return None,
        };
    }
}

/// Length of an IP packet by its length field, which counts all but the first `uncounted` bytes; at
/// most what the frame held. With offloading the field is 0, and the frame decides.
fn ip_len(field: usize, uncounted: usize, wire_len: usize) -> usize {
    match field {
        0 => wire_len,
        field => (uncounted + field).min(wire_len),
    }
}

/// Follows the chain of hop-by-hop, routing, destination and fragment headers. Returns the protocol
/// behind the chain and the length of all headers. An authentication header is not followed but
/// counts as a protocol, so that both families treat it alike.
fn walk_extensions(data: &[u8], first: u8) -> Result<(u8, usize), SkipReason> {
    let (mut proto, mut at) = (first, IPV6_HEADER);
    loop {
        match proto {
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DESTINATION_OPTIONS => {
                let header = data.get(at..at + 2).ok_or(SkipReason::CutHeader)?;
                (proto, at) = (header[0], at + 8 + 8 * usize::from(header[1]));
            }
            ip_proto::FRAGMENT => {
                let header = data.get(at..at + 8).ok_or(SkipReason::CutHeader)?;
                // Offset or M flag is set. A header with neither is an "atomic fragment" (RFC
                // 6946), a whole packet.
                if header[2] != 0 || header[3] & 0xf9 != 0 {
                    return Err(SkipReason::Fragment);
                }
                (proto, at) = (header[0], at + 8);
            }
            _ => return Ok((proto, at)),
        }
    }
}

/// The captured part of the payload, without link-layer padding.
fn captured(data: &[u8], header_len: usize, payload_len: usize) -> &[u8] {
    let end = data.len().min(header_len + payload_len);
    data.get(header_len..end).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 packet of 70,000 bytes of payload, whose length field is 0.
    fn jumbogram(options: &[u8]) -> Vec<u8> {
        let mut data = vec![0x60, 0, 0, 0, 0, 0, ip_proto::HOP_BY_HOP, 64];
        data.extend([0x20; 32]);
        data.extend([ip_proto::UDP, (options.len() / 8) as u8]);
        data.extend(options);
        data
    }

    fn lengths(data: &[u8], wire_len: usize) -> (usize, usize) {
        let ip = parse(data, wire_len).unwrap();
        (ip.len, ip.payload_len)
    }

    #[test]
    fn test_the_length_of_a_jumbogram() {
        let [a, b, c, d] = 70_000_u32.to_be_bytes();
        // Behind a Pad1 and a PadN of two bytes, and alone.
        let padded = [0, 1, 2, 0, 0, 0xc2, 4, a, b, c, d, 1, 1, 0];
        for options in [&[0xc2, 4, a, b, c, d][..], &padded] {
            let data = jumbogram(options);
            let header = 2 + options.len();
            assert_eq!(lengths(&data, 100_000), (70_040, 70_000 - header));
            assert_eq!(lengths(&data, 60_000), (60_000, 60_000 - 40 - header));
        }
        // Without the option, as offloading leaves it, the frame decides.
        let data = jumbogram(&[1, 4, 0, 0, 0, 0]);
        assert_eq!(lengths(&data, 100_000), (100_000, 100_000 - 48));
    }

    #[test]
    fn test_the_length_beyond_the_field_of_ipv4() {
        let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, ip_proto::TCP, 0, 0];
        data.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        assert_eq!(lengths(&data, 80_020), (80_020, 80_000));
    }
}
