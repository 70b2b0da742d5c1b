//! State of the flow in a slot, as the compiler keeps it.

use super::endpoint::{Endpoint, Salt, mac};
use super::sender::Sender;
use crate::action::{Action, Direction, Family, FlowEvent, Proto};
use crate::pcap::Timestamp;
use crate::tcp::{Connection, SeqNumber};
use crate::wire::{checksum, icmp, ip_proto};

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

/// The flow in a slot.
pub(super) struct Flow {
    pub(super) kind: Kind,
    /// Endpoints, opener first.
    ends: [Endpoint; 2],
    addresses: [[u8; 16]; 2],
    /// Sum of the words of both addresses and the protocol number, for pseudo-headers (RFC 9293
    /// section 3.1, RFC 8200 section 8.1).
    address_sum: u32,
    isns: [SeqNumber; 2],
    pub(super) connection: Connection,
    /// TCP state of each end that only the compiler needs.
    pub(super) senders: [Sender; 2],
    pub(super) opened: Timestamp,
    /// Packets so far, which is the next IPv4 identification.
    packets: u16,
    /// Sequence number of the latest echo request.
    pub(super) echo_seq: u16,
}

impl Flow {
    /// The flow that a legal action starts; `None` if it continues the flow.
    pub(super) fn next(
        held: Option<&Flow>,
        action: &Action,
        generation: u32,
        salt: Salt,
        now: Timestamp,
    ) -> Option<Self> {
        let slot = action.flow_token;
        let ends = match (action.flow_evt, held) {
            (FlowEvent::Continue, _) => return None,
            (FlowEvent::Reopen, Some(held)) if action.dir == Direction::Resp => {
                [held.ends[1], held.ends[0]]
            }
            (FlowEvent::Reopen, Some(held)) => held.ends,
            _ => salt.endpoints(slot, generation),
        };
        let kind = Kind::of(action);
        let addresses = ends.map(|end| salt.address(kind.family, end.host));
        let isns = [Direction::Orig, Direction::Resp]
            .map(|dir| salt.initial_sequence_number(slot, generation, dir));
        Some(Self {
            kind,
            ends,
            addresses,
            address_sum: checksum::sum(&addresses[0])
                + checksum::sum(&addresses[1])
                + u32::from(kind.number),
            isns,
            connection: Connection::default(),
            senders: Default::default(),
            opened: now,
            packets: 0,
            echo_seq: 0,
        })
    }

    /// The initial sequence number of a direction.
    pub(super) fn isn(&self, dir: Direction) -> SeqNumber {
        self.isns[dir as usize]
    }

    /// Address bytes of the endpoint that sends in this direction.
    pub(super) fn address(&self, dir: Direction) -> &[u8] {
        let address = &self.addresses[dir as usize];
        match self.kind.family {
            Family::V4 => &address[..4],
            Family::V6 => address,
        }
    }

    /// Port of the endpoint that sends in this direction.
    pub(super) fn port(&self, dir: Direction) -> u16 {
        self.ends[dir as usize].port
    }

    /// Counts a packet; returns the count before it, which is the packet's identification.
    pub(super) fn count_packet(&mut self) -> u16 {
        let count = self.packets;
        self.packets = count.wrapping_add(1);
        count
    }

    /// Sum over the pseudo-header of a segment of this length; 0 for ICMP over IPv4, which has
    /// none.
    pub(super) fn pseudo_header_sum(&self, len: usize) -> u32 {
        match self.kind.number {
            ip_proto::ICMP => 0,
            _ => self.address_sum + checksum::fold(len as u64),
        }
    }

    /// MAC address of the endpoint that sends in this direction.
    pub(super) fn mac(&self, dir: Direction) -> [u8; 6] {
        mac(self.ends[dir as usize].host)
    }
}
