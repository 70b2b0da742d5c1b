//! A generator on disk: a directory with `weights.safetensors` and `generator.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FlowMatching, NetworkConfig};
use crate::error::Error;
use crate::files;
use crate::generator::description::{Backbone, FORMAT, VERSION, WEIGHTS_FILE, path};
use crate::generator::representation::{Representation, Statistics};
use crate::weights::Precision;

/// `generator.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// `tracecodec.generator`.
    format: String,
    /// Version of the file, 1.
    version: u32,
    /// `flow-matching`.
    backbone: Backbone,
    /// Shape of the generator.
    config: NetworkConfig,
    /// What its rows are.
    representation: Representation,
    /// The scale of its rows' channels.
    statistics: Statistics,
    /// Labels that it knows.
    labels: Vec<String>,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
}

impl FlowMatching {
    /// Writes the generator into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<String, Error> {
        let weights = self.weights().to_bytes(Precision::Full);
        let description = Description {
            format: FORMAT.to_string(),
            version: VERSION,
            backbone: Backbone::FlowMatching,
            config: self.config.clone(),
            representation: self.representation.clone(),
            statistics: self.statistics.clone(),
            labels: self.labels.clone(),
            weights_blake3: files::digest(&weights),
        };
        files::write(&directory.join(WEIGHTS_FILE), &weights)?;
        files::write_json(&path(directory), &description)?;
        Ok(description.weights_blake3)
    }

    /// BLAKE3 digest of the weights: tells generators apart.
    pub fn digest(&self) -> String {
        files::digest(&self.weights().to_bytes(Precision::Full))
    }

    /// Reads a generator from a directory.
    ///
    /// # Errors
    /// If a file is missing, damaged, of another version or backbone, or if the two do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = path(directory);
        let weights_path = directory.join(WEIGHTS_FILE);
        let bytes = files::read(&path)?;
        let bad = |e: serde_json::Error| Error::format(&path, e);
        Backbone::FlowMatching.check(&path, &bytes)?;
        let description: Description = serde_json::from_slice(&bytes).map_err(bad)?;
        let Description {
            config,
            representation,
            statistics,
            labels,
            weights_blake3,
            ..
        } = description;
        if !statistics.is_sound(representation.channels()) {
            return Err(Error::format(&path, "statistics of other channels"));
        }
        let mut generator = Self::new(&config, &representation, &statistics, labels, 0)?;
        let bytes = files::read(&weights_path)?;
        let mut weights = generator.weights();
        weights.read(&bytes, &weights_path)?;
        let found = files::digest(&bytes);
        if found != weights_blake3 {
            return Err(Error::Digest {
                path: weights_path,
                found,
                expected: weights_blake3,
            });
        }
        generator.set_weights(&weights);
        Ok(generator)
    }
}
