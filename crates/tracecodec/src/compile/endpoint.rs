//! Synthetic endpoints and initial sequence numbers: functions of salt, slot and generation alone.

use std::net::IpAddr;

use crate::action::{Direction, Family, HostKind};
use crate::tcp::SeqNumber;

/// Seed of the synthetic endpoints: equal salts give equal endpoints on every platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Salt(pub u64);

/// One end of a synthetic flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Address.
    pub(super) address: IpAddr,
    /// Ethernet address; of a group, the address that RFC 1112 and RFC 2464 assign to it.
    pub(super) mac: [u8; 6],
    /// TCP or UDP port, or identifier of ICMP echo messages.
    pub(super) port: u16,
    /// Slot of the host, if hosts are kept.
    pub(super) host: Option<u16>,
}

/// First port of openers: 61440 to 65535, none of which Wireshark 4.0 assigns to a dissector.
const OPENER_PORTS: u16 = 61440;

/// First port of responders: 37024 to 41119, none of which Wireshark 4.0 assigns to a dissector.
const RESPONDER_PORTS: u16 = 37024;

/// Low bits of a hash that choose the port within its range.
const PORT_MASK: u16 = 0xfff;

impl Salt {
    /// A well-mixed hash of the salt and a number (the finaliser of SplitMix64).
    pub(super) fn hash(self, number: u64) -> u64 {
        let mut x = number
            .wrapping_add(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Hosts and ports of a generation of a slot that share no host with any other flow, opener
    /// first.
    ///
    /// Slot and generation are permuted into two host numbers of 23 bits. This is a bijection for
    /// slots below 2^16 and generations below 2^30, and for any slot up to 2^22 generations, so
    /// that no two flows of a capture share a pair of hosts. Openers have an even and responders an
    /// odd top half of 10.0.0.0/8, so that the hosts of a pair are ordered.
    pub(super) fn unlinked(self, slot: u32, generation: u32) -> [(u32, u16); 2] {
        let high = slot >> 16 << 22;
        let number = u64::from(slot & 0xffff) << 30 | u64::from((generation ^ high) & 0x3fff_ffff);
        let (opener, responder) = self.permute(number, 23, 0);
        let ports = self.hash(number ^ 1 << 63);
        [
            (opener, OPENER_PORTS + (ports as u16 & PORT_MASK)),
            (
                1 << 23 | responder,
                RESPONDER_PORTS + ((ports >> 16) as u16 & PORT_MASK),
            ),
        ]
    }

    /// The number of a host in a slot for hosts: a bijection of slots and up to 64 generations to
    /// 22 bits.
    pub(super) fn host_number(self, slot: u16, generation: u32) -> u32 {
        let generation = generation & 0x3f;
        let (high, low) = self.permute(slot.into(), 8, 1 + u64::from(generation));
        generation << 16 | high << 8 | low
    }

    /// A permutation of the numbers of twice `half` bits: four rounds of a Feistel network.
    fn permute(self, number: u64, half: u32, network: u64) -> (u32, u32) {
        let mask = (1 << half) - 1;
        let (mut left, mut right) = ((number >> half) as u32 & mask, number as u32 & mask);
        for round in 1..=4u64 {
            let mixed = self.hash((network << 3 | round) << 32 | u64::from(right)) as u32 & mask;
            (left, right) = (right, left ^ mixed);
        }
        (left, right)
    }

    /// Initial sequence number of one direction of a generation of a slot.
    ///
    /// Between 2^24 and 2^30: Wireshark reads 0 as "unset", and a stream of up to 2 GiB never comes
    /// near 0 again.
    pub(super) fn initial_sequence_number(
        self,
        slot: u32,
        generation: u32,
        dir: Direction,
    ) -> SeqNumber {
        let number = 1 << 62
            | u64::from(slot & 0xffff) << 33 ^ u64::from(slot >> 16) << 50
            | u64::from(generation) << 1
            | dir as u64;
        SeqNumber((1 << 24) + (self.hash(number) % ((1 << 30) - (1 << 24))) as u32)
    }

    /// Address of a host of an unlinked flow: of 10.0.0.0/8, or of a /48 of fd00::/8 that the salt
    /// chooses.
    pub(super) fn address(self, family: Family, host: u32) -> IpAddr {
        let [_, a, b, c] = host.to_be_bytes();
        match family {
            Family::V4 => [10, a, b, c].into(),
            Family::V6 => {
                let [d, e, f, g, h, ..] = self.hash(1 << 61).to_be_bytes();
                [0xfd, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, a, b, c].into()
            }
        }
    }

    /// Address of a kind for a host with a number below 2^23. Different numbers give different
    /// addresses, but of a kind with a single address, and of IPv4 link-local and subnet broadcast
    /// addresses, of which there are 2^16.
    ///
    /// Public addresses are those that RFC 2544 and RFC 3849 reserve for tests and documentation:
    /// 198.18.0.0/15, then 240.0.0.0/8, and 2001:db8::/32.
    pub(super) fn address_of_kind(self, family: Family, kind: HostKind, number: u32) -> IpAddr {
        let is_v4 = family == Family::V4;
        if let Some(address) = kind.only_address(is_v4) {
            return address;
        }
        let [_, a, b, c] = number.to_be_bytes();
        if is_v4 {
            return match kind {
                HostKind::PUBLIC if number >> 17 == 0 => [198, 18 | a, b, c].into(),
                HostKind::PUBLIC => [240, a, b, c].into(),
                HostKind::LINK_LOCAL => [169, 254, b, c].into(),
                HostKind::LOOPBACK => [127, a, b, c].into(),
                HostKind::SUBNET_BROADCAST => [10, b, c, 255].into(),
                HostKind::MULTICAST => [239, a & 0x7f, b, c].into(),
                // No private address ends with 0 or 255.
                _ => {
                    let [_, a, b, _] = ((number / 254) << 8).to_be_bytes();
                    [10, a, b, 1 + (number % 254) as u8].into()
                }
            };
        }
        let end = u64::from(number);
        let groups = |first: u64, last: u64| {
            IpAddr::from((u128::from(first) << 64 | u128::from(last)).to_be_bytes())
        };
        match kind {
            HostKind::PUBLIC => groups(0x2001_0db8 << 32, end),
            HostKind::LINK_LOCAL => groups(0xfe80 << 48, end),
            HostKind::MULTICAST => groups(0xff15 << 48, end),
            HostKind::SOLICITED_NODE => groups(0xff02 << 48, 0x1_ff00_0000 | end),
            _ => self.address(family, number),
        }
    }

    /// A random number for an IPv4 identification.
    pub(super) fn identification(self, slot: u32, generation: u32, draw: u32) -> u16 {
        let number = u64::from(slot) << 40 ^ u64::from(generation) << 16 ^ u64::from(draw);
        self.hash(3 << 61 ^ number) as u16
    }

    /// Seed of the payload of a generation of a slot.
    pub(super) fn payload(self, slot: u32, generation: u32) -> u64 {
        self.hash(self.hash(7 << 59 ^ u64::from(slot)) ^ u64::from(generation))
    }

    /// Seed of the payload that belongs to a host.
    pub(super) fn payload_of_host(self, address: IpAddr) -> u64 {
        let bits = match address {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        self.hash(self.hash(9 << 59 ^ bits as u64) ^ (bits >> 64) as u64)
    }

    /// The place in a range of ports where a host starts to count, by the host's number.
    pub(super) fn first_port(self, number: u32) -> u16 {
        self.hash(5 << 60 ^ u64::from(number)) as u16 & PORT_MASK
    }
}

/// A locally administered MAC address for a host.
pub(super) fn mac(host: u32) -> [u8; 6] {
    let [_, a, b, c] = host.to_be_bytes();
    [0x02, b'T', b'C', a, b, c]
}

/// The Ethernet address of a group: RFC 1112 section 6.4, RFC 2464 section 7.
pub(super) fn group_mac(address: IpAddr, kind: HostKind) -> [u8; 6] {
    match address {
        IpAddr::V4(_) if matches!(kind, HostKind::BROADCAST | HostKind::SUBNET_BROADCAST) => {
            [0xff; 6]
        }
        IpAddr::V4(address) => {
            let [_, a, b, c] = address.octets();
            [0x01, 0x00, 0x5e, a & 0x7f, b, c]
        }
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            [0x33, 0x33, a, b, c, d]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn test_endpoints_are_the_same_everywhere() {
        let ends = Salt(0).unlinked(0, 0);
        assert_eq!(ends, [(1014507, 62427), (11114326, 37705)]);
    }

    #[test]
    fn test_no_two_flows_share_a_pair_of_hosts() {
        let mut seen = HashSet::new();
        for slot in (0..200).chain(1 << 20..(1 << 20) + 200) {
            for generation in 0..200 {
                let [orig, resp] = Salt(7).unlinked(slot, generation);
                assert!(seen.insert((orig.0, resp.0)));
            }
        }
    }

    #[test]
    fn test_synthetic_addresses_are_of_their_kind() {
        for family in [Family::V4, Family::V6] {
            for kind in 0..32 {
                let kind = HostKind(kind).in_family(family == Family::V4);
                let mut seen = HashSet::new();
                for slot in 0..2000 {
                    let number = Salt(3).host_number(slot, 0);
                    let address = Salt(3).address_of_kind(family, kind, number);
                    assert_eq!(HostKind::of(address), kind, "{address}");
                    seen.insert(address);
                }
                let has_one = kind.only_address(family == Family::V4).is_some();
                let is_short = matches!(kind, HostKind::LINK_LOCAL | HostKind::SUBNET_BROADCAST);
                assert!(is_short || seen.len() == if has_one { 1 } else { 2000 });
            }
        }
    }

    proptest! {
        #[test]
        fn test_endpoints_stay_in_their_ranges(salt in any::<u64>(), slot in 0u32..1 << 24, generation in any::<u32>()) {
            let [orig, resp] = Salt(salt).unlinked(slot, generation);
            prop_assert!(orig.0 < 1 << 23 && (1 << 23..1 << 24).contains(&resp.0));
            prop_assert!(orig.1 >= 61440 && (37024..=41119).contains(&resp.1));
            let isn = Salt(salt).initial_sequence_number(slot, generation, Direction::Resp).0;
            prop_assert!((1 << 24..1 << 30).contains(&isn));
        }
    }
}
