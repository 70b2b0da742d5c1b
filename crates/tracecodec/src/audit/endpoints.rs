//! Address fields of packets: IP, Ethernet, ARP.

use std::net::IpAddr;

use crate::action::HostKind;
use crate::pcap::{LinkType, Packet};
use crate::wire::link;

/// The value of an address field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// An IP address.
    Address(IpAddr),
    /// An Ethernet address.
    Mac([u8; 6]),
}

/// Passes every address field that identifies a host to `each`, with its offset in the packet.
pub(super) fn fields(packet: &Packet<'_>, mut each: impl FnMut(usize, Field)) {
    let data = packet.data;
    let mut mac = |at: usize| {
        let mac = data.get(at..).and_then(<[u8]>::first_chunk::<6>);
        if let Some(mac) = mac.filter(|mac| is_station(mac)) {
            each(at, Field::Mac(*mac));
        }
    };
    let is_ethernet = packet.link == LinkType::ETHERNET;
    let is_arp = is_ethernet && data.get(12..20) == Some(&[8, 6, 0, 1, 8, 0, 6, 4]);
    match packet.link {
        LinkType::ETHERNET => [0, 6].into_iter().for_each(&mut mac),
        LinkType::LINUX_SLL if data.get(4..6) == Some(&[0, 6]) => mac(6),
        LinkType::LINUX_SLL2 if data.get(11) == Some(&6) => mac(12),
        _ => {}
    }
    if is_arp {
        [22, 32].into_iter().for_each(&mut mac);
    }
    let mut address = |at: usize, len: usize| {
        let bytes = data.get(at..at + len);
        let address = bytes.and_then(|bytes| match len {
            4 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
            _ => bytes.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        });
        if let Some(address) = address.filter(|address| is_identifier(*address)) {
            each(at, Field::Address(address));
        }
    };
    if is_arp {
        [28, 38].into_iter().for_each(|at| address(at, 4));
    } else if let Ok(place) = link::find_ip(packet.link, data) {
        let (first, len) = match data[place.offset] >> 4 {
            4 => (12, 4),
            _ => (8, 16),
        };
        [first, first + len]
            .into_iter()
            .for_each(|at| address(place.offset + at, len));
    }
}

/// Whether an address is of one host or one group: not unspecified, loopback, broadcast, or a
/// well-known group.
pub fn is_identifier(address: IpAddr) -> bool {
    let kind = HostKind::of(address);
    let is_this_network = matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 0);
    kind.only_address(address.is_ipv4()).is_none() && kind != HostKind::LOOPBACK && !is_this_network
}

/// Whether an Ethernet address is of one station.
fn is_station(mac: &[u8; 6]) -> bool {
    mac[0] & 1 == 0 && mac.iter().any(|byte| *byte != 0)
}

/// The network of an address as the class from which synthetic addresses are drawn, and its size.
pub(super) fn net(address: IpAddr) -> (u64, f64) {
    match address {
        IpAddr::V4(address) => ((address.to_bits() >> 16).into(), 65_536.0),
        IpAddr::V6(address) => ((address.to_bits() >> 64) as u64, f64::from(1 << 22)),
    }
}
