//! The best model of a training, and the history of its validations.

use std::path::{Path, PathBuf};

use super::Finished;
use super::history::History;
use super::task::{Task, Validated};
use crate::error::Error;
use crate::weights::Weights;

/// Validations of a training, and the best model so far.
pub(super) struct Validations<V> {
    directory: PathBuf,
    history: History,
    validations: Vec<V>,
    best: Option<Best<V>>,
    since_best: u32,
}

/// The best model so far.
struct Best<V> {
    validation: V,
    /// Digest of the model's weights file.
    digest: String,
    weights: Vec<f32>,
}

impl<V: Validated> Validations<V> {
    /// No validations yet; the files are written into this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            history: History::new(directory),
            validations: Vec::new(),
            best: None,
            since_best: 0,
        }
    }

    /// Restores the validations of a resumed training, and writes its best model, which the task
    /// holds.
    pub(super) fn restore(
        &mut self,
        validations: &[V],
        task: &impl Task<Validation = V>,
        weights: &Weights,
    ) -> Result<(), Error> {
        for validation in validations {
            if self.note(validation)? {
                self.keep(validation.clone(), String::new(), weights);
            }
        }
        if let Some(best) = &mut self.best {
            best.digest = task.save(&self.directory)?;
        }
        Ok(())
    }

    /// Records a validation of the model that the task holds, and saves the model if it is the best
    /// one.
    pub(super) fn record(
        &mut self,
        validation: V,
        task: &impl Task<Validation = V>,
        weights: &Weights,
    ) -> Result<(), Error> {
        if self.note(&validation)? {
            self.save(validation, task, weights)?;
        }
        Ok(())
    }

    /// Writes a validation into the history, and returns whether it is the best one.
    fn note(&mut self, validation: &V) -> Result<bool, Error> {
        self.history.push(validation)?;
        self.validations.push(validation.clone());
        self.since_best += 1;
        let best = self
            .best
            .as_ref()
            .map_or(f64::INFINITY, |best| best.validation.loss());
        Ok(validation.loss() < best)
    }

    fn save(
        &mut self,
        validation: V,
        task: &impl Task<Validation = V>,
        weights: &Weights,
    ) -> Result<(), Error> {
        let digest = task.save(&self.directory)?;
        self.keep(validation, digest, weights);
        Ok(())
    }

    fn keep(&mut self, validation: V, digest: String, weights: &Weights) {
        self.since_best = 0;
        self.best = Some(Best {
            validation,
            digest,
            weights: weights.values.to_vec(),
        });
    }

    /// All validations so far.
    pub(super) fn all(&self) -> &[V] {
        &self.validations
    }

    /// Weights of the best model so far; empty if there is none.
    pub(super) fn best_weights(&self) -> &[f32] {
        self.best.as_ref().map_or(&[], |best| &best.weights)
    }

    /// Validations since the best one.
    pub(super) fn since_best(&self) -> u32 {
        self.since_best
    }

    /// The best model. A training ends with a validation, so there is one.
    pub(super) fn finish(self) -> Finished<V> {
        let best = self.best.expect("a finite loss is less than none");
        Finished {
            validations: self.validations,
            best: best.validation,
            digest: best.digest,
        }
    }
}
