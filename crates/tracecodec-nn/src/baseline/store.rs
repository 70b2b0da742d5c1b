//! A baseline on disk: a directory with `weights.safetensors` and `baseline.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;

use super::encoding::Encoding;
use super::{Baseline, Model};
use crate::error::Error;
use crate::files;
use crate::weights::Precision;

/// Name of the file that describes a baseline.
const BASELINE_FILE: &str = "baseline.json";

/// Name of the file that holds its weights.
const WEIGHTS_FILE: &str = "weights.safetensors";

/// What `format` says.
const FORMAT: &str = "tracecodec.baseline";

/// `baseline.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// `tracecodec.baseline`.
    format: String,
    /// Version of the file, 1.
    version: u32,
    /// The model.
    model: Model,
    /// Names the random numbers that modes are drawn by.
    seed: u64,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Dictionary of option layouts as hexadecimal options areas.
    option_profiles: Vec<String>,
    /// How rows become batches.
    encoding: Encoding,
}

/// The lines that must be readable whatever the version of the rest.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Baseline {
    /// Writes the baseline into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<String, Error> {
        let weights = self.weights().to_bytes(Precision::Full);
        let description = Description {
            format: FORMAT.to_string(),
            version: 1,
            model: self.model,
            seed: self.seed,
            weights_blake3: files::digest(&weights),
            option_profiles: self.profiles.to_hex(),
            encoding: self.encoding.clone(),
        };
        files::write(&directory.join(WEIGHTS_FILE), &weights)?;
        files::write_json(&directory.join(BASELINE_FILE), &description)?;
        Ok(description.weights_blake3)
    }

    /// Reads a baseline from a directory.
    ///
    /// # Errors
    /// If a file is missing, damaged, of another version, or if the two do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(BASELINE_FILE);
        let weights_path = directory.join(WEIGHTS_FILE);
        let bytes = files::read(&path)?;
        let bad = |e: serde_json::Error| Error::format(&path, e);
        let head: Head = serde_json::from_slice(&bytes).map_err(bad)?;
        if head.format != FORMAT || head.version != 1 {
            return Err(Error::format(&path, format!("not a {FORMAT} of version 1")));
        }
        let description: Description = serde_json::from_slice(&bytes).map_err(bad)?;
        let profiles = OptionProfiles::from_hex(&description.option_profiles)
            .map_err(|e| Error::format(&path, e))?;
        if !description.encoding.is_sound(description.model) {
            return Err(Error::format(&path, "an encoding of another model"));
        }
        let mut baseline = Self::new(
            description.model,
            description.seed,
            description.encoding,
            profiles,
        )?;
        let bytes = files::read(&weights_path)?;
        let mut weights = baseline.weights();
        weights.read(&bytes, &weights_path)?;
        let found = files::digest(&bytes);
        if found != description.weights_blake3 {
            return Err(Error::Digest {
                path: weights_path,
                found,
                expected: description.weights_blake3,
            });
        }
        baseline.set_weights(&weights);
        Ok(baseline)
    }
}
