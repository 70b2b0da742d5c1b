//! `compile`: packet actions to a capture.

use std::iter;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::artifact::{ActionsReader, Labels};
use tracecodec::compile::{Compiler, SplitCounts};
use tracecodec::pcap::{Packet, Reader};

use crate::error::Error;
use crate::files::claim;
use crate::files::writer::{CaptureWriter, Origin};
use crate::monitor::{Monitor, Progress, Warning};
use crate::realise::{Realise, Realised};

/// Actions between two reports of progress.
const PROGRESS_STEP: u64 = 4096;

/// What to compile, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Actions to read (Parquet).
    pub input: PathBuf,
    /// An actions file or a lift manifest whose metadata stand in for those that the input has
    /// lost. Without it, the manifest beside the input does.
    #[serde(default)]
    pub like: Option<PathBuf>,
    /// Capture to write; `-` is stdout.
    pub output: PathBuf,
    /// Write a capture for each session, the client first, into the folder `output`.
    #[serde(default)]
    pub split_flows: bool,
    /// How actions are realised.
    #[serde(flatten)]
    pub realise: Realise,
}

/// What was compiled.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the actions.
    pub input: String,
    /// Path of the capture.
    pub output: String,
    /// Salt of the synthetic endpoints.
    pub salt: u64,
    /// Packets written.
    pub packets: u64,
    /// Segments beyond the MTU, and what took their place; `None` without an MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitCounts>,
    /// What the compiler had to change, and what became of payload.
    #[serde(flatten)]
    pub realised: Realised,
}

/// Compiles packet actions to a capture between synthetic endpoints.
///
/// # Errors
/// If the actions cannot be read, the capture cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::named_file(&config.input, "actions")?;
    let inputs: Vec<&PathBuf> = iter::once(&config.input).chain(&config.like).collect();
    claim::distinct(&inputs, &config.output)?;
    let reader = ActionsReader::open_like(&config.input, config.like.as_deref());
    let reader = reader.map_err(|error| explain(error, &config.input))?;
    if !reader.ignored_columns().is_empty() {
        let columns = reader.ignored_columns().join(", ");
        let input = config.input.display();
        monitor.warn(&Warning::new(format!(
            "{input}: columns ignored: {columns}"
        )));
    }
    let profiles = reader.profiles().clone();
    let rows = reader.rows();
    let realise = config.realise.config(reader.schema())?;
    let microseconds = config.realise.microseconds;
    let output = CaptureWriter::of(&config.output, microseconds, config.split_flows)?;
    let output = output.splitting(config.realise.splitter()?);
    let mut output = output.synthetic(&Origin::File(&config.input), realise.payload)?;
    let mut compiler = Compiler::new(realise, reader.epoch().unwrap_or_default());
    let mut labels = Labels::open(&config.input)?;
    for action in reader {
        let label = match &mut labels {
            Some(labels) => labels.next_label()?,
            None => None,
        };
        let comment = label.map(|label| label.as_label().to_string());
        output.write(&Packet {
            comment: comment.as_deref().unwrap_or_default(),
            ..compiler.compile(&action?, &profiles)
        })?;
        if output.packets() % PROGRESS_STEP == 0 {
            monitor.step(&Progress {
                stage: "compiling",
                done: output.packets(),
                total: Some(rows),
                detail: "packets",
            })?;
        }
    }
    let (packets, split) = (output.packets(), output.split());
    output.finish(monitor)?;
    Ok(Outcome {
        input: config.input.display().to_string(),
        output: config.output.display().to_string(),
        salt: realise.salt.0,
        packets,
        split,
        realised: Realised::of(&compiler),
    })
}

/// Explains why a file cannot be read as actions, if it is a capture.
fn explain(error: tracecodec::Error, input: &Path) -> Error {
    if Reader::open(input).is_err() {
        return error.into();
    }
    Error::refused(
        format!("{}: this is a capture, not actions", input.display()),
        "lift makes actions of a capture",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    /// An actions file that another tool rewrote, from the tests of the symbolic crate.
    fn rewritten(name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        folder.join("../tracecodec/tests/rewritten").join(name)
    }

    #[test]
    fn test_lost_metadata_come_from_like() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            input: rewritten("duckdb.parquet"),
            output: folder.path().join("out.pcap"),
            ..Config::default()
        };
        let mut monitor = Stopping::never();
        let error = run(&config, &mut monitor).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("`like`")));
        assert!(!config.output.exists());

        config.like = Some(rewritten("lifted.parquet.json"));
        assert_eq!(run(&config, &mut monitor).unwrap().packets, 200);
        let warning = format!("{}: columns ignored: number", config.input.display());
        let warnings = monitor.warnings.iter().map(|warning| &warning.message);
        assert!(warnings.eq([&warning]));
    }

    #[test]
    fn test_a_capture_is_no_actions_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            input: data("example.pcap"),
            output: folder.path().join("out.pcap"),
            ..Config::default()
        };
        let error = run(&config, &mut Silent).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("this is a capture, not actions")
        );
        assert!(!config.output.exists());
    }

    #[test]
    fn test_like_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let like = folder.path().join("lifted.parquet.json");
        std::fs::copy(rewritten("lifted.parquet.json"), &like).unwrap();
        let config = Config {
            input: rewritten("duckdb.parquet"),
            like: Some(like.clone()),
            output: like.clone(),
            ..Config::default()
        };
        assert!(run(&config, &mut Stopping::never()).is_err());
        let manifest = tracecodec::artifact::LiftManifest::read(&like);
        assert!(manifest.is_ok());
    }
}
