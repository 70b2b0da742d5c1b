//! Hosts of the output: which addresses and ports a new flow gets.

use std::net::IpAddr;
use std::sync::LazyLock;

use hashbrown::HashMap;

use super::endpoint::{Endpoint, Salt, group_mac, mac};
use super::five_tuple::{FiveTuple, Kind};
use super::legal::{Legalisation, Legalisations};
use crate::action::{Action, ActionSchema, Family, HostKind, Hosts, Proto, Services};
use crate::service::{self, Service};

/// Ports from which hosts open flows, in the order of use: 61440 to 65535, then 49152 to 61439. No
/// dissector of Wireshark 4.0 claims any of them.
static OPENER_PORTS: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let first = 61_440..=u16::MAX;
    let more = (49_152..61_440).filter(|port| !CLAIMED.contains(port));
    first.chain(more).collect()
});

/// Ports of dynamic range that dissectors of Wireshark 4.0 claim.
const CLAIMED: [u16; 18] = [
    49_999, 54_328, 56_000, 56_001, 56_500, 56_501, 57_000, 57_001, 57_032, 57_033, 57_500, 57_501,
    57_532, 57_533, 59_000, 59_001, 60_001, 60_002,
];

/// Ports of responders that are no service's, in the order of use: 37024 to 41119, which no
/// dissector of Wireshark 4.0 claims, then all others.
static RESPONDER_PORTS: LazyLock<[Vec<u16>; 2]> = LazyLock::new(|| {
    [Proto::Tcp, Proto::Udp].map(|proto| {
        let first = 37_024..=41_119u16;
        let others = (1..=u16::MAX).rev().filter(|port| !first.contains(port));
        let all = first.clone().chain(others);
        all.filter(|&port| service::of(proto, port).is_none())
            .collect()
    })
});

/// A host of the output.
struct Host {
    family: Family,
    /// How often the slot was taken by another host before.
    generation: u32,
    address: IpAddr,
    mac: [u8; 6],
    /// Number of ports that were used to open flows.
    ports_used: u32,
    /// Port from which the host opened its latest flow.
    last_port: Option<u16>,
    /// IPv4 identification of the host's latest packet.
    last_id: Option<u16>,
}

/// The hosts of the output, and the five-tuples of the flows in slots.
pub(super) struct HostTable {
    salt: Salt,
    schema: ActionSchema,
    slots: Vec<Option<Host>>,
    /// Slots of the flows by their five-tuples.
    taken: HashMap<FiveTuple, u32>,
}

impl HostTable {
    pub(super) fn new(salt: Salt, schema: ActionSchema) -> Self {
        Self {
            salt,
            schema,
            slots: Vec::new(),
            taken: HashMap::new(),
        }
    }

    /// IPv4 identification of the latest packet of the host in a slot.
    pub(super) fn last_id(&self, slot: Option<u16>) -> Option<u16> {
        self.host(slot?)?.last_id
    }

    /// Records the IPv4 identification of a packet of the host in a slot.
    pub(super) fn set_last_id(&mut self, slot: Option<u16>, id: u16) {
        if let Some(host) = slot.and_then(|slot| self.slots[usize::from(slot)].as_mut()) {
            host.last_id = Some(id);
        }
    }

    /// Address of the host in a slot.
    pub(super) fn address(&self, slot: u16) -> Option<IpAddr> {
        self.host(slot).map(|host| host.address)
    }

    fn host(&self, slot: u16) -> Option<&Host> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    /// Gives the five-tuple of a flow back whose slot another flow takes.
    pub(super) fn close(&mut self, tuple: &FiveTuple) {
        self.taken.remove(tuple);
    }

    /// The ends of a new flow, opener first, and the slot of the flow that had their five-tuple.
    ///
    /// That flow is over: it was silent for so long that the five-tuple came back as a new flow. A
    /// port that may be any is one with which no flow has the five-tuple.
    pub(super) fn open(
        &mut self,
        action: &Action,
        generation: u32,
        counts: &mut Legalisations,
    ) -> ([Endpoint; 2], Option<u32>) {
        let mut ends = match self.schema.hosts {
            Hosts::Flow => self.unlinked(action, generation),
            Hosts::Graph => self.linked(action, counts),
        };
        let kind = Kind::of(action);
        let is_fresh = self.set_ports(action, generation, &mut ends, counts);
        let mut tries = 0;
        while tries < OPENER_PORTS.len() as u32
            && self.taken.contains_key(&FiveTuple::new(kind, &ends))
        {
            tries += 1;
            if self.schema.hosts == Hosts::Flow {
                // Only flows with a group can collide: the others share no host.
                let ports = (ends[0].port, ends[1].port);
                ends = self.unlinked(action, generation ^ tries << 22);
                (ends[0].port, ends[1].port) = ports;
            } else if is_fresh {
                ends[0].port = self.next_port(action.orig_host);
            } else {
                break;
            }
        }
        let over = self
            .taken
            .insert(FiveTuple::new(kind, &ends), action.flow_token);
        if let (Hosts::Graph, Proto::Tcp | Proto::Udp) = (self.schema.hosts, action.proto)
            && let Some(host) = self.slots[usize::from(action.orig_host)].as_mut()
        {
            host.last_port = Some(ends[0].port);
        }
        (ends, over)
    }

