//! Storage of a codec: a directory with `weights.safetensors` and `model.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;

use super::symbols::Symbols;
use super::{Codec, CodecConfig, Network};
use crate::error::Error;
use crate::layers::Zeros;
use crate::model::{self, Files, Kind, Placed};
use crate::weights::Precision;

const EMBEDDED_MODEL: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/built-in/codec/model.json"
));
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/built-in/codec/weights.safetensors"
));

/// Content of `model.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Model {
    /// Version of the action schema.
    schema_version: u32,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Shape of the codec.
    config: CodecConfig,
    /// Dictionary of option layouts, as hexadecimal options areas.
    option_profiles: Vec<String>,
}

impl Codec {
    /// Writes the codec into a directory, and returns the digest of its weights.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path, precision: Precision) -> Result<String, Error> {
        let weights = self.weights().to_bytes(precision);
        model::save(Kind::Codec, directory, &weights, |weights_blake3| Model {
            schema_version: self.config().schema_version,
            weights_blake3,
            config: self.config().clone(),
            option_profiles: self.option_profiles().to_hex(),
        })
    }

    /// Reads a codec from a directory that [`Codec::save`] wrote.
    ///
    /// # Errors
    /// If the directory holds no codec, if a file is damaged or of another schema version, or if
    /// the two files do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        Self::from_files(&Files::open(Kind::Codec, directory)?)
    }

    /// The codec that ships with the program.
    ///
    /// # Panics
    /// Never: a test loads it.
    pub fn embedded() -> Self {
        Self::from_files(&Files::embedded(
            Kind::Codec,
            EMBEDDED_MODEL,
            EMBEDDED_WEIGHTS,
        ))
        .expect("the embedded model is of this version")
    }

    fn from_files(files: &Files) -> Result<Self, Error> {
        let model: Model = files.description()?;
        let profiles = OptionProfiles::from_hex(&model.option_profiles)
            .map_err(|e| Error::format(&files.path, e))?;
        let config = CodecConfig {
            schema_version: model.schema_version,
            ..model.config
        };
        config.check()?;
        files.check_size(config.least_weights(), &files.weights()?)?;
        let symbols = Symbols::new(&config);
        let network = |tensors: &_| Network::new(&config, &symbols, &mut Zeros, tensors);
        let placed = Placed::load(network, files, &model.weights_blake3)?;
        Ok(Self::of(placed, &config, symbols).with_profiles(profiles))
    }
}
