//! Synthetic endpoints and initial sequence numbers: functions of salt, slot and generation alone.

use crate::action::{Direction, Family};
use crate::tcp::SeqNumber;

/// Seed of the synthetic endpoints: equal salts give equal endpoints on every platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Salt(pub u64);

/// One end of a synthetic flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Endpoint {
    /// 24-bit number of the host, unique to the flow.
    pub(super) host: u32,
    /// TCP or UDP port.
    pub(super) port: u16,
}

/// First port of openers: 61440 to 65535, none of which Wireshark 4.0 assigns to a dissector.
const OPENER_PORTS: u16 = 61440;

/// First port of responders: 37024 to 41119, none of which Wireshark 4.0 assigns to a dissector.
const RESPONDER_PORTS: u16 = 37024;

/// Low bits of a hash that choose the port within its range.
const PORT_MASK: u16 = 0xfff;

impl Salt {
    /// A well-mixed hash of the salt and a number (the finaliser of SplitMix64).
    fn hash(self, number: u64) -> u64 {
        let mut x = number
            .wrapping_add(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// The endpoints of a generation of a slot, opener first.
    ///
    /// Slot and generation are permuted into two host numbers of 23 bits. This is a bijection, so
    /// that no two flows of a capture share a pair of hosts. Openers have an even and responders an
    /// odd top half of 10.0.0.0/8, so that the hosts of a pair are ordered.
    pub(super) fn endpoints(self, slot: u16, generation: u32) -> [Endpoint; 2] {
        let number = u64::from(slot) << 30 | u64::from(generation & 0x3fff_ffff);
        let (opener, responder) = self.permute(number);
        let ports = self.hash(number ^ 1 << 63);
        [
            Endpoint {
                host: opener,
                port: OPENER_PORTS + (ports as u16 & PORT_MASK),
            },
            Endpoint {
                host: 1 << 23 | responder,
                port: RESPONDER_PORTS + ((ports >> 16) as u16 & PORT_MASK),
            },
        ]
    }

    /// A permutation of the 46-bit numbers: four rounds of a Feistel network.
    fn permute(self, number: u64) -> (u32, u32) {
        const HALF: u32 = (1 << 23) - 1;
        let (mut left, mut right) = ((number >> 23) as u32 & HALF, number as u32 & HALF);
        for round in 1..=4u64 {
            let mixed = self.hash(round << 32 | u64::from(right)) as u32 & HALF;
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
        slot: u16,
        generation: u32,
        dir: Direction,
    ) -> SeqNumber {
        let number = 1 << 62 | u64::from(slot) << 33 | u64::from(generation) << 1 | dir as u64;
        SeqNumber((1 << 24) + (self.hash(number) % ((1 << 30) - (1 << 24))) as u32)
    }

    /// The 16 address bytes of a host (the first four for IPv4): 10.0.0.0/8, or a /48 of fd00::/8
    /// that the salt chooses.
    pub(super) fn address(self, family: Family, host: u32) -> [u8; 16] {
        let [_, a, b, c] = host.to_be_bytes();
        match family {
            Family::V4 => [10, a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Family::V6 => {
                let [d, e, f, g, h, ..] = self.hash(1 << 61).to_be_bytes();
                [0xfd, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, a, b, c]
            }
        }
    }
}

/// A locally administered MAC address for a host.
pub(super) fn mac(host: u32) -> [u8; 6] {
    let [_, a, b, c] = host.to_be_bytes();
    [0x02, b'T', b'C', a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn test_endpoints_are_the_same_everywhere() {
        let [orig, resp] = Salt(0).endpoints(0, 0);
        assert_eq!(
            (orig.host, orig.port, resp.host, resp.port),
            (1014507, 62427, 11114326, 37705)
        );
    }

    #[test]
    fn test_no_two_flows_share_a_pair_of_hosts() {
        let mut seen = HashSet::new();
        for slot in 0..200 {
            for generation in 0..200 {
                let [orig, resp] = Salt(7).endpoints(slot, generation);
                assert!(seen.insert((orig.host, resp.host)));
            }
        }
    }

    proptest! {
        #[test]
        fn test_endpoints_stay_in_their_ranges(salt in any::<u64>(), slot in any::<u16>(), generation in any::<u32>()) {
            let [orig, resp] = Salt(salt).endpoints(slot, generation);
            prop_assert!(orig.host < 1 << 23 && (1 << 23..1 << 24).contains(&resp.host));
            prop_assert!(orig.port >= 61440 && (37024..=41119).contains(&resp.port));
            let isn = Salt(salt).initial_sequence_number(slot, generation, Direction::Resp).0;
            prop_assert!((1 << 24..1 << 30).contains(&isn));
        }
    }
}
