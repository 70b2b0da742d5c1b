//! ICMP and ICMPv6 messages of the output.

use std::net::IpAddr;

use super::flow::Flow;
use super::icmpv6;
use super::message::Message;
use super::payload::Source;
use crate::action::{Action, Direction, Family, Proto};
use crate::tcp::flags;
use crate::wire::field::{icmp as field, tcp, udp};
use crate::wire::icmp::{self, Parameter};
use crate::wire::{IPV4_HEADER, SHORT_HEADER, TCP_HEADER, checksum, ip_proto};

/// What an ICMP error complains of.
#[derive(Default)]
pub(super) struct Cause {
    /// The packet of a live flow that the error quotes.
    pub(super) packet: Option<Message>,
    /// The four bytes between checksum and body.
    pub(super) parameter: [u8; 4],
}

/// The latest packet that one end of a flow sent, without its payload; `None` if the message cannot
/// quote it.
pub(super) fn quoted(action: &Action, flow: &Flow, sender: Direction) -> Option<Message> {
    let family = action.ip_family;
    if !icmp::is_error(family, action.icmp_type) || flow.kind.family != family {
        return None;
    }
    let (source, destination) = (flow.address(sender), flow.address(sender.reverse()));
    let ports = [flow.port(sender), flow.port(sender.reverse())];
    let mut header = [0; TCP_HEADER];
    header[udp::SOURCE_PORT].copy_from_slice(&ports[0].to_be_bytes());
    header[udp::DESTINATION_PORT].copy_from_slice(&ports[1].to_be_bytes());
    let sum = checksum::sum(&source) + checksum::sum(&destination);
    let header = match flow.kind.proto {
        Proto::Tcp => {
            let next = |dir| flow.connection.next(dir).unwrap_or(flow.isn(dir)).0;
            header[tcp::SEQ].copy_from_slice(&next(sender).to_be_bytes());
            header[tcp::ACK].copy_from_slice(&next(sender.reverse()).to_be_bytes());
            let offset_and_flags = 5 << 12 | flags::ACK;
            header[tcp::OFFSET_AND_FLAGS].copy_from_slice(&offset_and_flags.to_be_bytes());
            let sum = sum + u32::from(ip_proto::TCP) + TCP_HEADER as u32;
            let sum = sum + checksum::sum(&header);
            checksum::put(&mut header, tcp::CHECKSUM, sum);
            &header[..]
        }
        Proto::Udp => {
            write_empty_datagram(&mut header[..SHORT_HEADER], sum);
            &header[..SHORT_HEADER]
        }
        Proto::Icmp if flow.kind.echo => {
            let identifier = flow.port(Direction::Orig).to_be_bytes();
            header.fill(0);
            header[field::TYPE] = icmp::echo_type(family, sender == Direction::Orig);
            header[field::IDENTIFIER].copy_from_slice(&identifier);
            header[field::SEQUENCE_NUMBER].copy_from_slice(&flow.echo_seq.to_be_bytes());
            let pseudo = match family {
                Family::V4 => 0,
                Family::V6 => sum + u32::from(ip_proto::ICMPV6) + SHORT_HEADER as u32,
            };
            let sum = pseudo + checksum::sum(&header);
            checksum::put(&mut header, field::CHECKSUM, sum);
            &header[..SHORT_HEADER]
        }
        Proto::Icmp | Proto::Other => return None,
    };
    let number = flow.kind.number;
    Some(packet(family, number, [&source, &destination], header))
}

/// A UDP datagram without data from the receiver of an error to its sender, in place of a
/// packet of no live flow.
fn quoted_of_no_flow(action: &Action, flow: &Flow) -> Message {
    let dir = action.role();
    let (source, destination) = (flow.address(dir.reverse()), flow.address(dir));
    let mut start = [0; SHORT_HEADER];
    start[udp::SOURCE_PORT].copy_from_slice(&flow.port(dir.reverse()).to_be_bytes());
    start[udp::DESTINATION_PORT].copy_from_slice(&flow.port(dir).to_be_bytes());
    let pseudo = checksum::sum(&source) + checksum::sum(&destination);
    write_empty_datagram(&mut start, pseudo);
    let ends = [&*source, &*destination];
    packet(action.ip_family, ip_proto::UDP, ends, &start)
}

