//! What the weights of a codec depend on, as its manifest says it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::SCHEMA_VERSION;
use tracecodec::artifact::SourceEntry;

use super::{CodecSettings, Data, TrainConfig, Validation};
use crate::codec::CodecConfig;
use crate::error::Error;
use crate::model::Kind;
use crate::train;

/// Manifest of the training of a codec.
pub type Manifest = train::Manifest<Origin, Validation>;

/// Settings and data of the training of a codec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
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
}

impl Origin {
    /// The settings and data of a training.
    pub(super) fn new(settings: &CodecSettings, data: &Data) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            codec: settings.model.clone(),
            training: settings.train.clone(),
            option_profiles: data.profiles.to_hex(),
            sources: data.sources.clone(),
            training_packets: data.training_packets(),
            validation_packets: data.validation_packets(),
        }
    }
}

impl Manifest {
    /// Reads the manifest in the folder of a codec whose training ended.
    ///
    /// # Errors
    /// If the file is missing, or no manifest of a codec.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::of_kind(Kind::Codec, folder)
    }
}
