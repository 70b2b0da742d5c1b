//! Hosts: the addresses of a trace, each in a slot of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::action::Proto;

/// Number of slots for hosts.
const SLOTS: usize = 1 << 16;

/// What is known of a host.
#[derive(Debug, Default)]
pub struct Host {
    /// Port from which the host opened its latest flow.
    pub last_port: Option<u16>,
    /// IPv4 identification of the host's latest packet.
    pub last_id: Option<u16>,
    /// Numbers of the ports at which the host answered, in order of first use, TCP and UDP apart.
    ports: [HashMap<u16, u16>; 2],
}

impl Host {
    /// Number of a port of the host among its ports of this protocol, in order of first use.
    pub fn port_number(&mut self, proto: Proto, port: u16) -> u16 {
        let ports = &mut self.ports[usize::from(proto == Proto::Udp)];
        let next = ports.len() as u16;
        *ports.entry(port).or_insert(next)
    }
}

struct Slot {
    address: IpAddr,
    /// Number of the latest flow with the host at an end.
    last_flow: u64,
    host: Host,
}

/// The hosts met so far. A host keeps its slot for the whole trace, unless all slots are taken:
/// then the host with which no flow was opened for longest loses its slot (an eviction), and is a
/// new host if it comes back.
#[derive(Default)]
pub struct HostTable {
    index: HashMap<IpAddr, u16>,
    slots: Vec<Slot>,
    /// Each slot once, keyed by the number of one of its flows. If that flow is not the slot's
    /// latest, the slot is still to be moved back.
    unused_longest: BinaryHeap<Reverse<(u64, u16)>>,
    flows: u64,
    evictions: u64,
}

impl HostTable {
    /// Finds the slot of an end of a new flow, or assigns one; returns whether the host is new.
    pub fn place(&mut self, address: IpAddr) -> (u16, bool) {
        self.flows += 1;
        if let Some(&slot) = self.index.get(&address) {
            self.slots[usize::from(slot)].last_flow = self.flows;
            return (slot, false);
        }
        let placed = Slot {
            address,
            last_flow: self.flows,
            host: Host::default(),
        };
        let slot = if self.slots.len() < SLOTS {
            self.slots.push(placed);
            (self.slots.len() - 1) as u16
        } else {
            let slot = self.evict();
            self.slots[usize::from(slot)] = placed;
            slot
        };
        self.unused_longest.push(Reverse((self.flows, slot)));
        self.index.insert(address, slot);
        (slot, true)
    }

    /// The slot of a host, if it was met.
    pub fn find(&self, address: IpAddr) -> Option<u16> {
        self.index.get(&address).copied()
    }

    /// The host in a slot that was assigned.
    pub fn host(&mut self, slot: u16) -> &mut Host {
        &mut self.slots[usize::from(slot)].host
    }

    /// Hosts that lost their slot because all slots were taken.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Number of slots assigned.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Takes the slot of the host that was unused for longest.
    fn evict(&mut self) -> u16 {
        loop {
            let oldest = self.unused_longest.pop().expect("every slot is listed");
            let Reverse((flow, slot)) = oldest;
            let held = &self.slots[usize::from(slot)];
            if flow == held.last_flow {
                self.index.remove(&held.address);
                self.evictions += 1;
                return slot;
            }
            self.unused_longest.push(Reverse((held.last_flow, slot)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn test_hosts_keep_their_slots() {
        let mut table = HostTable::default();
        assert_eq!(table.place(address(7)), (0, true));
        assert_eq!(table.place(address(9)), (1, true));
        assert_eq!(table.place(address(7)), (0, false));
        assert_eq!(table.find(address(9)), Some(1));
    }

    #[test]
    fn test_full_table_evicts_the_host_unused_for_longest() {
        let mut table = HostTable::default();
        for number in 0..SLOTS as u32 {
            table.place(address(number));
        }
        table.place(address(0));
        assert_eq!(table.place(address(70_000)), (1, true));
        assert_eq!(table.place(address(0)), (0, false));
        assert_eq!(table.place(address(1)), (2, true));
        assert_eq!(table.evictions(), 2);
    }

    #[test]
    fn test_ports_are_numbered_in_order_of_first_use() {
        let mut host = Host::default();
        assert_eq!(host.port_number(Proto::Tcp, 4000), 0);
        assert_eq!(host.port_number(Proto::Tcp, 22222), 1);
        assert_eq!(host.port_number(Proto::Udp, 22222), 0);
        assert_eq!(host.port_number(Proto::Tcp, 4000), 0);
    }
}
