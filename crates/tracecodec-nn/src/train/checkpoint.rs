//! A checkpoint: everything that a training needs to continue as if it had never stopped.
//!
//! It is one safetensors file, written atomically: the weights, the optimiser's moments, the best
//! weights so far, the moving average if one is kept, and the rest as JSON in the metadata. Random
//! numbers need no state: each stream is determined by seed, purpose and step.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::deadline::Spent;
use super::optimiser::Moments;
use crate::error::Error;
use crate::files;
use crate::model;
use crate::weights::floats;

/// Key of the JSON in the metadata.
const KEY: &str = "tracecodec.checkpoint";

/// Name of the moving average's tensor, which only some trainings have.
const AVERAGE: &str = "average";

/// The JSON part of a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Standing<V> {
    /// Digest of settings and data.
    pub(super) run: String,
    pub(super) steps: u64,
    /// Seconds spent in steps.
    pub(super) seconds: f64,
    /// Time in all; `None` unless the budget is in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<Spent>,
    /// Losses since the last validation.
    pub(super) losses: Losses,
    pub(super) validations: Vec<V>,
    /// Whether these weights are validated before the next step: the training was stopped in their
    /// validation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_due: bool,
}

/// Sum and number of some losses.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Losses {
    sum: f64,
    count: u64,
}

impl Losses {
    pub(super) fn add(&mut self, loss: f64) {
        self.sum += loss;
        self.count += 1;
    }

    /// Mean of the losses; 0 if there is none.
    pub(super) fn mean(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// The whole content of a checkpoint.
#[derive(Debug)]
pub(super) struct State<V> {
    pub(super) standing: Standing<V>,
    pub(super) weights: Vec<f32>,
    pub(super) moments: Moments,
    /// Weights of the best validation; empty before the first validation.
    pub(super) best: Vec<f32>,
    /// Moving average of the weights; `None` if none is kept.
    pub(super) average: Option<Vec<f32>>,
}

/// Removes the checkpoint, if there is one.
pub(super) fn remove(directory: &Path) -> Result<(), Error> {
    files::remove(&path(directory))
}

/// Path of the checkpoint in a directory.
fn path(directory: &Path) -> PathBuf {
    directory.join(model::CHECKPOINT)
}

impl<V: Serialize + DeserializeOwned> State<V> {
    /// Writes the checkpoint.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = path(directory);
        let standing =
            serde_json::to_string(&self.standing).map_err(|e| Error::format(&path, e))?;
        let (first, second) = self.moments.parts();
        let mut columns = vec![
            ("weights", self.weights.as_slice()),
            ("first_moment", first),
            ("second_moment", second),
            ("best", self.best.as_slice()),
        ];
        columns.extend(
            self.average
                .iter()
                .map(|values| (AVERAGE, values.as_slice())),
        );
        let columns = columns.into_iter().map(|(name, values)| {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, values.len(), bytes)
        });
        let columns: Vec<_> = columns.collect();
        let views = columns.iter().map(|(name, len, bytes)| {
            let view = TensorView::new(Dtype::F32, vec![*len], bytes);
            (*name, view.expect("the bytes are as many as the floats"))
        });
        let metadata = HashMap::from([(KEY.to_string(), standing)]);
        let file =
            safetensors::serialize(views, Some(metadata)).map_err(|e| Error::format(&path, e))?;
        files::write(&path, &file)
    }

    /// Reads a checkpoint, which must belong to this `run`, have this number of weights, and hold
    /// their average if `is_averaged`.
    pub(super) fn read(
        directory: &Path,
        run: &str,
        weights: usize,
        is_averaged: bool,
    ) -> Result<Self, Error> {
        let path = path(directory);
        let bytes = files::read(&path)?;
        let bad = |reason: String| Error::format(&path, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().as_ref();
        let standing = metadata.and_then(|metadata| metadata.get(KEY));
        let standing = standing.ok_or_else(|| bad(format!("no metadata {KEY}")))?;
        let standing: Standing<V> =
            serde_json::from_str(standing).map_err(|e| bad(e.to_string()))?;
        if standing.run != run {
            return Err(Error::OtherRun(path.clone()));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let column = |name: &str| -> Result<Vec<f32>, Error> {
            let view = file.tensor(name).map_err(|e| bad(e.to_string()))?;
            Ok(floats(view.data()).collect())
        };
        let state = Self {
            weights: column("weights")?,
            moments: Moments::of(column("first_moment")?, column("second_moment")?),
            best: column("best")?,
            average: file
                .tensor(AVERAGE)
                .ok()
                .map(|view| floats(view.data()).collect()),
            standing,
        };
        let (first, second) = state.moments.parts();
        let is_whole = state.weights.len() == weights
            && first.len() == weights
            && second.len() == weights
            && state.average.as_ref().map(Vec::len) == is_averaged.then_some(weights)
            && (state.best.is_empty() || state.best.len() == weights)
            && state.best.is_empty() == state.standing.validations.is_empty();
        if is_whole {
            Ok(state)
        } else {
            Err(bad("tensors of another length".to_string()))
        }
    }
}
