//! Captures and summaries as the commands write them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use tracecodec::lift::LiftCounts;
use tracecodec::output::{FileKind, Output};
use tracecodec::pcap::{Format, Packet, Precision, Timestamp, Writer};
use tracecodec_nn::latents::EntropyNats;
use tracecodec_pipeline::files::folder::Outcomes;

use crate::failure::Hint;

/// A capture being written.
pub(crate) struct CaptureOutput {
    writer: Writer,
    /// Packets written.
    pub(crate) packets: u64,
    /// Packets whose time the format cannot hold: before 1970, or after 2106 in pcap.
    pub(crate) times_out_of_range: u64,
}

impl CaptureOutput {
    /// Begins a capture.
    pub(crate) fn create(path: &Path, microseconds: bool) -> Result<Self> {
        check_name(path, FileKind::Capture)?;
        let mut format = Format::of_path(path);
        if microseconds {
            format.precision = Precision::Micros;
        }
        let writer = Writer::create(path, format)?;
        Ok(Self {
            writer,
            packets: 0,
            times_out_of_range: 0,
        })
    }

    /// Writes a packet. A time that the format cannot hold becomes the nearest that it can, and is counted.
    pub(crate) fn write(&mut self, packet: &Packet<'_>) -> Result<()> {
        self.packets += 1;
        let written = match self.writer.write(packet) {
            Err(tracecodec::Error::TimeOutOfRange(_)) => {
                self.times_out_of_range += 1;
                let time = packet
                    .time
                    .clamp(Timestamp(0), Timestamp::new(u32::MAX.into(), 0));
                self.writer.write(&Packet { time, ..*packet })
            }
            written => written,
        };
        Ok(written?)
    }

    /// Writes what is left and puts the file in its place.
    pub(crate) fn finish(self) -> Result<()> {
        if self.times_out_of_range > 0 {
            eprintln!(
                "warning: {} packets have a time that the format cannot hold, and got the nearest; pcapng holds more",
                self.times_out_of_range
            );
        }
        Ok(self.writer.finish()?)
    }
}

/// Refuses `--json` beside output on stdout.
pub(crate) fn check_stdout(json: bool, output: &Path) -> Result<()> {
    if json && output == Path::new("-") {
        return Err(Hint::error(
            "--json and output to - both want stdout",
            "write the output to a file",
        ));
    }
    Ok(())
}

/// The manifest beside an artifact: its name with `.json` behind it.
pub(crate) fn manifest_path(artifact: &Path) -> PathBuf {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Refuses an output that would take the place of an input: nothing can bring the original back from it.
pub(crate) fn check_distinct(inputs: &[&Path], output: &Path) -> Result<()> {
    let place = |path: &Path| {
        std::fs::canonicalize(path)
            .ok()
            .filter(|path| path.is_file())
    };
    let target = place(output);
    match inputs
        .iter()
        .find(|input| target.is_some() && place(input) == target)
    {
        Some(input) => Err(Hint::error(
            format!("{}: input and output are the same file", input.display()),
            "write to another file: the original cannot be had back from the output",
        )),
        None => Ok(()),
    }
}

/// Refuses an output whose name says another kind of file than is written.
pub(crate) fn check_name(path: &Path, kind: FileKind) -> Result<()> {
    let named = kind.check_name(path);
    named.map_err(|error| Hint::error(error.to_string(), error.hint()))
}

/// Refuses stdin or stdout where a file is needed.
pub(crate) fn check_file(path: &Path, what: &str) -> Result<()> {
    if path == Path::new("-") {
        return Err(Hint::error(
            format!("{what} cannot be a pipe"),
            "name a file",
        ));
    }
    Ok(())
}

/// Prints a summary: as JSON on stdout, or as the line given on stderr.
pub(crate) fn print_summary(json: bool, summary: &impl Serialize, line: &str) -> Result<()> {
    if json {
        print_json(summary)
    } else {
        eprintln!("{line}");
        Ok(())
    }
}

/// Prints what became of a capture or of the captures of a folder: as JSON on stdout, or as a line
/// each on stderr.
pub(crate) fn print_outcomes<O: Serialize>(
    json: bool,
    outcomes: &Outcomes<O>,
    line: impl Fn(&O) -> String,
) -> Result<()> {
    if json {
        return print_json(outcomes);
    }
    outcomes
        .iter()
        .for_each(|outcome| eprintln!("{}", line(outcome)));
    Ok(())
}

/// Writes JSON to a file, which appears whole.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    let mut output = Output::create(path)?;
    output.write_all(text.as_bytes())?;
    Ok(output.finish()?)
}

/// Text from elsewhere for a terminal: without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Prints JSON on stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Prints text on stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The summary line of a lift: what was taken, what was left out and why.
pub(crate) fn lift_line(counts: &LiftCounts) -> String {
    let mut line = format!(
        "{} of {} packets in {} flows",
        counts.actions(),
        counts.packets,
        counts.flows
    );
    if !counts.skipped.is_empty() {
        let reasons: Vec<_> = counts
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let _ = write!(line, "; left out: {}", reasons.join(", "));
    }
    if counts.steps_back > 0 {
        let _ = write!(line, "; {} steps back in time", counts.steps_back);
    }
    if counts.unknown_layouts > 0 {
        let _ = write!(
            line,
            "; {} TCP option layouts kept by length only",
            counts.unknown_layouts
        );
    }
    if counts.evictions > 0 {
        let _ = write!(line, "; {} flows lost their slot", counts.evictions);
    }
    line
}

/// The summary line's part on what the packets cost without a model of the traffic.
pub(crate) fn entropy_part(entropy: EntropyNats) -> String {
    format!(
        " (without a model: entropy {:.1}, code {:.1})",
        entropy.plug_in, entropy.code_length
    )
}

/// The summary line's part on legalisations; empty if there were none.
pub(crate) fn legalisation_line(counts: &BTreeMap<&'static str, u64>) -> String {
    let kinds: Vec<_> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    if kinds.is_empty() {
        String::new()
    } else {
        format!("; made legal: {}", kinds.join(", "))
    }
}
