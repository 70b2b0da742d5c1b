//! Rows of the raw packet table to packets, by the values in each row (the paper, C.3).
//!
//! Lengths and checksums are computed from the row. Everything that the row does not determine is
//! constant: MAC addresses, IPv4 identification, flow label, urgent pointer, timestamps and SACK
//! edges of TCP options, identifier and sequence number of an echo. Only the time depends on
//! earlier rows.

use std::net::IpAddr;

use super::contract::InvalidRow;
use super::schema::RawRow;
use crate::action::{Family, OptionProfiles, Proto};
use crate::pcap::{LinkType, Packet, Timestamp};
use crate::wire::{IPV4_HEADER, TCP_HEADER, checksum, ethertype, field, icmp, ip_proto};

/// Destination and source address of every frame, both locally administered.
const MACS: [u8; 12] = *b"\x02TC\x00\x00\x02\x02TC\x00\x00\x01";

/// Payload of the packets. Lengths on the wire do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Zeros; but no bytes in ICMP messages other than echo and in packets of other protocols,
    /// which zeros would make malformed.
    #[default]
    Zeros,
    /// No payload bytes: the captured bytes end after the headers.
    Absent,
}

/// Renders rows one by one, as Ethernet frames. Its only state is the time.
#[derive(Debug)]
pub struct Renderer {
    payload: Payload,
    now: Timestamp,
    frame: Vec<u8>,
}

impl Renderer {
    /// A renderer. The first row's `delta_t` counts from `epoch`.
    pub fn new(payload: Payload, epoch: Timestamp) -> Self {
        Self {
            payload,
            now: epoch,
            frame: Vec::with_capacity(1 << 16),
        }
    }

    /// The packet of a row, whose `tcp_opt_profile` refers to `profiles`. The packet's bytes live
    /// until the next call.
    ///
    /// # Errors
    /// If the row is not a packet. The renderer, and so its time, is then unchanged.
    pub fn render(
        &mut self,
        row: &RawRow,
        profiles: &OptionProfiles,
    ) -> Result<Packet<'_>, InvalidRow> {
        row.check(profiles)?;
        self.now = Timestamp(self.now.0.wrapping_add(row.delta_t));
        let frame = &mut self.frame;
        frame.clear();
        emit_ethernet(row, frame);
        emit_headers(row, profiles, frame);
        let wire_len = frame.len() + usize::from(row.payload_len);
        if self.payload == Payload::Zeros && has_free_payload(row) {
            frame.resize(wire_len, 0);
        }
        Ok(Packet {
            time: self.now,
            link: LinkType::ETHERNET,
            wire_len: wire_len as u32,
            data: frame,
            ..Packet::default()
        })
    }
}

/// The options area: the bytes of the layout, in which values that vary within a connection are 0.
fn options<'a>(row: &RawRow, profiles: &'a OptionProfiles) -> &'a [u8] {
    profiles
        .layout(row.tcp_opt_profile)
        .map_or(&[], |layout| layout.bytes())
}

/// Whether the payload may have any bytes without being malformed.
fn has_free_payload(row: &RawRow) -> bool {
    match row.block() {
        Proto::Tcp | Proto::Udp => true,
        Proto::Icmp => icmp::is_echo(row.ip_version, row.icmp_type),
        Proto::Other => false,
    }
}

fn emit_ethernet(row: &RawRow, frame: &mut Vec<u8>) {
    frame.extend(MACS);
    frame.extend(ethertype::ip(row.ip_version).to_be_bytes());
}

/// Appends the IP and transport headers of a valid row. Lengths and checksums assume a payload of
/// zeros.
pub(super) fn emit_headers(row: &RawRow, profiles: &OptionProfiles, frame: &mut Vec<u8>) {
    let len = row.header_len(profiles) + usize::from(row.payload_len);
    emit_ip(row, len, frame);
    emit_transport(row, len, profiles, frame);
}

