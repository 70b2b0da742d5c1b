//! What identifies a flow of the output.

use std::net::IpAddr;

use super::endpoint::Endpoint;
use crate::action::{Action, Family, Proto};
use crate::wire::{icmp, ip_proto};

/// What all packets of a flow share, apart from endpoints. If a packet of a slot differs in it, the
/// slot holds another flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) proto: Proto,
    pub(super) family: Family,
    /// IP protocol number.
    pub(super) number: u8,
    /// Whether the flow is ICMP echo, whose messages are a flow of their own.
    pub(super) echo: bool,
}

impl Kind {
    pub(super) fn of(action: &Action) -> Self {
        let number = match (action.proto, action.ip_family) {
            (Proto::Tcp, _) => ip_proto::TCP,
            (Proto::Udp, _) => ip_proto::UDP,
            (Proto::Icmp, family) => ip_proto::icmp(family),
            (Proto::Other, _) => action.ip_proto,
        };
        let echo = action.proto == Proto::Icmp && icmp::is_echo(action.ip_family, action.icmp_type);
        Self {
            proto: action.proto,
            family: action.ip_family,
            number,
            echo,
        }
    }
}

/// An unordered five-tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FiveTuple {
    ends: [(IpAddr, u16); 2],
    number: u8,
    echo: bool,
}

impl FiveTuple {
    /// The five-tuple of a flow of this kind between two ends. Flows without ports have one
    /// identifier, or nothing, in place of the ports.
    pub(super) fn new(kind: Kind, ends: &[Endpoint; 2]) -> Self {
        let ports = match kind.proto {
            Proto::Tcp | Proto::Udp => [ends[0].port, ends[1].port],
            Proto::Icmp if kind.echo => [ends[0].port; 2],
            Proto::Icmp | Proto::Other => [0; 2],
        };
        let mut ends = [(ends[0].address, ports[0]), (ends[1].address, ports[1])];
        ends.sort_unstable();
        Self {
            ends,
            number: kind.number,
            echo: kind.echo,
        }
    }
}
