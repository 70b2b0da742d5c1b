//! The history of a training: one line of JSON for each validation.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::files;
use crate::model;

/// Reads the validations of a training from its directory.
///
/// # Errors
/// If the file is missing or empty, or one of its lines is no validation.
pub fn read_history<V: DeserializeOwned>(directory: &Path) -> Result<Vec<V>, Error> {
    let path = directory.join(model::HISTORY);
    let bytes = files::read(&path)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| Error::format(&path, e))?;
    let validations = text.lines().enumerate().map(|(index, line)| {
        serde_json::from_str(line)
            .map_err(|e| Error::format(&path, format!("line {}: {e}", index + 1)))
    });
    let validations: Vec<V> = validations.collect::<Result<_, _>>()?;
    if validations.is_empty() {
        return Err(Error::format(&path, "no validation in it"));
    }
    Ok(validations)
}

/// `history.jsonl`, rewritten as a whole at each validation.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    lines: Vec<u8>,
}

impl History {
    /// An empty history in this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            path: directory.join(model::HISTORY),
            lines: Vec::new(),
        }
    }

    /// Appends a validation.
    pub(super) fn push(&mut self, validation: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.lines, validation)
            .map_err(|e| Error::format(&self.path, e))?;
        self.lines.push(b'\n');
        files::write(&self.path, &self.lines)
    }
}