/// An IP packet.
fn packet(
    family: Family,
    number: u8,
    [source, destination]: [&[u8]; 2],
    transport: &[u8],
) -> Message {
    let mut packet = Message::default();
    match family {
        Family::V4 => {
            let total_len = (IPV4_HEADER + transport.len()) as u8;
            let mut header = [0; IPV4_HEADER];
            header[..12].copy_from_slice(&[0x45, 0, 0, total_len, 0, 0, 0x40, 0, 64, number, 0, 0]);
            header[12..16].copy_from_slice(source);
            header[16..].copy_from_slice(destination);
            let field = checksum::finish(checksum::sum(&header));
            header[10..12].copy_from_slice(&field.to_be_bytes());
            packet.put(&header);
        }
        Family::V6 => {
            packet.put(&[0x60, 0, 0, 0, 0, transport.len() as u8, number, 64]);
            packet.put(source);
            packet.put(destination);
        }
    }
    packet.put(transport);
    packet
}

/// Writes length and checksum of a UDP datagram without data.
fn write_empty_datagram(header: &mut [u8], address_sum: u32) {
    header[udp::LENGTH].copy_from_slice(&(SHORT_HEADER as u16).to_be_bytes());
    let sum = address_sum + u32::from(ip_proto::UDP) + 8 + checksum::sum(header);
    checksum::put(header, udp::CHECKSUM, sum);
}

/// The four bytes of a message's parameter, given the addresses of host slots; `None` if the
/// message has no such parameter.
pub(super) fn parameter(
    action: &Action,
    address: impl Fn(u16) -> Option<IpAddr>,
) -> Option<[u8; 4]> {
    let family = action.ip_family;
    let [high, low] = action.icmp_param.to_be_bytes();
    match (
        Parameter::of(family, action.icmp_type, action.icmp_code)?,
        family,
    ) {
        (Parameter::Gateway, _) => match address(action.icmp_param.checked_sub(1)?)? {
            IpAddr::V4(address) => Some(address.octets()),
            IpAddr::V6(_) => None,
        },
        (Parameter::Pointer, Family::V4) => (high == 0).then_some([low, 0, 0, 0]),
        (Parameter::Mtu | Parameter::Pointer, _) => Some([0, 0, high, low]),
    }
}

/// Writes the eight bytes that all messages share, with the checksum as 0. Returns the body and its
/// captured length. Echo messages carry synthetic data, errors quote the packet that caused them or
/// a synthetic datagram. The body of any other message over IPv4 is cut, since invented bytes would
/// be malformed there.
pub(super) fn emit(
    action: &Action,
    flow: &mut Flow,
    cause: &Cause,
    header: &mut [u8],
) -> (Source, usize) {
    header[field::TYPE] = action.icmp_type;
    header[field::CODE] = action.icmp_code;
    let body_len = action.l4_payload_len as usize;
    if icmp::is_echo(action.ip_family, action.icmp_type) {
        if icmp::is_echo_request(action.ip_family, action.icmp_type) {
            flow.echo_seq = flow.echo_seq.wrapping_add(1);
        }
        header[field::IDENTIFIER].copy_from_slice(&flow.port(Direction::Orig).to_be_bytes());
        header[field::SEQUENCE_NUMBER].copy_from_slice(&flow.echo_seq.to_be_bytes());
        (Source::Stream(0), body_len)
    } else if icmp::is_error(action.ip_family, action.icmp_type) {
        header[field::IDENTIFIER.start..field::SEQUENCE_NUMBER.end]
            .copy_from_slice(&cause.parameter);
        let packet = cause.packet;
        let packet = packet.unwrap_or_else(|| quoted_of_no_flow(action, flow));
        (Source::Message(packet), body_len)
    } else if action.ip_family == Family::V6 {
        let (body, captured) = icmpv6::emit(action, flow, header);
        (Source::Message(body), captured)
    } else {
        (Source::Message(Message::default()), 0)
    }
}
