//! A generator on disk: a directory with `weights.safetensors` and `generator.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FlowMatching, NetworkConfig};
use crate::error::Error;
use crate::files;
use crate::generator::representation::{Representation, Statistics};
use crate::weights::Precision;

/// Name of the file that describes a generator.
const FILE: &str = "generator.json";

/// Name of the file that holds its weights.
const WEIGHTS_FILE: &str = "weights.safetensors";

/// What `format` says.
const FORMAT: &str = "tracecodec.generator";

/// What `backbone` says.
pub(super) const BACKBONE: &str = "flow-matching";

/// `generator.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// `tracecodec.generator`.
    format: String,
    /// Version of the file, 1.
    version: u32,
    /// `flow-matching`.
    backbone: String,
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

/// The lines that must be readable whatever the version of the rest.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    backbone: String,
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
            version: 1,
            backbone: BACKBONE.to_string(),
            config: self.config.clone(),
            representation: self.representation.clone(),
            statistics: self.statistics.clone(),
            labels: self.labels.clone(),
            weights_blake3: files::digest(&weights),
        };
        files::write(&directory.join(WEIGHTS_FILE), &weights)?;
        files::write_json(&directory.join(FILE), &description)?;
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
        let path = directory.join(FILE);
        let weights_path = directory.join(WEIGHTS_FILE);
        let bytes = files::read(&path)?;
        let bad = |e: serde_json::Error| Error::format(&path, e);
        let head: Head = serde_json::from_slice(&bytes).map_err(bad)?;
        if head.format != FORMAT || head.version != 1 {
            return Err(Error::format(&path, format!("not a {FORMAT} of version 1")));
        }
        if head.backbone != BACKBONE {
            let reason = format!("its backbone is {}, not {BACKBONE}", head.backbone);
            return Err(Error::format(&path, reason));
        }
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
