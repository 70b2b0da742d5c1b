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
    let mut time = 0_i64;
    for (number, (step, more, data)) in (0..).zip(tracecodec_fuzz::packets(bytes, MAX_PACKETS)) {
        time = time.saturating_add(step);
        let packet = Packet {
            time: Timestamp(time),
            link: LinkType::RAW,
            wire_len: data.len() as u32 + more,
            data: &data,
            ..Packet::default()
        };
        let loss = proof.step(&packet).and_then(|(_, loss)| loss);
        assert_eq!(loss, None, "packet {number}");
    }
    assert_eq!(proof.legalisations().total(), 0);
});
