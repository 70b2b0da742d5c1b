//! What tunnels carry is lifted as if it had been captured without them.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

#[path = "common/actions.rs"]
#[allow(dead_code, reason = "packets need options alone")]
mod actions;
#[path = "common/packets.rs"]
mod packets;
#[path = "common/tunnels.rs"]
mod tunnels;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tracecodec::action::{Action, ActionSchema, Hosts, OptionProfiles, Services};
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::{PacketBuf, Reader};
use tracecodec::wire::{self, SkipReason, Tunnels, tunnel};
use tunnels::{KINDS, wrap};

type Lift = (Vec<Result<Action, SkipReason>>, LiftCounts);

/// What is lifted of packets, with everything that an action can hold.
fn lift(packets: &[PacketBuf], tunnels: Tunnels) -> Lift {
    let schema = ActionSchema {
        hosts: Hosts::Graph,
        services: Services::Class,
        ..ActionSchema::default()
    };
    let mut lifter = Lifter::new(schema, 65_536, OptionProfiles::new());
    let actions = packets
        .iter()
        .map(|packet| lifter.lift(&tunnels.packet(packet.as_packet())))
        .collect();
    (actions, lifter.counts())
}

/// The first packets of the shipped example, whose link type is RAW.
fn example(packets: usize) -> Vec<PacketBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut reader = Reader::open(path).unwrap();
    let mut read = Vec::new();
    while read.len() < packets
        && let Some(packet) = reader.next()
    {
        read.push(PacketBuf::from(&packet.unwrap()));
    }
    read
}

/// The packets that a kind of tunnel can carry, and these within it.
fn wrapped(kind: &str, packets: &[PacketBuf]) -> (Vec<PacketBuf>, Vec<PacketBuf>) {
    let carried = |packet: &PacketBuf| Some((packet.clone(), wrap(kind, packet)?));
    packets.iter().filter_map(carried).unzip()
}

#[test]
fn test_the_lift_of_a_tunnel_is_that_of_its_packets() {
    let packets = example(4_000);
    for kind in KINDS {
        let (alone, within) = wrapped(kind, &packets);
        assert!(alone.len() > 10, "{kind}");
        let expected = lift(&alone, Tunnels::Outer);
        assert!(expected.0.iter().any(Result::is_ok));
        assert_eq!(lift(&within, Tunnels::Inner), expected, "{kind}");
        assert_ne!(lift(&within, Tunnels::Outer), expected, "{kind}");
        // Without tunnels, the setting changes nothing.
        assert_eq!(lift(&alone, Tunnels::Inner), expected, "{kind}");
    }
}

#[test]
fn test_the_lift_of_a_tunnel_in_a_tunnel() {
    let packets = example(300);
    for inner in KINDS {
        let (alone, within) = wrapped(inner, &packets);
        let expected = lift(&alone, Tunnels::Outer);
        for outer in KINDS {
            let (carried, nested) = wrapped(outer, &within);
            if carried.len() == within.len() {
                assert_eq!(lift(&nested, Tunnels::Inner), expected, "{outer} {inner}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn test_random_tunnels_are_read_or_left_out(
        capture in packets::capture(),
        kinds in vec(select(&KINDS[..]), 0..12),
        cut in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let mut packet = capture[0].clone();
        for kind in kinds {
            packet = wrap(kind, &packet).unwrap_or(packet);
        }
        for (at, value) in changes {
            if let Some(byte) = packet.data.len().checked_sub(1).map(|len| at.index(len + 1)) {
                packet.data[byte] = value;
            }
        }
        packet.data.truncate(cut.index(packet.data.len() + 1));
        for wire_len in [packet.wire_len, packet.data.len() as u32] {
            let packet = PacketBuf { wire_len, ..packet.clone() };
            let layers: Vec<_> = tunnel::layers(&packet.as_packet()).collect();
            prop_assert!(layers.len() <= tunnel::MAX_DEPTH);
            for layer in layers {
                prop_assert!(layer.inner.data.len() <= layer.inner.wire_len as usize);
                prop_assert!(layer.inner.wire_len < wire_len);
            }
            let inner = Tunnels::Inner.packet(packet.as_packet());
            if let Ok(headers) = wire::parse(&inner) {
                prop_assert!(headers.ip_len <= inner.wire_len);
            }
        }
    }
}
