//! `baseline diagnose`: decoded rows beside their originals, before they are packets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::raw::Diagnostics;

use super::through;
use crate::error::Error;
use crate::files::{ReadPolicy, folder};
use crate::model::load_baseline;
use crate::monitor::Monitor;

/// What to diagnose.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures, or folders of captures; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// Folder of a trained baseline.
    pub model: PathBuf,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// Invalid rows by reason, and of the others the share of categories and the mean error of numbers.
pub type Outcome = Diagnostics;

/// Takes every capture through the baseline and judges its rows.
///
/// # Errors
/// If the model or a capture cannot be read, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let baseline = load_baseline(&config.model, monitor)?;
    let mut diagnostics = Diagnostics::default();
    for input in folder::captures_of(&config.inputs, monitor)? {
        diagnostics.merge(&through(&baseline, &input, &config.read, None, monitor)?);
    }
    Ok(diagnostics)
}
