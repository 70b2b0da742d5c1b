//! ICMP and ICMPv6 messages of the output.

use super::flow::Flow;
use super::payload::Source;
use crate::action::{Action, Direction, Family};
use crate::wire::field::{icmp as field, udp};
use crate::wire::{IPV4_HEADER, IPV6_HEADER, SHORT_HEADER, checksum, icmp, ip_proto};

/// Writes the eight bytes that all messages share, with the checksum as 0. Returns the body and its
/// captured length. Echo messages carry synthetic data, errors quote a synthetic datagram. The body
/// of any other message is cut, since invented bytes would be malformed there.
pub(super) fn emit(action: &Action, flow: &mut Flow, header: &mut [u8]) -> (Source, usize) {
    header[field::TYPE] = action.icmp_type;
    header[field::CODE] = action.icmp_code;
    let body_len = usize::from(action.l4_payload_len);
    if icmp::is_echo(action.ip_family, action.icmp_type) {
        if icmp::is_echo_request(action.ip_family, action.icmp_type) {
            flow.echo_seq = flow.echo_seq.wrapping_add(1);
        }
        header[field::IDENTIFIER].copy_from_slice(&flow.port(Direction::Orig).to_be_bytes());
        header[field::SEQUENCE_NUMBER].copy_from_slice(&flow.echo_seq.to_be_bytes());
        (Source::Stream(0), body_len)
    } else if icmp::is_error(action.ip_family, action.icmp_type) {
        (quote(action, flow), body_len)
    } else {
        (Source::Quote([0; 48], 0), 0)
    }
}

/// Quotes a UDP datagram without data, from the receiver of the error to its sender.
fn quote(action: &Action, flow: &Flow) -> Source {
    let dir = action.role();
    let (source, destination) = (flow.address(dir.reverse()), flow.address(dir));
    let mut bytes = [0; 48];
    let header_len = match action.ip_family {
        Family::V4 => {
            bytes[..12].copy_from_slice(&[0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, ip_proto::UDP, 0, 0]);
            bytes[12..16].copy_from_slice(source);
            bytes[16..IPV4_HEADER].copy_from_slice(destination);
            let field = checksum::finish(checksum::sum(&bytes[..IPV4_HEADER]));
            bytes[10..12].copy_from_slice(&field.to_be_bytes());
            IPV4_HEADER
        }
        Family::V6 => {
            bytes[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 8, ip_proto::UDP, 64]);
            bytes[8..24].copy_from_slice(source);
            bytes[24..IPV6_HEADER].copy_from_slice(destination);
            IPV6_HEADER
        }
    };
    let end = header_len + SHORT_HEADER;
    let header = &mut bytes[header_len..end];
    header[udp::SOURCE_PORT].copy_from_slice(&flow.port(dir.reverse()).to_be_bytes());
    header[udp::DESTINATION_PORT].copy_from_slice(&flow.port(dir).to_be_bytes());
    header[udp::LENGTH].copy_from_slice(&(SHORT_HEADER as u16).to_be_bytes());
    let pseudo = checksum::sum(source) + checksum::sum(destination) + u32::from(ip_proto::UDP) + 8;
    let sum = pseudo + checksum::sum(header);
    checksum::put(header, udp::CHECKSUM, sum);
    Source::Quote(bytes, end)
}
