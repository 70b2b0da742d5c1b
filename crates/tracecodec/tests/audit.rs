//! The audit finds what was planted, and seldom finds what was not.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::net::IpAddr;
use std::path::Path;

use tracecodec::action::{ActionSchema, Hosts, OptionProfiles};
use tracecodec::audit::{LEVEL, Linkage, Original, Search, Survival};
use tracecodec::compile::{CompileConfig, PayloadPolicy, Salt};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::oracle::Oracle;
use tracecodec::pcap::{PacketBuf, Reader};
use tracecodec::wire;

/// Offset of the payload of a TCP segment without options, in Ethernet.
const PAYLOAD: usize = 66;

fn example(skip: usize, count: usize) -> Vec<PacketBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut reader = Reader::open(path).unwrap();
    let mut packets = Vec::new();
    while let Some(packet) = reader.next() {
        packets.push(PacketBuf::from(&packet.unwrap()));
    }
    packets.drain(..skip);
    packets.truncate(count);
    packets
}

/// The packets through the oracle.
fn decode(
    packets: &[PacketBuf],
    hosts: Hosts,
    salt: u64,
    payload: PayloadPolicy,
) -> Vec<PacketBuf> {
    let config = CompileConfig {
        salt: Salt(salt),
        schema: ActionSchema {
            hosts,
            ..ActionSchema::default()
        },
        payload,
        ..CompileConfig::default()
    };
    let mut oracle = Oracle::new(config, MAX_SLOTS, OptionProfiles::new());
    let decode = |packet: &PacketBuf| {
        let (_, packet) = oracle.step(&packet.as_packet()).ok()?;
        Some(PacketBuf::from(&packet))
    };
    packets.iter().filter_map(decode).collect()
}

fn audit(original: &[PacketBuf], decoded: &[PacketBuf]) -> Vec<Survival> {
    let mut collected = Original::new();
    original
        .iter()
        .for_each(|packet| collected.observe(&packet.as_packet()));
    let mut search = Search::new(&collected);
    decoded
        .iter()
        .for_each(|packet| search.observe(&packet.as_packet()));
    let found = search.finish();
    found.survivals(&collected)
}

fn beyond(rows: &[Survival]) -> Vec<(&'static str, &'static str)> {
    let beyond = rows.iter().filter(|row| row.beyond_chance);
    beyond.map(|row| (row.what, row.place)).collect()
}

/// An original with addresses all over 10.0.0.0/8 and random payload, and what it decodes to.
fn pair() -> (Vec<PacketBuf>, Vec<PacketBuf>) {
    let mut original = decode(&example(0, 500), Hosts::Flow, 7, PayloadPolicy::Synthetic);
    let mut state = 1_u64;
    for packet in &mut original {
        let headers = wire::parse(&packet.as_packet()).unwrap();
        let start = packet.data.len() - headers.payload_len as usize;
        let bytes = &mut packet.data[start..];
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    }
    let decoded = decode(&original, Hosts::Flow, 8, PayloadPolicy::Synthetic);
    (original, decoded)
}

/// Numbers of the packets with much payload.
fn long(packets: &[PacketBuf]) -> Vec<usize> {
    let is_long = |number: &usize| packets[*number].data.len() > PAYLOAD + 200;
    (0..packets.len()).filter(is_long).collect()
}

#[test]
fn test_what_is_planted_is_found() {
    let (original, decoded) = pair();
    assert_eq!(beyond(&audit(&original, &decoded)), []);
    let first = original[0].as_packet();
    let headers = wire::parse(&first).unwrap();
    let (IpAddr::V4(address), IpAddr::V4(peer)) = (headers.source, headers.destination) else {
        panic!("the first packet is IPv4");
    };
    let pair = [address.octets(), peer.octets()].concat();
    let payload = original[long(&original)[0]].data[PAYLOAD + 40..][..8].to_vec();
    let mac: [u8; 6] = original[0].data[6..12].try_into().unwrap();
    let mac_text = mac.map(|byte| format!("{byte:02X}")).join("-");
    // Four bytes may be an accident once, and two addresses of four not sixteen times.
    let planted: [(&str, &str, usize, usize, Vec<u8>); 6] = [
        ("IPv4 /24 with addresses", "any offset", 16, 73, pair),
        (
            "address",
            "text",
            1,
            78,
            format!(" {address};").into_bytes(),
        ),
        ("MAC", "any offset", 1, 69, mac.to_vec()),
        ("MAC", "text", 1, 96, mac_text.into_bytes()),
        ("payload", "8 bytes in a row", 1, 121, payload),
        (
            "address",
            "an address field",
            1,
            26,
            address.octets().to_vec(),
        ),
    ];
    for (what, place, times, at, bytes) in planted {
        let mut leaking = decoded.clone();
        for number in long(&decoded).into_iter().take(times) {
            leaking[number].data[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        let rows = audit(&original, &leaking);
        assert_eq!(beyond(&rows), [(what, place)], "{rows:?}");
    }
}

#[test]
fn test_an_initial_sequence_number_is_found_where_it_was_and_elsewhere() {
    let (original, decoded) = pair();
    let is_opening = |packet: &PacketBuf| packet.data.len() > 47 && packet.data[23] == 6;
    let first = original.iter().position(is_opening).unwrap();
    let number: [u8; 4] = original[first].data[38..42].try_into().unwrap();
    let places = ["the same packet", "any packet's field"];
    for (at, places) in [(first, &places[..]), (decoded.len() - 1, &places[1..])] {
        let mut leaking = decoded.clone();
        let at = leaking[..=at].iter().rposition(is_opening).unwrap();
        leaking[at].data[38..42].copy_from_slice(&number);
        let expected: Vec<_> = places
            .iter()
            .map(|place| ("sequence number", *place))
            .collect();
        let rows = audit(&original, &leaking);
        assert_eq!(beyond(&rows), expected, "{rows:?}");
    }
}

/// The hardest case for chance: original and decoded captures draw from the same ranges.
#[test]
fn test_false_alarms_are_no_more_than_the_level_says() {
    let (mut tests, mut alarms) = (0, Vec::new());
    for salt in 0..60 {
        let packets = example(50 * salt as usize, 600);
        let original = decode(&packets, Hosts::Graph, 1000 + salt, PayloadPolicy::Truncate);
        let decoded = decode(&packets, Hosts::Graph, 2000 + salt, PayloadPolicy::Truncate);
        let mut rows = audit(&original, &decoded);
        // Messages of ICMP have the same body in both.
        rows.retain(|row| row.what != "payload");
        tests += rows.len();
        alarms.extend(beyond(&rows));
    }
    assert!(tests > 1000);
    // 5 is beyond the 99.9th percentile of the number of false alarms at this level.
    assert!(
        alarms.len() as f64 <= (tests as f64 * LEVEL).max(5.0),
        "{alarms:?}"
    );
}

#[test]
fn test_decodings_share_endpoints_with_one_salt_alone() {
    for hosts in [Hosts::Flow, Hosts::Graph] {
        let mut linkage = Linkage::new(hosts);
        for (packet, number) in example(0, 4000).iter().zip(0..) {
            linkage.observe(number >= 2000, &packet.as_packet());
        }
        let [same, other] = linkage.finish();
        assert!(same.endpoints.beyond_chance && same.endpoints.found > 10);
        assert!(!other.endpoints.beyond_chance, "{other:?}");
    }
}