/// Appends the IP header of a packet with `len` bytes after it.
fn emit_ip(row: &RawRow, len: usize, frame: &mut Vec<u8>) {
    let tos = row.dscp << 2 | row.ecn;
    let start = frame.len();
    match row.ip_version {
        Family::V4 => {
            let total_len = (IPV4_HEADER + len) as u16;
            let fragment = u16::from(row.ip_flags) << 13 | row.ip_frag_off;
            frame.extend([0x45, tos]);
            // The identification is 0: a count would need state.
            for word in [total_len, 0, fragment] {
                frame.extend(word.to_be_bytes());
            }
            frame.extend([row.ttl, row.proto, 0, 0]);
            emit_addresses(row, frame);
            let field = checksum::finish(checksum::sum(&frame[start..]));
            frame[start + 10..start + 12].copy_from_slice(&field.to_be_bytes());
        }
        Family::V6 => {
            frame.extend((6 << 28 | u32::from(tos) << 20).to_be_bytes());
            frame.extend((len as u16).to_be_bytes());
            frame.extend([row.proto, row.ttl]);
            emit_addresses(row, frame);
        }
    }
}

fn emit_addresses(row: &RawRow, frame: &mut Vec<u8>) {
    for address in [row.src_ip, row.dst_ip] {
        match address {
            IpAddr::V4(address) => frame.extend(address.octets()),
            IpAddr::V6(address) => frame.extend(address.octets()),
        }
    }
}

/// Appends the transport header of a packet that has `len` bytes from there on. The frame ends with
/// the IP header.
fn emit_transport(row: &RawRow, len: usize, profiles: &OptionProfiles, frame: &mut Vec<u8>) {
    let pseudo = pseudo_header_sum(row, len, frame);
    let start = frame.len();
    let checksum_at = match row.block() {
        Proto::Tcp => {
            emit_tcp(row, options(row, profiles), frame);
            field::tcp::CHECKSUM
        }
        Proto::Udp => {
            for word in [row.udp_sport, row.udp_dport, len as u16, 0] {
                frame.extend(word.to_be_bytes());
            }
            field::udp::CHECKSUM
        }
        Proto::Icmp => {
            frame.extend([row.icmp_type, row.icmp_code, 0, 0, 0, 0, 0, 0]);
            field::icmp::CHECKSUM
        }
        Proto::Other => return,
    };
    // The payload is zeros, which add nothing to the sum.
    let header = &mut frame[start..];
    let sum = pseudo + checksum::sum(header);
    checksum::put(header, checksum_at, sum);
}

