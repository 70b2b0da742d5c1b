//! A generator on disk: a directory with `weights.safetensors` and `generator.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::{OptionProfiles, SCHEMA_VERSION};

use super::{Autoregressive, Shapes, networks};
use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::generator::description::{Backbone, FORMAT, VERSION, WEIGHTS_FILE, path};
use crate::weights::{Precision, Weights};

const EMBEDDED_GENERATOR: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/default-generator/generator.json"
));
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/default-generator/weights.safetensors"
));

/// `generator.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// `tracecodec.generator`.
    format: String,
    /// Version of the file, 1.
    version: u32,
    /// `autoregressive`.
    backbone: Backbone,
    /// Version of the action schema.
    schema_version: u32,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Shapes of the networks.
    shapes: Shapes,
    /// Names of the labels.
    labels: Vec<String>,
    /// Packets a second of the traces without a label, then of those of each label.
    rates: Vec<Option<f64>>,
    /// Dictionary of option layouts as hexadecimal options areas.
    option_profiles: Vec<String>,
}

impl Autoregressive {
    /// Writes the generator into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path, precision: Precision) -> Result<String, Error> {
        let weights = self.weights.to_bytes(precision);
        let description = Description {
            format: FORMAT.to_string(),
            version: VERSION,
            backbone: Backbone::Autoregressive,
            schema_version: SCHEMA_VERSION,
            weights_blake3: files::digest(&weights),
            shapes: self.shapes.clone(),
            labels: self.labels.clone(),
            rates: self.rates.clone(),
            option_profiles: self.profiles.to_hex(),
        };
        files::write(&directory.join(WEIGHTS_FILE), &weights)?;
        files::write_json(&path(directory), &description)?;
        Ok(description.weights_blake3)
    }

    /// Reads a generator from a directory.
    ///
    /// # Errors
    /// If a file is missing, damaged, of another version or backbone, or if the two do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = path(directory);
        let weights_path = directory.join(WEIGHTS_FILE);
        let (description, weights) = (files::read(&path)?, files::read(&weights_path)?);
        Self::from_bytes(&path, &description, &weights_path, &weights)
    }

    /// The generator that ships with the program.
    ///
    /// # Panics
    /// Never: a test loads it.
    pub fn embedded() -> Self {
        let name = Path::new("embedded generator");
        Self::from_bytes(name, EMBEDDED_GENERATOR, name, EMBEDDED_WEIGHTS)
            .expect("the embedded generator is of this version")
    }

    fn from_bytes(
        path: &Path,
        description: &[u8],
        weights_path: &Path,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let bad = |e: serde_json::Error| Error::format(path, e);
        Backbone::Autoregressive.check(path, description)?;
        let description: Description = serde_json::from_slice(description).map_err(bad)?;
        if description.schema_version != SCHEMA_VERSION {
            return Err(Error::SchemaVersion {
                path: path.to_path_buf(),
                found: description.schema_version,
                expected: SCHEMA_VERSION,
            });
        }
        description.shapes.check()?;
        let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
        if description.labels.len() > Self::MAX_LABELS
            || description.rates.len() != description.labels.len() + 1
            || !description.rates.iter().flatten().all(is_rate)
        {
            return Err(Error::format(path, "labels and rates do not fit"));
        }
        let found = files::digest(bytes);
        if found != description.weights_blake3 {
            return Err(Error::Digest {
                path: weights_path.to_path_buf(),
                found,
                expected: description.weights_blake3,
            });
        }
        // Of a description that was changed by hand: networks are made before their weights are looked at.
        if description.shapes.least_weights() > bytes.len() / Precision::Half.width() {
            return Err(Error::format(path, "shapes of more weights than there are"));
        }
        let profiles = OptionProfiles::from_hex(&description.option_profiles)
            .map_err(|e| Error::format(path, e))?;
        let fresh = networks(
            &description.shapes,
            description.labels.len(),
            0,
            &Device::Cpu.open()?,
        );
        let mut weights = Weights::of(&fresh);
        weights.read(bytes, weights_path)?;
        Ok(Self::new(
            description.shapes,
            description.labels,
            description.rates,
            profiles,
            weights,
        ))
    }
}
