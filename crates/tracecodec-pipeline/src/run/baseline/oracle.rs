//! `baseline oracle`: captures to rows of header fields and back, with nothing learned in between.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::compile::PayloadPolicy;
use tracecodec::raw::{Payload, RawOracle, Schema};

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::files::folder::{self, Names};
use crate::files::writer::{CaptureWriter, Origin};
use crate::monitor::Monitor;

/// What to take to rows and back, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Capture, or a folder of captures; `-` is stdin.
    pub input: PathBuf,
    /// Capture to write, or a new folder; `-` is stdout.
    pub output: PathBuf,
    /// The raw packet table.
    #[serde(default)]
    pub schema: Schema,
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
    /// Packets read.
    pub packets: u64,
    /// Rows, one for each packet in scope.
    pub rows: u64,
}

/// Takes every capture to rows and back.
///
/// # Errors
/// If a capture cannot be read or written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<folder::Outcomes<Outcome>, Error> {
    folder::take_each(
        &config.input,
        &config.output,
        Names::Kept,
        monitor,
        |input, output, monitor| {
            let mut oracle = RawOracle::new(config.schema, Payload::Absent);
            let mut capture = Capture::open(input, &config.read)?;
            let written = CaptureWriter::create(output, false)?;
            let mut written = written.synthetic(&Origin::File(input), PayloadPolicy::Truncate)?;
            capture.for_each(monitor, |packet| match oracle.step(packet) {
                Some(rendered) => written.write(&rendered),
                None => Ok(()),
            })?;
            written.finish(monitor)?;
            let counts = oracle.counts();
            Ok(Outcome {
                input: input.display().to_string(),
                output: output.display().to_string(),
                packets: counts.packets,
                rows: counts.rows(),
            })
        },
    )
}
