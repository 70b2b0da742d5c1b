//! Random packets of a few endpoints, as frames of raw IP.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tracecodec::pcap::{LinkType, PacketBuf, Timestamp};

use super::actions::{delta_t, options};

/// Packets in the order of a capture.
pub(crate) fn capture() -> impl Strategy<Value = Vec<PacketBuf>> {
    vec(
        (delta_t(), datagram(), option::weighted(0.1, 0usize..120)),
        1..60,
    )
    .prop_map(|packets| {
        let mut time = Timestamp(1_600_000_000_000_000_000);
        let frame = |(delta_t, mut data, cut): (i64, Vec<u8>, Option<usize>)| {
            time = time.add_nanos(delta_t);
            let wire_len = data.len() as u32;
            data.truncate(cut.unwrap_or(usize::MAX));
            PacketBuf {
                time,
                link: LinkType::RAW,
                wire_len,
                data,
                ..PacketBuf::default()
            }
        };
        packets.into_iter().map(frame).collect()
    })
}

/// Protocol number and bytes of what follows the IP header.
type Message = (u8, Vec<u8>);

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let hosts = (0usize..6, 0usize..6);
    let message = prop_oneof![6 => segment(), 1 => udp(), 2 => icmp(), 1 => other()];
    prop_oneof![
        (
            hosts.clone(),
            any::<(u8, u8)>(),
            option::weighted(0.2, 0u8..=10),
            (identification(), prop_oneof![Just(0), Just(0x40)]),
            message.clone()
        )
            .prop_map(|(hosts, bytes, words, id, message)| ipv4(
                hosts,
                bytes,
                words.unwrap_or(0),
                id,
                message
            )),
        (hosts, any::<(u8, u8)>(), vec(extension(), 0..3), message).prop_map(
            |(hosts, bytes, extensions, message)| ipv6(hosts, bytes, extensions, message)
        ),
    ]
}

/// IPv4 addresses of several kinds.
const V4: [[u8; 4]; 6] = [
    [192, 0, 2, 1],
    [192, 0, 2, 2],
    [10, 0, 0, 7],
    [224, 0, 0, 251],
    [255, 255, 255, 255],
    [10, 0, 0, 255],
];

/// Starts of IPv6 addresses of several kinds.
const V6: [[u8; 2]; 6] = [
    [0x20, 0x01],
    [0x20, 0x02],
    [0xfe, 0x80],
    [0xff, 0x02],
    [0xfd, 0x00],
    [0xff, 0x15],
];

fn ipv4(
    hosts: (usize, usize),
    (ttl, tos): (u8, u8),
    words: u8,
    (id, flags): (u16, u8),
    (proto, message): Message,
) -> Vec<u8> {
    let len = (20 + 4 * usize::from(words) + message.len()) as u16;
    let [high, low] = len.to_be_bytes();
    let proto = if proto == 58 { 1 } else { proto };
    let [id_high, id_low] = id.to_be_bytes();
    let fixed = [
        0x45 + words,
        tos,
        high,
        low,
        id_high,
        id_low,
        flags,
        0,
        ttl,
        proto,
        0,
        0,
    ];
    let (source, destination) = (V4[hosts.0], V4[hosts.1]);
    let options = vec![1; 4 * usize::from(words)];
    [&fixed[..], &source, &destination, &options, &message].concat()
}

fn ipv6(
    hosts: (usize, usize),
    (hops, class): (u8, u8),
    extensions: Vec<Message>,
    (proto, message): Message,
) -> Vec<u8> {
    let proto = if proto == 1 { 58 } else { proto };
    let (mut next, mut rest) = (proto, message);
    for (kind, mut extension) in extensions {
        extension[0] = next;
        (next, rest) = (kind, [extension, rest].concat());
    }
    let [high, low] = (rest.len() as u16).to_be_bytes();
    let fixed = [0x60 | class >> 4, class << 4, 0, 0, high, low, next, hops];
    let address = |host: usize| {
        let [a, b] = V6[host];
        [a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb]
    };
    [&fixed[..], &address(hosts.0), &address(hosts.1), &rest].concat()
}

