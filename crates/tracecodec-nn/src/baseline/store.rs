//! A baseline on disk: a directory with `weights.safetensors` and The content of `baseline.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;

use super::encoding::Encoding;
use super::{Baseline, Model};
use crate::error::Error;
use crate::model::{self, Files, Kind};
use crate::weights::Precision;

/// The content of `baseline.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// The model.
    model: Model,
    /// Seed of the modes that are drawn.
    seed: u64,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Dictionary of option layouts as hexadecimal options areas.
    option_profiles: Vec<String>,
    /// How rows become batches.
    encoding: Encoding,
}

impl Baseline {
    /// Writes the baseline into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<String, Error> {
        let weights = self.weights().to_bytes(Precision::Full);
        model::save(Kind::Baseline, directory, &weights, |weights_blake3| {
            Description {
                model: self.model,
                seed: self.seed,
                weights_blake3,
                option_profiles: self.profiles.to_hex(),
                encoding: self.encoding.clone(),
            }
        })
    }

    /// Reads a baseline from a directory.
    ///
    /// # Errors
    /// If the directory holds no baseline, a file is damaged or of another version, or the two
    /// files do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let files = Files::open(Kind::Baseline, directory)?;
        let description: Description = files.description()?;
        let profiles = OptionProfiles::from_hex(&description.option_profiles)
            .map_err(|e| Error::format(&files.path, e))?;
        if !description.encoding.is_sound(description.model) {
            return Err(Error::format(&files.path, "an encoding of another model"));
        }
        let mut baseline = Self::new(
            description.model,
            description.seed,
            description.encoding,
            profiles,
        )?;
        let mut weights = baseline.weights().clone();
        files.load(&files.weights()?, &description.weights_blake3, &mut weights)?;
        baseline.set_weights(&weights);
        Ok(baseline)
    }
}