fn emit_tcp(row: &RawRow, options: &[u8], frame: &mut Vec<u8>) {
    let data_offset = ((TCP_HEADER + options.len()) / 4) as u16;
    frame.extend(row.tcp_sport.to_be_bytes());
    frame.extend(row.tcp_dport.to_be_bytes());
    frame.extend(row.tcp_seq.to_be_bytes());
    frame.extend(row.tcp_ack.to_be_bytes());
    for word in [data_offset << 12 | row.tcp_flags, row.tcp_window, 0, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(options);
}

/// Sum over the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1), whose addresses end the
/// frame; 0 for ICMP over IPv4, which has no pseudo-header.
fn pseudo_header_sum(row: &RawRow, len: usize, frame: &[u8]) -> u32 {
    let addresses = match row.ip_version {
        Family::V4 => 2 * 4,
        Family::V6 => 2 * 16,
    };
    match row.proto {
        ip_proto::ICMP => 0,
        proto => {
            let addresses = checksum::sum(&frame[frame.len() - addresses..]);
            addresses + u32::from(proto) + checksum::fold(len as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::OptionLayout;
    use crate::raw::Reason;
    use std::net::Ipv6Addr;

    /// A segment of 1.2.3.4 with a timestamps option and three bytes of payload.
    fn segment() -> (RawRow, OptionProfiles) {
        let mut profiles = OptionProfiles::new();
        let layout = OptionLayout::of(&[1, 1, 8, 10, 9, 9, 9, 9, 8, 8, 8, 8]);
        let row = RawRow {
            delta_t: 250,
            proto: ip_proto::TCP,
            src_ip: [1, 2, 3, 4].into(),
            dst_ip: [5, 6, 7, 8].into(),
            ttl: 57,
            dscp: 0x2e,
            ecn: 2,
            ip_flags: 2,
            payload_len: 3,
            tcp_sport: 443,
            tcp_dport: 51_000,
            tcp_seq: 0x0102_0304,
            tcp_ack: 9,
            tcp_flags: 0x118,
            tcp_window: 64_240,
            tcp_opt_profile: profiles.intern(layout),
            ..RawRow::default()
        };
        (row, profiles)
    }

    /// Sum over a packet's transport part and pseudo-header: all ones if the checksum is right.
    fn verify(data: &[u8], proto: u8) -> u32 {
        let (addresses, transport) = match data[14] >> 4 {
            4 => (&data[26..34], &data[34..]),
            _ => (&data[22..54], &data[54..]),
        };
        let pseudo = checksum::sum(addresses) + u32::from(proto) + transport.len() as u32;
        checksum::fold((pseudo + checksum::sum(transport)).into())
    }

    #[test]
    fn test_bytes_of_a_segment() {
        let (row, profiles) = segment();
        let mut renderer = Renderer::new(Payload::Zeros, Timestamp(1_000));
        let packet = renderer.render(&row, &profiles).unwrap();
        assert_eq!(packet.time, Timestamp(1_250));
        let (ip, tcp) = packet.data[14..].split_at(20);
        let sum = checksum::finish(checksum::sum(&[&ip[..10], &[0; 2], &ip[12..]].concat()));
        let [high, low] = sum.to_be_bytes();
        let fixed = [0x45, 0xba, 0, 55, 0, 0, 0x40, 0, 57, 6, high, low];
        assert_eq!(ip, [&fixed[..], &[1, 2, 3, 4, 5, 6, 7, 8]].concat());
        let fixed = [
            1, 187, 0xc7, 0x38, 1, 2, 3, 4, 0, 0, 0, 9, 0x81, 0x18, 0xfa, 0xf0,
        ];
        assert_eq!(tcp[..16], fixed);
        assert_eq!(
            tcp[18..],
            [0, 0, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(verify(packet.data, ip_proto::TCP), 0xffff);
    }

    #[test]
    fn test_without_payload_lengths_and_checksum_stay() {
        let (row, profiles) = segment();
        let mut whole = Renderer::new(Payload::Zeros, Timestamp(0));
        let whole = whole.render(&row, &profiles).unwrap();
        let mut cut = Renderer::new(Payload::Absent, Timestamp(0));
        let cut = cut.render(&row, &profiles).unwrap();
        assert_eq!(cut.wire_len, whole.wire_len);
        assert_eq!(cut.data, &whole.data[..whole.data.len() - 3]);
    }

    #[test]
    fn test_checksums_of_ipv6() {
        let profiles = OptionProfiles::new();
        let row = RawRow {
            ip_version: Family::V6,
            src_ip: Ipv6Addr::LOCALHOST.into(),
            dst_ip: Ipv6Addr::LOCALHOST.into(),
            payload_len: 5,
            icmp_type: 128,
            ..RawRow::default()
        };
        for proto in [ip_proto::TCP, ip_proto::UDP, ip_proto::ICMPV6] {
            let mut renderer = Renderer::new(Payload::Zeros, Timestamp(0));
            let packet = renderer
                .render(&RawRow { proto, ..row }, &profiles)
                .unwrap();
            assert_eq!(verify(packet.data, proto), 0xffff, "{proto}");
        }
    }

    #[test]
    fn test_body_of_an_icmp_error_is_cut() {
        let row = RawRow {
            proto: ip_proto::ICMP,
            icmp_type: 3,
            payload_len: 28,
            ..RawRow::default()
        };
        let mut renderer = Renderer::new(Payload::Zeros, Timestamp(0));
        let packet = renderer.render(&row, &OptionProfiles::new()).unwrap();
        assert_eq!((packet.data.len(), packet.wire_len), (42, 70));
        assert_eq!(checksum::sum(&packet.data[34..]), 0xffff);
    }

    #[test]
    fn test_invalid_row_leaves_no_trace() {
        let (row, profiles) = segment();
        let mut renderer = Renderer::new(Payload::Zeros, Timestamp(0));
        let wrong = RawRow { dscp: 64, ..row };
        let error = renderer.render(&wrong, &profiles).unwrap_err();
        assert_eq!(error.0[0].reason, Reason::OutOfRange);
        assert_eq!(
            renderer.render(&row, &profiles).unwrap().time,
            Timestamp(250)
        );
    }
}