    /// Ends that share no host with any other flow, but groups.
    fn unlinked(&self, action: &Action, generation: u32) -> [Endpoint; 2] {
        let numbers = self.salt.unlinked(action.flow_token, generation);
        let kinds = [action.orig_kind, action.resp_kind];
        [0, 1].map(|end| {
            let (number, port) = numbers[end];
            let family = action.ip_family;
            let kind = kinds[end].in_family(family == Family::V4).without_scope();
            let (address, mac) = if kind == HostKind::PRIVATE {
                (self.salt.address(family, number), mac(number))
            } else {
                let number = number & ((1 << 23) - 1);
                let address = self.salt.address_of_kind(family, kind, number);
                (address, mac_of(address, kind, number))
            };
            Endpoint {
                address,
                mac,
                port,
                host: None,
            }
        })
    }

    /// Ends at the hosts that the action names.
    fn linked(&mut self, action: &Action, counts: &mut Legalisations) -> [Endpoint; 2] {
        let family = action.ip_family;
        let mut end = |table: &mut Self, slot: u16, kind: HostKind, is_new: bool| {
            let held = table.host(slot);
            let is_known = held.is_some_and(|host| host.family == family);
            counts.add(Legalisation::Host, !is_new && !is_known);
            let (address, mac) = if is_new || !is_known {
                let legal = kind.in_family(family == Family::V4);
                counts.add(Legalisation::HostKind, legal != kind);
                table.renew(slot, family, legal)
            } else {
                let host = held.expect("the host is known");
                (host.address, host.mac)
            };
            Endpoint {
                address,
                mac,
                port: 0,
                host: Some(slot),
            }
        };
        let orig = end(
            self,
            action.orig_host,
            action.orig_kind,
            action.host_evt & 1 != 0,
        );
        let is_new = action.host_evt & 2 != 0;
        let resp = end(self, action.resp_host, action.resp_kind, is_new);
        // If both ends name one slot, the responder may have taken it anew.
        let orig = match self.host(action.orig_host) {
            Some(host) => Endpoint {
                address: host.address,
                mac: host.mac,
                ..orig
            },
            None => orig,
        };
        [orig, resp]
    }

    /// Puts a new host into a slot.
    fn renew(&mut self, slot: u16, family: Family, kind: HostKind) -> (IpAddr, [u8; 6]) {
        let place = usize::from(slot);
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, || None);
        }
        let before = self.slots[place].as_ref();
        let generation = before.map_or(0, |host| host.generation.wrapping_add(1));
        let number = self.salt.host_number(slot, generation);
        let address = self.salt.address_of_kind(family, kind, number);
        let mac = mac_of(address, kind, number);
        self.slots[place] = Some(Host {
            family,
            generation,
            address,
            mac,
            ports_used: 0,
            last_port: None,
            last_id: None,
        });
        (address, mac)
    }

    /// Sets the ports of a new flow; returns whether the opener's is one of many that it may have.
    fn set_ports(
        &mut self,
        action: &Action,
        generation: u32,
        ends: &mut [Endpoint; 2],
        counts: &mut Legalisations,
    ) -> bool {
        let is_graph = self.schema.hosts == Hosts::Graph;
        if is_graph {
            let [orig, resp] = self.salt.unlinked(action.flow_token, generation);
            (ends[0].port, ends[1].port) = (orig.1, resp.1);
        }
        let has_ports = matches!(action.proto, Proto::Tcp | Proto::Udp);
        let service = |number: u8| {
            let service = Service::of_number(number)?;
            (has_ports && service.runs_over(action.proto)).then(|| service::port(service))
        };
        let services = [service(action.orig_service), service(action.resp_service)];
        for (number, port) in [action.orig_service, action.resp_service]
            .into_iter()
            .zip(services)
        {
            counts.add(Legalisation::Service, number != 0 && port.is_none());
        }
        if let Some(port) = services[1] {
            ends[1].port = port;
        } else if is_graph && self.schema.services == Services::Class && has_ports {
            let ports = &RESPONDER_PORTS[usize::from(action.proto == Proto::Udp)];
            ends[1].port = ports[usize::from(action.resp_port) % ports.len()];
        }
        if let Some(port) = services[0] {
            ends[0].port = port;
            return false;
        }
        if !is_graph {
            return false;
        }
        let kept = self
            .host(action.orig_host)
            .and_then(|host| host.last_port)
            .filter(|_| action.orig_port_kept && has_ports);
        ends[0].port = kept.unwrap_or_else(|| self.next_port(action.orig_host));
        kept.is_none()
    }

    /// The next port from which the host in a slot opens a flow.
    fn next_port(&mut self, slot: u16) -> u16 {
        let salt = self.salt;
        let Some(host) = self.slots[usize::from(slot)].as_mut() else {
            return OPENER_PORTS[0];
        };
        let number = salt.host_number(slot, host.generation);
        let count = host.ports_used as usize;
        host.ports_used = host.ports_used.wrapping_add(1);
        // The first 4,096 ports start anywhere, so that hosts differ; the others follow.
        let place = match count % OPENER_PORTS.len() {
            place @ 0..4096 => (place + usize::from(salt.first_port(number))) % 4096,
            place => place,
        };
        OPENER_PORTS[place]
    }
}

fn mac_of(address: IpAddr, kind: HostKind, number: u32) -> [u8; 6] {
    if kind.is_group() {
        group_mac(address, kind)
    } else {
        mac(number)
    }
}
