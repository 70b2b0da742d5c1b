//! `flows`: the sessions of a capture, a row each, as Zeek's `conn.log`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::conn::{ConnFormat, ConnTracker, ConnWriter};
use tracecodec::wire;

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::files::claim;
use crate::monitor::Monitor;

/// Which sessions to write, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures to read one after the other as one; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// File to write, whose name decides the format: `.log` and `.tsv` are Zeek's `conn.log`,
    /// `.csv`, `.jsonl`, `.parquet`; `-` is stdout, in Zeek's format.
    pub output: PathBuf,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Packets read.
    pub packets_read: u64,
    /// Sessions, each a row.
    pub sessions: u64,
    /// Sessions by `conn_state`.
    pub states: BTreeMap<&'static str, u64>,
    /// Packets left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

/// Writes a row for each session of the captures.
///
/// # Errors
/// If the name of the output says no format, a capture cannot be read, the rows cannot be written,
/// or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::stdin_once(&config.inputs)?;
    claim::distinct(&config.inputs, &config.output)?;
    let format = ConnFormat::of_name(&config.output).ok_or_else(|| {
        Error::refused(
            format!("{}: no format has this name", config.output.display()),
            "name it conn.log, or end it in .csv, .jsonl or .parquet",
        )
    })?;
    let mut outcome = Outcome {
        packets_read: 0,
        sessions: 0,
        states: BTreeMap::new(),
        skipped: BTreeMap::new(),
    };
    let mut writer = ConnWriter::create(&config.output, format)?;
    let mut tracker = ConnTracker::new();
    for input in &config.inputs {
        let mut capture = Capture::open(input, &config.read)?;
        capture.for_each(monitor, |packet| {
            outcome.packets_read += 1;
            match wire::parse(packet) {
                Ok(headers) => {
                    for record in tracker.observe(&headers, packet.time) {
                        *outcome.states.entry(record.state.name()).or_default() += 1;
                        writer.write(record)?;
                    }
                }
                Err(reason) => *outcome.skipped.entry(reason.name()).or_default() += 1,
            }
            Ok(())
        })?;
    }
    outcome.sessions = tracker.sessions();
    for record in tracker.finish() {
        *outcome.states.entry(record.state.name()).or_default() += 1;
        writer.write(record)?;
    }
    writer.finish()?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    fn config(output: PathBuf) -> Config {
        Config {
            inputs: vec![data("example.pcap")],
            output,
            ..Config::default()
        }
    }

    #[test]
    fn test_every_format_has_a_row_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |name: &str, header: usize| {
            let path = folder.path().join(name);
            let outcome = run(&config(path.clone()), &mut Silent).unwrap();
            assert_eq!(outcome.states.values().sum::<u64>(), outcome.sessions);
            let lines = fs::read_to_string(path).unwrap().lines().count();
            assert_eq!(lines as u64, outcome.sessions + header as u64, "{name}");
        };
        rows("conn.log", 7);
        rows("conn.csv", 1);
        rows("conn.jsonl", 0);
    }

    #[test]
    fn test_the_same_capture_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            run(&config(path.clone()), &mut Silent).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(write("a.parquet"), write("b.parquet"));
        assert_eq!(write("a.log"), write("b.log"));
    }

    #[test]
    fn test_a_name_of_no_format_is_refused_and_a_stop_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(&config(folder.path().join("conn.txt")), &mut Silent).unwrap_err();
        assert!(error.hint().unwrap().contains("conn.log"));
        let stopped = Config {
            inputs: vec![data("train/crowd.pcap.zst")],
            ..config(folder.path().join("conn.log"))
        };
        let error = run(&stopped, &mut Stopping::after(1)).unwrap_err();
        assert!(matches!(error, Error::Interrupted));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
