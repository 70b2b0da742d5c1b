//! A description, a zero byte and tensors as latents or as a folder of sequences: they are refused,
//! or decode to as many packets as there are rows.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tracecodec::shard::Split;
use tracecodec_fuzz::{codec, file, folder, text_and_rest};
use tracecodec_nn::generator::Sequences;
use tracecodec_nn::latents::{self, Points};
use tracecodec_nn::{ReadLatents, StoredLatents};

/// A description with the digest of the codec, where it states one.
fn described(text: &[u8]) -> Vec<u8> {
    let Ok(mut description) = serde_json::from_slice::<Value>(text) else {
        return text.to_vec();
    };
    for place in ["/model_blake3", "/representation/blake3"] {
        if let Some(digest) = description.pointer_mut(place) {
            *digest = codec().digest().into();
        }
    }
    description.to_string().into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (text, tensors) = text_and_rest(bytes);
    let path = file("train.safetensors", tensors);
    drop(latents::layout(&path));
    let description = match choice & 0b11 {
        0 => None,
        1 => Some(file(Sequences::FILE, &described(text))),
        _ => Some(file("train.safetensors.json", &described(text))),
    };
    if let Ok(sequences) = Sequences::open(folder())
        && let Ok(windows) = sequences.windows(Split::Train, 2, 2, 1)
    {
        for number in 0..windows.len().min(10) {
            drop(windows.window(number));
        }
    }
    let how = ReadLatents {
        points: [Points::Means, Points::Sample][usize::from(choice >> 2 & 1)],
        normalised: choice >> 3 & 1 == 1,
        like: None,
    };
    if let Ok(stored) = StoredLatents::read(&path, &how, codec()) {
        let mut packets = 0;
        let decoded = stored.decode(codec(), |actions| {
            packets += actions.len() as u64;
            Ok::<_, tracecodec_nn::Error>(())
        });
        assert!(decoded.is_ok() && packets == stored.packets());
    }
    if let Some(description) = description {
        fs::remove_file(description).expect("the description is there");
    }
});