/// A hop-by-hop, routing, destination options or (atomic) fragment header.
fn extension() -> impl Strategy<Value = Message> {
    let padded = prop_oneof![Just(0u8), Just(43), Just(60)];
    prop_oneof![
        4 => (padded, 0u8..6).prop_map(|(kind, units)| {
            let mut header = vec![0; 8 + 8 * usize::from(units)];
            header[1] = units;
            (kind, header)
        }),
        1 => Just((44, vec![0; 8])),
    ]
}

/// Numbers near 0, near each other and anywhere.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        0u32..5000,
        (0u32..5000).prop_map(|n| n.wrapping_neg()),
        1_000_000u32..1_010_000,
        any::<u32>()
    ]
}

/// Identifications of counters near each other, and others.
fn identification() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), 0u16..40, 65_500u16..=65_535, any::<u16>()]
}

fn ports() -> impl Strategy<Value = [u16; 2]> {
    prop_oneof![
        Just([80, 50000]),
        Just([50000, 80]),
        Just([80, 80]),
        Just([1, 2]),
        Just([123, 123]),
        Just([53, 443]),
        (1024u16..1040, 1u16..40).prop_map(|(a, b)| [a, b])
    ]
}

fn segment() -> impl Strategy<Value = Message> {
    let flags = prop_oneof![3 => 0u16..0x1000, 2 => Just(2), 2 => Just(0x12), 4 => Just(0x10), 1 => Just(0x11), 1 => Just(4)];
    let payload = prop_oneof![Just(0usize), 0usize..1500];
    (
        ports(),
        number(),
        number(),
        flags,
        any::<u16>(),
        options(),
        payload,
    )
        .prop_map(
            |([source, destination], seq, ack, flags, window, options, payload)| {
                let offset = (5 + options.len() / 4) as u16;
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
                bytes.extend(
                    [
                        (offset << 12 | flags).to_be_bytes(),
                        window.to_be_bytes(),
                        [0; 2],
                        [0; 2],
                    ]
                    .concat(),
                );
                bytes.extend(options);
                bytes.resize(bytes.len() + payload, 0);
                (6, bytes)
            },
        )
}

fn udp() -> impl Strategy<Value = Message> {
    (ports(), 0u16..1500).prop_map(|([source, destination], payload)| {
        let words = [source, destination, 8 + payload, 0].map(u16::to_be_bytes);
        let mut bytes = words.concat();
        bytes.resize(8 + usize::from(payload), 0);
        (17, bytes)
    })
}

/// A message of any type and code; echo messages of a few identifiers.
fn icmp() -> impl Strategy<Value = Message> {
    let icmp_type = prop_oneof![
        any::<u8>(),
        Just(0),
        Just(8),
        Just(3),
        Just(128),
        Just(129),
        Just(1),
        Just(5),
        Just(2)
    ];
    let rest = (0u8..2, 0u8..2, any::<u8>());
    let quoted = (0usize..6, 0usize..6, ports());
    (icmp_type, 0u8..6, rest, 0usize..100, quoted).prop_map(
        |(icmp_type, code, (high, identifier, low), body, (source, destination, ports))| {
            let mut bytes = vec![icmp_type, code, 0, 0, high, identifier, high, low];
            let ports = ports.map(u16::to_be_bytes).concat();
            bytes.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
            bytes.extend([&V4[source][..], &V4[destination], &ports].concat());
            bytes.resize(8 + body.max(28), 0);
            (1, bytes)
        },
    )
}

fn other() -> impl Strategy<Value = Message> {
    (any::<u8>(), 0usize..80).prop_map(|(proto, len)| (proto, vec![0; len]))
}
