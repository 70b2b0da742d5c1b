//! `manifest.json`: what the weights of a model depend on, and the digest of the weights.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracecodec::artifact::TOOL;

use super::Report;
use crate::error::Error;
use crate::files;
use crate::model::{self, Kind};

/// Version of the manifest's format.
const VERSION: u32 = 1;

/// Manifest of a training that has ended. `origin` holds what is specific to the kind of model: its
/// settings and its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest<O, V> {
    /// Name of the format, such as `tracecodec.training`.
    pub format: String,
    /// Version of the format, 1.
    pub version: u32,
    /// Name and version of the program.
    pub tool: String,
    /// Settings and data.
    #[serde(flatten)]
    pub origin: O,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Whether the training stopped because patience ran out before the budget did; `None` in a
    /// codec's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_early: Option<bool>,
    /// Validation of the weights that were kept.
    pub best: V,
    /// Number of weights; 0 if the program that wrote the manifest did not count them.
    #[serde(default)]
    pub weight_count: usize,
    /// BLAKE3 digest of the weights file.
    pub weights_blake3: String,
}

impl<O: Serialize + DeserializeOwned, V: Clone + Serialize + DeserializeOwned> Manifest<O, V> {
    /// The manifest of a training.
    pub(super) fn new(
        kind: Kind,
        origin: O,
        report: &Report<V>,
        weight_count: usize,
        digest: String,
    ) -> Self {
        Self {
            format: kind.training_format().to_string(),
            version: VERSION,
            tool: TOOL.to_string(),
            origin,
            steps: report.steps,
            stopped_early: (kind != Kind::Codec).then_some(report.stopped_early),
            best: report.best.clone(),
            weight_count,
            weights_blake3: digest,
        }
    }

    /// Reads the manifest from the folder of a model of this kind.
    pub(crate) fn of_kind(kind: Kind, folder: &Path) -> Result<Self, Error> {
        let path = folder.join(model::MANIFEST);
        let bytes = files::read(&path)?;
        files::check_format(&path, &bytes, kind.training_format(), VERSION)?;
        files::parse(&path, &bytes)
    }

    /// Writes the manifest into the folder of a model.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        files::write_json(&folder.join(model::MANIFEST), self)
    }
}
