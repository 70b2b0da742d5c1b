//! How long a training lasts, and in what portions it works.

use crate::error::Error;

/// The settings that the training loop needs, whatever model it trains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    /// Seed of every random stream.
    pub(crate) seed: u64,
    /// Optimiser steps.
    pub(crate) steps: u64,
    /// Minutes, instead of steps.
    pub(crate) minutes: Option<f64>,
    /// Examples of a step.
    pub(crate) batch: usize,
    /// Examples of a step that are computed at a time, a divisor of `batch`. A GPU computes several
    /// such micro-batches at once.
    pub(crate) micro_batch: usize,
    /// Examples that are shuffled together and kept in memory, in chunks of 2,048; one more pool is
    /// read ahead.
    pub(crate) shuffle_pool: usize,
    /// Number of validations in the course of the training.
    pub(crate) validations: u32,
    /// Examples of a validation, spread evenly over the validation data.
    pub(crate) validation_examples: usize,
    /// Validations without an improvement after which the training stops.
    pub(crate) patience: u32,
}

impl Budget {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let whole = self.micro_batch > 0 && self.batch.is_multiple_of(self.micro_batch);
        if self.batch == 0 || !whole {
            return Err(Error::Config {
                name: "batch",
                value: self.batch.to_string(),
                reason: "must be a positive multiple of micro_batch",
            });
        }
        positive("shuffle_pool", self.shuffle_pool as f64)?;
        positive("steps", self.steps as f64)?;
        positive("patience", self.patience.into())?;
        positive("minutes", self.minutes.unwrap_or(1.0))
    }
}

/// Fails if a setting breaks its rule.
pub(crate) fn rule(
    name: &'static str,
    value: f64,
    holds: bool,
    reason: &'static str,
) -> Result<(), Error> {
    if holds && value.is_finite() {
        return Ok(());
    }
    Err(Error::Config {
        name,
        value: value.to_string(),
        reason,
    })
}

/// Fails if a setting is not positive.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<(), Error> {
    rule(name, value, value > 0.0, "must be positive")
}
