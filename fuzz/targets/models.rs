//! A description, a zero byte and weights as the folder of a model of any kind: it is refused, or
//! loads and computes. The digest of the weights is put right, so that damage behind it is met.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tracecodec::action::Action;
use tracecodec_fuzz::{file, folder, text_and_rest};
use tracecodec_nn::Codec;
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::autoregressive::Autoregressive;
use tracecodec_nn::generator::{Drawing, FlowMatching};

fn compute(kind: u8) {
    let one_thread = Drawing {
        threads: 1,
        ..Drawing::default()
    };
    match kind {
        0 => {
            if let Ok(codec) = Codec::load(folder()) {
                let codec = codec.with_threads(1);
                let latents = codec.encode(&[Action::default(); 2]);
                assert_eq!(codec.decode(&latents.mu).len(), 2);
            }
        }
        1 => drop(Baseline::load(folder())),
        _ => {
            drop(FlowMatching::load(folder()));
            if let Ok(generator) = Autoregressive::load(folder())
                && let Ok(mut trace) = generator.generate(&one_thread)
            {
                drop(trace.batch());
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (text, weights) = text_and_rest(bytes);
    file("weights.safetensors", weights);
    let kind = choice % 3;
    let name = ["model.json", "baseline.json", "generator.json"][usize::from(kind)];
    let description = match serde_json::from_slice::<Value>(text) {
        Ok(Value::Object(mut description)) => {
            let digest = blake3::hash(weights).to_hex().to_string();
            description.insert("weights_blake3".to_string(), digest.into());
            file(name, Value::Object(description).to_string().as_bytes())
        }
        _ => file(name, text),
    };
    compute(kind);
    fs::remove_file(description).expect("the description is there");
});
