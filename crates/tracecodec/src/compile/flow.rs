//! State of the flow in a slot, as the compiler keeps it.

use std::net::IpAddr;
use std::ops::Deref;

use super::endpoint::{Endpoint, Salt};
use super::five_tuple::{FiveTuple, Kind};
use super::payload::{Host, Seed, Shape};
use super::sender::Sender;
use crate::action::{Action, Direction};
use crate::pcap::Timestamp;
use crate::service::{self, Service};
use crate::tcp::{Connection, SeqNumber};
use crate::wire::{Identifications, checksum, ip_proto};

/// The flow in a slot.
pub(super) struct Flow {
    pub(super) kind: Kind,
    /// Slot, and how often it was opened before.
    place: (u32, u32),
    /// Endpoints, opener first.
    pub(super) ends: [Endpoint; 2],
    /// Sum of the words of both addresses and the protocol number, for pseudo-headers (RFC 9293
    /// section 3.1, RFC 8200 section 8.1).
    address_sum: u32,
    isns: [SeqNumber; 2],
    pub(super) connection: Connection,
    /// TCP state of each end that only the compiler needs.
    pub(super) senders: [Sender; 2],
    pub(super) opened: Timestamp,
    /// What the payload is shaped as.
    pub(super) shape: Option<Box<Shape>>,
    /// IPv4 identifications of each direction.
    ids: [Identifications; 2],
    /// Packets so far.
    packets: u32,
    /// Sequence number of the latest echo request.
    pub(super) echo_seq: u16,
}

impl Flow {
    /// A flow that starts now between two ends in a slot that was opened so often before.
    pub(super) fn new(
        kind: Kind,
        place: (u32, u32),
        ends: [Endpoint; 2],
        salt: Salt,
        now: Timestamp,
    ) -> Self {
        let isns = [Direction::Orig, Direction::Resp]
            .map(|dir| salt.initial_sequence_number(place.0, place.1, dir));
        let mut flow = Self {
            kind,
            place,
            ends,
            address_sum: 0,
            isns,
            connection: Connection::default(),
            senders: Default::default(),
            opened: now,
            shape: None,
            ids: Default::default(),
            packets: 0,
            echo_seq: 0,
        };
        let sums = [Direction::Orig, Direction::Resp].map(|dir| flow.address(dir).sum());
        flow.address_sum = sums[0] + sums[1] + u32::from(kind.number);
        flow
    }

    /// Forgets what was sent, as if the next packet were the first between these ends.
    pub(super) fn forget(&mut self) {
        self.connection = Connection::default();
        self.senders = Default::default();
        self.ids = Default::default();
        self.echo_seq = 0;
    }

    /// The five-tuple of the flow.
    pub(super) fn five_tuple(&self) -> FiveTuple {
        FiveTuple::new(self.kind, &self.ends)
    }

    /// The service of the flow: that of the responder's port, or else of the opener's. No port that
    /// is chosen freely is one of a service.
    pub(super) fn service(&self) -> Option<Service> {
        let [orig, resp] = self.services();
        resp.or(orig)
    }

    /// The services at the ports of the ends.
    fn services(&self) -> [Option<Service>; 2] {
        self.ends.map(|end| service::of(self.kind.proto, end.port))
    }

    /// What the payload of the flow is shaped as, if its service has a shape.
    pub(super) fn new_shape(&self, salt: Salt) -> Option<Box<Shape>> {
        let (slot, generation) = self.place;
        let flow = Seed(salt.payload(slot, generation));
        let hosts = self.ends.map(|end| Host {
            seed: Seed(salt.payload_of_host(end.address)),
            ipv4: match end.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            },
        });
        Shape::new(self.kind.proto, self.services(), flow, hosts).map(Box::new)
    }

    /// The ends of the connection that a SYN in this direction starts under the same five-tuple.
    pub(super) fn reopened_ends(&self, dir: Direction) -> [Endpoint; 2] {
        let [orig, resp] = self.ends;
        match dir {
            Direction::Orig => [orig, resp],
            Direction::Resp => [resp, orig],
        }
    }

    /// The initial sequence number of a direction.
    pub(super) fn isn(&self, dir: Direction) -> SeqNumber {
        self.isns[dir as usize]
    }

    /// Address bytes of the endpoint that sends in this direction.
    pub(super) fn address(&self, dir: Direction) -> AddressBytes {
        AddressBytes::of(self.ends[dir as usize].address)
    }

    /// Port of the endpoint that sends in this direction.
    pub(super) fn port(&self, dir: Direction) -> u16 {
        self.ends[dir as usize].port
    }

    /// Host slot of the endpoint that sends in this direction.
    pub(super) fn host(&self, dir: Direction) -> Option<u16> {
        self.ends[dir as usize].host
    }

    /// Counts a packet in the direction of an action; returns the packet's IPv4 identification.
    /// `host_last` is the identification of the latest packet of its host.
    pub(super) fn identify(&mut self, action: &Action, salt: Salt, host_last: Option<u16>) -> u16 {
        let (slot, generation) = self.place;
        let mut draws = self.packets << 4;
        let draw = || {
            draws += 1;
            salt.identification(slot, generation, draws)
        };
        let ids = &mut self.ids[action.role() as usize];
        let id = ids.next(action.ip_id, host_last, self.packets as u16, draw);
        self.packets = self.packets.wrapping_add(1);
        id
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
        self.ends[dir as usize].mac
    }
}

/// The bytes of an address.
pub(super) enum AddressBytes {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl AddressBytes {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }

    fn sum(&self) -> u32 {
        checksum::sum(self)
    }
}

impl Deref for AddressBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }
}
