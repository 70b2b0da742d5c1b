//! A generator on disk: a directory with `weights.safetensors` and `generator.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FlowMatching, NetworkConfig};
use crate::error::Error;
use crate::generator::description::Backbone;
use crate::generator::representation::{Representation, Statistics};
use crate::model::{self, Files, Kind};
use crate::weights::Precision;

/// `generator.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// The backbone `flow-matching`.
    backbone: Backbone,
    /// Shape of the generator.
    config: NetworkConfig,
    /// Representation of its rows.
    representation: Representation,
    /// Scale of the channels of its rows.
    statistics: Statistics,
    /// Names of its labels.
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
        model::save(Kind::Generator, directory, &weights, |weights_blake3| {
            Description {
                backbone: Backbone::FlowMatching,
                config: self.config.clone(),
                representation: self.representation.clone(),
                statistics: self.statistics.clone(),
                labels: self.labels.clone(),
                weights_blake3,
            }
        })
    }

    /// Reads a generator from a directory.
    ///
    /// # Errors
    /// If the directory holds no generator, a file is damaged, of another version or of another
    /// backbone, or the two files do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let files = Files::open(Kind::Generator, directory)?;
        Backbone::FlowMatching.check(&files)?;
        let Description {
            config,
            representation,
            statistics,
            labels,
            weights_blake3,
            ..
        } = files.description()?;
        if !statistics.is_sound(representation.channels()) {
            return Err(Error::format(&files.path, "statistics of other channels"));
        }
        let bytes = files.weights()?;
        config.check()?;
        files.check_size(config.least_weights(), &bytes)?;
        let mut generator = Self::new(&config, &representation, &statistics, labels, 0)?;
        let mut weights = generator.weights().clone();
        files.load(&bytes, &weights_blake3, &mut weights)?;
        generator.set_weights(&weights);
        Ok(generator)
    }
}
