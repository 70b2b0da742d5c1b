//! Bytes as latents of a codec, any floats: they decode to actions that compile to legal
//! packets with shaped payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::action::float::Tick;
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::pcap::Timestamp;
use tracecodec::wire;
use tracecodec_fuzz::{D_LATENT, codec};

/// Largest number of packets of one input.
const MAX_PACKETS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let codec = codec();
    // Eight bytes of the input are a latent: each float is one of them, or four of them.
    let latents: Vec<f32> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .take(MAX_PACKETS)
        .flat_map(|chunk| {
            let whole = f32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
            (0..D_LATENT).map(move |at| match (at + usize::from(chunk[0])) % 8 {
                0 => whole,
                at => f32::from(chunk[at] as i8) / 16.0,
            })
        })
        .collect();
    let actions = codec.decoder(Tick::default()).decode(&latents);
    assert_eq!(actions.len(), latents.len() / D_LATENT);
    let config = CompileConfig {
        payload: PayloadPolicy::Shaped,
        schema: codec.schema(),
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    for action in &actions {
        wire::parse(&compiler.compile(action, codec.option_profiles())).expect("a legal packet");
    }
});
