//! `manifest.json`: what the weights depend on, and which weights they are.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::SCHEMA_VERSION;
use tracecodec::artifact::{SourceEntry, TOOL};

use super::{Data, TrainConfig, Validation};
use crate::codec::{Codec, CodecConfig};
use crate::error::Error;
use crate::files;
use crate::train::Outcome;

/// Name of the file in the directory of a training.
const FILE: &str = "manifest.json";

/// What `format` says.
const FORMAT: &str = "tracecodec.training";

/// Manifest of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `tracecodec.training`.
    pub format: String,
    /// Version of the manifest, 1.
    pub version: u32,
    /// Program and version.
    pub tool: String,
    /// Version of the action schema.
    pub schema_version: u32,
    /// Shape of the codec.
    pub codec: CodecConfig,
    /// Settings.
    pub training: TrainConfig,
    /// Dictionary of option layouts as hexadecimal options areas.
    pub option_profiles: Vec<String>,
    /// Files that the packets came from.
    #[serde(default)]
    pub sources: Vec<SourceEntry>,
    /// Packets to train on.
    pub training_packets: u64,
    /// Packets to select the best weights with, as many as there are.
    pub validation_packets: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// The validation of the weights that were kept.
    pub best: Validation,
    /// Number of weights; 0 in a manifest of a program that did not count them.
    #[serde(default)]
    pub weight_count: usize,
    /// BLAKE3 digest of the weights' file.
    pub weights_blake3: String,
}

/// The lines that must be readable whatever the version of the rest.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Manifest {
    /// The manifest of a training that ended.
    pub(super) fn new(
        config: &TrainConfig,
        codec: &Codec,
        data: &Data,
        outcome: &Outcome<Validation>,
    ) -> Self {
        Self {
            format: FORMAT.to_string(),
            version: 1,
            tool: TOOL.to_string(),
            schema_version: SCHEMA_VERSION,
            codec: codec.config().clone(),
            training: config.clone(),
            option_profiles: codec.option_profiles().to_hex(),
            sources: data.sources.clone(),
            training_packets: data.training_packets(),
            validation_packets: data.validation_packets(),
            steps: outcome.report.steps,
            best: outcome.report.best,
            weight_count: codec.weight_count(),
            weights_blake3: outcome.digest.clone(),
        }
    }

    /// Reads the manifest in the directory of a training that ended.
    ///
    /// # Errors
    /// If the file is missing, or no manifest of a training.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let bytes = files::read(&path)?;
        let bad = |e: serde_json::Error| Error::format(&path, e);
        let head: Head = serde_json::from_slice(&bytes).map_err(bad)?;
        if head.format != FORMAT || head.version != 1 {
            return Err(Error::format(&path, format!("not a {FORMAT} of version 1")));
        }
        serde_json::from_slice(&bytes).map_err(bad)
    }

    /// Writes it into the directory of a training.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        files::write_json(&directory.join(FILE), self)
    }
}
