//! A codec on disk: a directory with `weights.safetensors` and `model.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::{OptionProfiles, SCHEMA_VERSION};

use super::{Codec, CodecConfig};
use crate::error::Error;
use crate::files;
use crate::weights::Precision;

/// Name of the file that describes a codec.
pub(crate) const MODEL_FILE: &str = "model.json";
/// Name of the file that holds its weights.
pub(crate) const WEIGHTS_FILE: &str = "weights.safetensors";

const EMBEDDED_MODEL: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/default-model/model.json"
));
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/default-model/weights.safetensors"
));

/// `model.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Model {
    /// Version of the action schema.
    schema_version: u32,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Shape of the codec.
    config: CodecConfig,
    /// Dictionary of option layouts as hexadecimal options areas.
    option_profiles: Vec<String>,
}

/// The one line that must be readable whatever the version of the rest.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

impl Codec {
    /// Writes the codec into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path, precision: Precision) -> Result<String, Error> {
        let weights = self.weights().to_bytes(precision);
        let model = Model {
            schema_version: SCHEMA_VERSION,
            weights_blake3: files::digest(&weights),
            config: self.config().clone(),
            option_profiles: self.option_profiles().to_hex(),
        };
        files::write(&directory.join(WEIGHTS_FILE), &weights)?;
        files::write_json(&directory.join(MODEL_FILE), &model)?;
        Ok(model.weights_blake3)
    }

    /// BLAKE3 digest of the weights with full precision: tells codecs apart.
    pub fn digest(&self) -> String {
        files::digest(&self.weights().to_bytes(Precision::Full))
    }

    /// Reads a codec from a directory.
    ///
    /// # Errors
    /// If a file is missing, damaged, of another schema version, or if the two do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let model_path = directory.join(MODEL_FILE);
        let weights_path = directory.join(WEIGHTS_FILE);
        let model = files::read(&model_path)?;
        let weights = files::read(&weights_path)?;
        Self::from_bytes(&model_path, &model, &weights_path, &weights)
    }

    /// The model that ships with the program.
    ///
    /// # Panics
    /// Never: a test loads it.
    pub fn embedded() -> Self {
        let name = Path::new("embedded model");
        Self::from_bytes(name, EMBEDDED_MODEL, name, EMBEDDED_WEIGHTS)
            .expect("the embedded model is of this version")
    }

    fn from_bytes(
        model_path: &Path,
        model: &[u8],
        weights_path: &Path,
        weights: &[u8],
    ) -> Result<Self, Error> {
        let model = Model::parse(model_path, model)?;
        let profiles = OptionProfiles::from_hex(&model.option_profiles)
            .map_err(|e| Error::format(model_path, e))?;
        let mut codec = Self::new(&model.config, 0)?.with_profiles(profiles);
        let mut own = codec.weights();
        own.read(weights, weights_path)?;
        let found = files::digest(weights);
        if found != model.weights_blake3 {
            return Err(Error::Digest {
                path: weights_path.to_path_buf(),
                found,
                expected: model.weights_blake3,
            });
        }
        codec.set_weights(&own);
        Ok(codec)
    }
}

impl Model {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let Version { schema_version } =
            serde_json::from_slice(bytes).map_err(|e| Error::format(path, e))?;
        if schema_version != SCHEMA_VERSION {
            return Err(Error::SchemaVersion {
                path: path.to_path_buf(),
                found: schema_version,
                expected: SCHEMA_VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(|e| Error::format(path, e))
    }
}
