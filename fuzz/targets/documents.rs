//! Bytes as any JSON document that is read: it is read, or refused in one line.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tracecodec::artifact::LiftManifest;
use tracecodec::metrics::Evaluation;
use tracecodec::shard::ShardManifest;
use tracecodec_nn::generator::sequences::SequencesManifest;
use tracecodec_nn::latents::LatentManifest;
use tracecodec_pipeline::settings;

type Read = fn(&Path) -> Result<(), String>;

fn told<T>(read: Result<T, impl ToString>) -> Result<(), String> {
    read.map(drop).map_err(|error| error.to_string())
}

const READERS: [Read; 6] = [
    |path| told(LiftManifest::read(path)),
    |path| told(ShardManifest::read(path).map(|manifest| manifest.table6())),
    |path| told(LatentManifest::read(path)),
    |path| told(SequencesManifest::read(path)),
    |path| told(settings::read_file(path)),
    |path| {
        let text = std::fs::read(path).expect("the file is there");
        told(Evaluation::from_json(&String::from_utf8_lossy(&text)))
    },
];

fuzz_target!(|bytes: &[u8]| {
    let path = tracecodec_fuzz::file("document.json", bytes);
    for read in READERS {
        if let Err(message) = read(&path) {
            assert!(!message.contains('\n'), "{message}");
        }
    }
});
