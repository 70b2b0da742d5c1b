//! What a training leaves behind: the best codec, its history and a manifest.

use std::path::{Path, PathBuf};

use super::history::{History, Validation};
use super::manifest::Manifest;
use super::{Data, TrainConfig, state};
use crate::codec::Codec;
use crate::error::Error;
use crate::files;
use crate::weights::Precision;

/// The directory of a training, and the best codec so far.
pub(super) struct Checkpoints {
    directory: PathBuf,
    precision: Precision,
    history: History,
    validations: Vec<Validation>,
    best: Option<Best>,
    since_best: u32,
}

/// The codec to beat.
struct Best {
    validation: Validation,
    /// Digest of its file.
    digest: String,
    weights: Vec<f32>,
}

impl Checkpoints {
    /// Writes into this directory.
    pub(super) fn new(directory: &Path, precision: Precision) -> Self {
        Self {
            directory: directory.to_path_buf(),
            precision,
            history: History::new(directory),
            validations: Vec::new(),
            best: None,
            since_best: 0,
        }
    }

    /// Takes the validations of a training that goes on, and its best codec.
    pub(super) fn restore(
        &mut self,
        validations: &[Validation],
        best: Option<&Codec>,
    ) -> Result<(), Error> {
        for &validation in validations {
            if self.note(validation)? {
                self.keep(validation, String::new(), Vec::new());
            }
        }
        if let (Some(codec), Some(best)) = (best, &self.best) {
            self.save(best.validation, codec)?;
        }
        Ok(())
    }

    /// Records a validation, and saves the codec if it is the best one.
    pub(super) fn record(&mut self, validation: Validation, codec: &Codec) -> Result<(), Error> {
        if self.note(validation)? {
            self.save(validation, codec)?;
        }
        Ok(())
    }

    /// Writes a validation into the history; whether it is the best one.
    fn note(&mut self, validation: Validation) -> Result<bool, Error> {
        self.history.push(&validation)?;
        self.validations.push(validation);
        self.since_best += 1;
        let best = self.best.as_ref();
        let best = best.map_or(f64::INFINITY, |best| best.validation.loss);
        Ok(validation.loss < best)
    }

    fn save(&mut self, validation: Validation, codec: &Codec) -> Result<(), Error> {
        let digest = codec.save(&self.directory, self.precision)?;
        self.keep(validation, digest, codec.weights().values);
        Ok(())
    }

    fn keep(&mut self, validation: Validation, digest: String, weights: Vec<f32>) {
        if self
            .best
            .as_ref()
            .is_none_or(|best| best.validation != validation)
        {
            self.since_best = 0;
        }
        self.best = Some(Best {
            validation,
            digest,
            weights,
        });
    }

    /// The validations so far.
    pub(super) fn validations(&self) -> &[Validation] {
        &self.validations
    }

    /// Weights of the best codec so far; empty if there is none.
    pub(super) fn best_weights(&self) -> &[f32] {
        self.best.as_ref().map_or(&[], |best| &best.weights)
    }

    /// Validations since the best one.
    pub(super) fn since_best(&self) -> u32 {
        self.since_best
    }

    /// Writes the manifest, takes the checkpoint away, and gives back the best validation.
    pub(super) fn finish(
        self,
        config: &TrainConfig,
        codec: &Codec,
        data: &Data,
        steps: u64,
    ) -> Result<Validation, Error> {
        let best = self.best.expect("a training ends with a validation");
        let manifest = Manifest::new(config, codec, data, steps, best.validation, &best.digest);
        manifest.write(&self.directory)?;
        files::remove(&state::path(&self.directory))?;
        Ok(best.validation)
    }
}
