//! What `tshark` says of a capture: its TCP events, and what it complains of.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::failure::Hint;

/// The eight TCP events, by the name after `tcp.analysis.`.
pub(crate) const EVENTS: [&str; 8] = [
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "lost_segment",
    "ack_lost_segment",
    "duplicate_ack",
    "out_of_order",
    "zero_window",
];

/// Settings that make `tshark` check what it does not by default.
const CHECKS: [&str; 6] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
];

/// Malformed packets, bad checksums, and whatever else it calls an error (wrong lengths among them).
const COMPLAINTS: &str =
    "_ws.malformed || _ws.expert.group == \"Checksum\" || _ws.expert.severity == \"Error\"";

/// Events of a frame: bit `i` stands for `EVENTS[i]`.
pub(crate) type EventSet = u8;

/// What `tshark` says, by frame number; frames of which it says nothing are left out.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// TCP events.
    pub(crate) events: BTreeMap<u64, EventSet>,
    /// Complaints.
    pub(crate) complaints: BTreeMap<u64, String>,
}

/// Names of the events in a set.
pub(crate) fn names(set: EventSet) -> Vec<&'static str> {
    (0..EVENTS.len())
        .filter(|i| set >> i & 1 == 1)
        .map(|i| EVENTS[i])
        .collect()
}

/// First line of `tshark --version`.
///
/// # Errors
/// If it cannot be run.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("tshark")
        .arg("--version")
        .output()
        .map_err(|error| {
            Hint::error(
                format!("cannot run tshark: {error}"),
                "install it (Debian: apt-get install tshark)",
            )
        })?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_string())
}

/// Runs `tshark` on a capture.
///
/// # Errors
/// If it cannot be run, or fails.
pub(crate) fn analyse(capture: &Path) -> Result<Verdict> {
    let filter = format!("tcp.analysis.flags || {COMPLAINTS}");
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(capture)
        .args(CHECKS)
        .args(["-Y", &filter, "-T", "fields"]);
    command.args([
        "-e",
        "frame.number",
        "-e",
        "_ws.malformed",
        "-e",
        "_ws.expert.severity",
    ]);
    command.args(["-e", "_ws.expert.group", "-e", "_ws.expert.message"]);
    for event in EVENTS {
        command.arg("-e").arg(format!("tcp.analysis.{event}"));
    }
    let output = command.output().context("cannot run tshark")?;
    // A capture that is cut short ends with status 2 after its packets.
    if !output.status.success() && output.stdout.is_empty() && output.status.code() != Some(2) {
        bail!(
            "tshark failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut verdict = Verdict::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        take(line, &mut verdict);
    }
    Ok(verdict)
}

fn take(line: &str, verdict: &mut Verdict) {
    /// Values of the expert fields as `tshark` prints them.
    const ERROR: &str = "8388608";
    const CHECKSUM: &str = "16777216";
    let fields: Vec<_> = line.split('\t').collect();
    let [number, malformed, severity, group, message, events @ ..] = &fields[..] else {
        return;
    };
    let Ok(number) = number.parse() else { return };
    let has = |field: &str, value| field.split(',').any(|each| each == value);
    if !malformed.is_empty() || has(severity, ERROR) || has(group, CHECKSUM) {
        verdict.complaints.insert(number, message.to_string());
    }
    let set = events
        .iter()
        .enumerate()
        .filter(|(_, event)| !event.is_empty())
        .fold(0, |set, (i, _)| set | 1 << i);
    if set != 0 {
        verdict.events.insert(number, set);
    }
}
