//! `baseline reconstruct`: captures through a baseline and back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::raw::Diagnostics;

use super::through;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::folder::{self, Names};
use crate::model::load_baseline;
use crate::monitor::Monitor;

/// What to take through a baseline, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Capture, or a folder of captures; `-` is stdin.
    pub input: PathBuf,
    /// Capture to write, or a new folder; `-` is stdout.
    pub output: PathBuf,
    /// Folder of a trained baseline.
    pub model: PathBuf,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// What one capture became.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the capture that was read.
    pub input: String,
    /// Path of the capture that was written.
    pub output: String,
    /// Name of the baseline.
    pub model: &'static str,
    /// Which rows decoded to no packet, and how far the others are off.
    pub diagnostics: Diagnostics,
}

/// Takes every capture through the baseline.
///
/// # Errors
/// If the model or a capture cannot be read, an output cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<folder::Outcomes<Outcome>, Error> {
    let baseline = load_baseline(&config.model, monitor)?;
    folder::take_each(
        &config.input,
        &config.output,
        Names::Kept,
        monitor,
        |input, output, monitor| {
            let diagnostics = through(&baseline, input, &config.read, Some(output), monitor)?;
            Ok(Outcome {
                input: name(input),
                output: name(output),
                model: baseline.model().name(),
                diagnostics,
            })
        },
    )
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
