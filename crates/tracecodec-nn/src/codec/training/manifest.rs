//! Manifest of a codec's training: what its weights depend on.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::artifact::SourceEntry;

use super::{CodecSettings, Data, TrainConfig, Validation};
use crate::codec::CodecConfig;
use crate::error::Error;
use crate::model::Kind;
use crate::train;

/// Manifest of a codec's training.
pub type Manifest = train::Manifest<Origin, Validation>;

/// Settings and data of a codec's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the action schema.
    pub schema_version: u32,
    /// Shape of the codec.
    pub codec: CodecConfig,
    /// Settings of the training.
    pub training: TrainConfig,
    /// Dictionary of option layouts, as hexadecimal options areas.
    pub option_profiles: Vec<String>,
    /// Files that the packets came from.
    #[serde(default)]
    pub sources: Vec<SourceEntry>,
    /// Number of packets to train on.
    pub training_packets: u64,
    /// Number of packets to select the best weights with.
    pub validation_packets: u64,
}

impl Origin {
    /// The settings and data of a training.
    pub(super) fn new(settings: &CodecSettings, data: &Data) -> Self {
        Self {
            schema_version: settings.model.schema_version,
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
    /// Reads the manifest from the folder of a codec whose training has ended.
    ///
    /// # Errors
    /// If the file is missing, or is no manifest of a codec.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::of_kind(Kind::Codec, folder)
    }
}
