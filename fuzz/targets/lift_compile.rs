//! Bytes as packets of a few flows: the oracle is lossless for them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::action::{ActionSchema, Hosts, Services};
use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Proof;
use tracecodec::pcap::{LinkType, Packet, Timestamp};

/// Largest number of packets of one input: fewer than the dictionary of option layouts has room
/// for.
const MAX_PACKETS: usize = 200;

/// A packet whose IP header leads to the transport header at once, so that bytes become packets
/// easily.
fn packet(record: &[u8]) -> Vec<u8> {
    const PROTOCOLS: [u8; 8] = [6, 6, 6, 6, 17, 1, 58, 47];
    let proto = PROTOCOLS[usize::from(record[0] >> 1 & 7)];
    let (source, destination) = (record[0] >> 4 & 1, record[0] >> 5 & 1);
    let body = &record[1..];
    let [high, low] = (20 + body.len() as u16).to_be_bytes();
    match record[0] & 1 {
        0 => {
            let header = [0x45, 0, high, low, 0, 0, 0, 0, 64, proto, 0, 0];
            [
                &header[..],
                &[10, 0, 0, source],
                &[10, 0, 0, destination],
                body,
            ]
            .concat()
        }
        // The whole packet comes from the input, except its version.
        _ => {
            let version = if record[0] & 0x80 == 0 { 0x40 } else { 0x60 };
            let first = version | body.first().unwrap_or(&5) & 0xf;
            [&[first], body.get(1..).unwrap_or(&[])].concat()
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    // All that can be kept is kept.
    let schema = ActionSchema {
        hosts: Hosts::Graph,
        services: Services::Class,
        ..ActionSchema::default()
    };
    let mut proof = Proof::new(CompileConfig {
        schema,
        ..CompileConfig::default()
    });
    let (mut rest, mut time) = (bytes, 0i64);
    for number in 0..MAX_PACKETS {
        // Each record is its length, a time step, and the packet.
        let Some((&[len, exponent, step], tail)) = rest.split_first_chunk() else {
            break;
        };
        let len = usize::from(len).clamp(1, tail.len().max(1));
        let Some((record, tail)) = tail.split_at_checked(len) else {
            break;
        };
        rest = tail;
        time = time.saturating_add(i64::from(step as i8) << (exponent % 50));
        let data = packet(record);
        let packet = Packet {
            time: Timestamp(time),
            link: LinkType::RAW,
            wire_len: data.len() as u32 + u32::from(exponent >> 6),
            data: &data,
            ..Packet::default()
        };
        let loss = proof.step(&packet).and_then(|(_, loss)| loss);
        assert_eq!(loss, None, "packet {number}");
    }
    assert_eq!(proof.legalisations().total(), 0);
});
