//! The history of a training: one line of JSON for each validation.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;

/// One validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// The objective on the validation packets, with the final β: nats of reconstruction a packet + β KL.
    pub loss: f64,
    /// Cross-entropy of the discrete fields, in nats a packet.
    pub fields: f64,
    /// Cross-entropy of the time, in nats a packet.
    pub time: f64,
    /// Divergence of the posterior from the unit Gaussian, in nats a packet.
    pub kl: f64,
    /// Share of active fields that come back.
    pub accuracy: f64,
    /// Share of packets that come back whole, time aside.
    pub exact: f64,
    /// Mean objective of the training packets since the last validation, augmentation and noise included.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// Accuracy, whole packets and rate, as in `accuracy 99.350 %, whole packets 87.90 %, 124 nats`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accuracy, exact) = (100.0 * self.accuracy, 100.0 * self.exact);
        write!(
            f,
            "accuracy {accuracy:.3} %, whole packets {exact:.2} %, {:.0} nats",
            self.kl
        )
    }
}

/// Name of the file in the directory of a training.
const FILE: &str = "history.jsonl";

/// Reads the validations of a training from its directory.
///
/// # Errors
/// If the file is missing, holds none, or a line of it is no validation.
pub fn read_history(directory: &Path) -> Result<Vec<Validation>, Error> {
    let path = directory.join(FILE);
    let bytes = files::read(&path)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| Error::format(&path, e))?;
    let validations = text.lines().enumerate().map(|(index, line)| {
        serde_json::from_str(line)
            .map_err(|e| Error::format(&path, format!("line {}: {e}", index + 1)))
    });
    let validations: Vec<Validation> = validations.collect::<Result<_, _>>()?;
    if validations.is_empty() {
        return Err(Error::format(&path, "no validation in it"));
    }
    Ok(validations)
}

/// `history.jsonl`, rewritten whole at each validation.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    lines: Vec<u8>,
}

impl History {
    /// A history in this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
            lines: Vec::new(),
        }
    }

    /// Adds a validation.
    pub(super) fn push(&mut self, validation: &Validation) -> Result<(), Error> {
        serde_json::to_writer(&mut self.lines, validation)
            .map_err(|e| Error::format(&self.path, e))?;
        self.lines.push(b'\n');
        files::write(&self.path, &self.lines)
    }
}
