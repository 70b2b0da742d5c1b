//! A generator on disk: a directory with `weights.safetensors` and `generator.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;

use super::events::Events;
use super::familiarity::HeldOut;
use super::{Autoregressive, Shapes, networks};
use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::generator::description::Backbone;
use crate::model::{self, Files, Kind};
use crate::weights::{Precision, Weights};

const EMBEDDED_GENERATOR: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/built-in/generator/generator.json"
));
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/built-in/generator/weights.safetensors"
));

/// `generator.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// The backbone `autoregressive`.
    backbone: Backbone,
    /// Version of the action schema.
    schema_version: u32,
    /// BLAKE3 digest of the weights.
    weights_blake3: String,
    /// Shapes of the networks of all processes.
    shapes: Shapes,
    /// Names of the labels.
    labels: Vec<String>,
    /// Packets a second of the training traces without a label, then of those of each label.
    rates: Vec<Option<f64>>,
    /// How likely held-out packets are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_out: Option<HeldOut>,
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
        model::save(Kind::Generator, directory, &weights, |weights_blake3| {
            Description {
                backbone: Backbone::Autoregressive,
                schema_version: self.events.version(),
                weights_blake3,
                shapes: self.shapes.clone(),
                labels: self.labels.clone(),
                rates: self.rates.clone(),
                held_out: self.held_out,
                option_profiles: self.profiles.to_hex(),
            }
        })
    }

    /// BLAKE3 digest of the weights in full precision, which identifies the generator.
    pub fn digest(&self) -> String {
        files::digest(&self.weights.to_bytes(Precision::Full))
    }

    /// Reads a generator from a directory.
    ///
    /// # Errors
    /// If the directory holds no generator, a file is damaged, of another version or of another
    /// backbone, or the two files do not belong together.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        Self::from_files(&Files::open(Kind::Generator, directory)?)
    }

    /// The generator that ships with the program.
    ///
    /// # Panics
    /// Never: a test loads it.
    pub fn embedded() -> Self {
        Self::from_files(&Files::embedded(
            Kind::Generator,
            EMBEDDED_GENERATOR,
            EMBEDDED_WEIGHTS,
        ))
        .expect("the embedded generator is of this version")
    }

    fn from_files(files: &Files) -> Result<Self, Error> {
        Backbone::Autoregressive.check(files)?;
        let description: Description = files.description()?;
        description.shapes.check()?;
        let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
        if description.labels.len() > Self::MAX_LABELS
            || description.rates.len() != description.labels.len() + 1
            || !description.rates.iter().flatten().all(is_rate)
        {
            return Err(Error::format(&files.path, "labels and rates do not fit"));
        }
        let bytes = files.weights()?;
        files.check_size(description.shapes.least_weights(), &bytes)?;
        let profiles = OptionProfiles::from_hex(&description.option_profiles)
            .map_err(|e| Error::format(&files.path, e))?;
        let events = Events::new(description.schema_version);
        let fresh = networks(
            &events,
            &description.shapes,
            description.labels.len(),
            0,
            &Device::Cpu.open()?,
        );
        let mut weights = Weights::of(&fresh);
        files.load(&bytes, &description.weights_blake3, &mut weights)?;
        Ok(Self {
            held_out: description.held_out,
            ..Self::new(
                events,
                description.shapes,
                description.labels,
                description.rates,
                profiles,
                weights,
            )
        })
    }
}
