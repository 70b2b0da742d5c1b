//! The identity of a flow.

use std::net::IpAddr;

use crate::wire::icmp::{self, QuotedPacket};
use crate::wire::{Headers, Transport, ip_proto};

/// Which of the two endpoints of a [`FlowKey`] sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orientation {
    /// The lower endpoint.
    #[default]
    FromLower,
    /// The higher endpoint.
    FromHigher,
}

/// An unordered five-tuple: equal for both directions.
///
/// ICMP echo messages have their identifier in place of a port. All other ICMP messages, and all
/// messages of any other protocol, belong to the pair of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    lower: (IpAddr, u16),
    higher: (IpAddr, u16),
    proto: u8,
    /// Whether the flow is ICMP echo; the other ICMP messages of two hosts are another flow.
    echo: bool,
}

impl FlowKey {
    /// The flow of a packet, and the endpoint that sent the packet.
    pub fn of(headers: &Headers<'_>) -> (Self, Orientation) {
        let (proto, source_port, destination_port, echo) = match headers.transport {
            Transport::Tcp(tcp) => (ip_proto::TCP, tcp.source_port, tcp.destination_port, false),
            Transport::Udp {
                source_port,
                destination_port,
            } => (ip_proto::UDP, source_port, destination_port, false),
            Transport::Icmp(message) => {
                let echo = icmp::is_echo(headers.family, message.icmp_type);
                let identifier = if echo { message.identifier } else { 0 };
                (ip_proto::icmp(headers.family), identifier, identifier, echo)
            }
            Transport::Other(proto) => (proto, 0, 0, false),
        };
        let source = (headers.source, source_port);
        let destination = (headers.destination, destination_port);
        Self::between(source, destination, proto, echo)
    }

    /// The flow of a packet that an ICMP error quotes, and the endpoint that sent the packet.
    pub fn of_quoted(packet: &QuotedPacket) -> (Self, Orientation) {
        let source = (packet.source, packet.ports[0]);
        let destination = (packet.destination, packet.ports[1]);
        let echo = matches!(packet.proto, ip_proto::ICMP | ip_proto::ICMPV6);
        Self::between(source, destination, packet.proto, echo)
    }

    fn between(
        source: (IpAddr, u16),
        destination: (IpAddr, u16),
        proto: u8,
        echo: bool,
    ) -> (Self, Orientation) {
        let (lower, higher, orientation) = if source <= destination {
            (source, destination, Orientation::FromLower)
        } else {
            (destination, source, Orientation::FromHigher)
        };
        (
            Self {
                lower,
                higher,
                proto,
                echo,
            },
            orientation,
        )
    }
}
