//! Bytes as a prefix, packets of a few flows, that the built-in generator continues: the
//! continuation compiles to legal packets.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::pcap::{LinkType, Packet, Timestamp};
use tracecodec::wire;
use tracecodec_nn::generator::{Drawing, Generator};

/// Largest number of packets of the prefix, and of batches that continue it.
const MAX_PACKETS: usize = 16;
const BATCHES: usize = 2;

fn generator() -> &'static Generator {
    static GENERATOR: OnceLock<Generator> = OnceLock::new();
    GENERATOR.get_or_init(Generator::embedded)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&seed, bytes)) = bytes.split_first() else {
        return;
    };
    let generator = generator();
    let drawing = Drawing {
        seed: seed.into(),
        constrained: seed & 1 == 0,
        threads: 1,
        ..Drawing::default()
    };
    let mut trace = generator.generate(&drawing).expect("no label, no refusal");
    let profiles = generator.option_profiles().clone();
    let mut lifter = Lifter::new(generator.schema(), MAX_SLOTS, profiles);
    let mut time = 0_i64;
    let mut actions = Vec::new();
    for (step, more, data) in tracecodec_fuzz::packets(bytes, MAX_PACKETS) {
        time = time.saturating_add(step);
        let packet = Packet {
            time: Timestamp(time),
            link: LinkType::RAW,
            wire_len: data.len() as u32 + more,
            data: &data,
            ..Packet::default()
        };
        if let Ok(action) = lifter.lift(&packet) {
            trace.follow(&action);
            actions.push(action);
        }
    }
    for _ in 0..BATCHES {
        actions.extend(trace.batch());
    }
    let config = CompileConfig {
        payload: PayloadPolicy::Shaped,
        schema: generator.schema(),
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    for action in &actions {
        wire::parse(&compiler.compile(action, lifter.profiles())).expect("a legal packet");
    }
});
