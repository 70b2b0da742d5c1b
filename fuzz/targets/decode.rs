//! Bytes as latents of the built-in codec, any floats: they decode to actions that compile to legal
//! packets with shaped payload.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tracecodec::action::float::Tick;
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::pcap::Timestamp;
use tracecodec::wire;
use tracecodec_nn::Codec;

/// Largest number of packets of one input.
const MAX_PACKETS: usize = 64;

fn codec() -> &'static Codec {
    static CODEC: OnceLock<Codec> = OnceLock::new();
    CODEC.get_or_init(|| Codec::embedded().with_threads(1))
}

fuzz_target!(|bytes: &[u8]| {
    let codec = codec();
    let d_latent = codec.config().d_latent;
    // Eight bytes of the input are a latent: each float is one of them, or four of them.
    let latents: Vec<f32> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .take(MAX_PACKETS)
        .flat_map(|chunk| {
            let whole = f32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
            (0..d_latent).map(move |at| match (at + usize::from(chunk[0])) % 8 {
                0 => whole,
                at => f32::from(chunk[at] as i8) / 16.0,
            })
        })
        .collect();
    let actions = codec.decoder(Tick::default()).decode(&latents);
    assert_eq!(actions.len(), latents.len() / d_latent);
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
