//! What a training leaves behind: the best codec, its history and a manifest.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tracecodec::action::SCHEMA_VERSION;

use super::TrainConfig;
use super::history::{History, Validation};
use crate::codec::{Codec, CodecConfig};
use crate::error::Error;
use crate::files;
use crate::weights::Precision;

/// `manifest.json`: what the weights depend on, and which weights they are.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    format: &'static str,
    version: u32,
    tool: &'static str,
    schema_version: u32,
    codec: &'a CodecConfig,
    training: &'a TrainConfig,
    option_profiles: Vec<String>,
    training_packets: usize,
    validation_packets: usize,
    steps: u64,
    best: &'a Validation,
    weights_blake3: &'a str,
}

/// The directory of a training, and the best codec so far.
pub(super) struct Checkpoints {
    directory: PathBuf,
    precision: Precision,
    history: History,
    best: Option<(Validation, String)>,
    since_best: u32,
}

impl Checkpoints {
    /// Writes into this directory.
    pub(super) fn new(directory: &Path, precision: Precision) -> Self {
        Self {
            directory: directory.to_path_buf(),
            precision,
            history: History::new(&directory.join("history.jsonl")),
            best: None,
            since_best: 0,
        }
    }

    /// Records a validation, and saves the codec if it is the best one.
    pub(super) fn record(&mut self, validation: Validation, codec: &Codec) -> Result<(), Error> {
        self.history.push(&validation)?;
        self.since_best += 1;
        let best = self
            .best
            .as_ref()
            .map_or(f64::INFINITY, |(best, _)| best.loss);
        if validation.loss < best {
            let digest = codec.save(&self.directory, self.precision)?;
            self.best = Some((validation, digest));
            self.since_best = 0;
        }
        Ok(())
    }

    /// Validations since the best one.
    pub(super) fn since_best(&self) -> u32 {
        self.since_best
    }

    /// Writes the manifest and gives back the best validation.
    pub(super) fn finish(
        self,
        config: &TrainConfig,
        codec: &Codec,
        packets: (usize, usize),
        steps: u64,
    ) -> Result<Validation, Error> {
        let (best, weights) = self.best.expect("a training ends with a validation");
        let manifest = Manifest {
            format: "tracecodec.training",
            version: 1,
            tool: concat!("tracecodec ", env!("CARGO_PKG_VERSION")),
            schema_version: SCHEMA_VERSION,
            codec: codec.config(),
            training: config,
            option_profiles: codec.option_profiles().to_hex(),
            training_packets: packets.0,
            validation_packets: packets.1,
            steps,
            best: &best,
            weights_blake3: &weights,
        };
        files::write_json(&self.directory.join("manifest.json"), &manifest)?;
        Ok(best)
    }
}
