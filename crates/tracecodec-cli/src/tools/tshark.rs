//! What `tshark` says of a capture: its TCP events, and what it complains of.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tracecodec::pcap::{Container, Format, Packet, Reader, Writer};
use tracecodec::tcp::events::{Event, EventSet};
use tracecodec::wire::{self, TcpHeader, Transport};

use crate::cli::ReadArgs;
use crate::failure::Hint;

/// The TCP option that does nothing.
const NOP: u8 = 1;

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

/// What `tshark` says, by frame number; frames of which it says nothing are left out.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// TCP events.
    pub(crate) events: BTreeMap<u64, EventSet>,
    /// Complaints.
    pub(crate) complaints: BTreeMap<u64, String>,
}

/// Names of the events in a set, sorted.
pub(crate) fn names(set: EventSet) -> Vec<&'static str> {
    let mut names: Vec<_> = set.iter().map(Event::name).collect();
    names.sort_unstable();
    names
}

/// First line of `tshark --version`, without its full stop.
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
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default().trim_end();
    Ok(line.strip_suffix('.').unwrap_or(line).to_string())
}

/// The TCP events of a capture, and what `tshark` complains of.
///
/// # Errors
/// If `tshark` cannot be run, or fails.
pub(crate) fn analyse(capture: &Path) -> Result<Verdict> {
    let filter = format!("tcp.analysis.flags || {COMPLAINTS}");
    let fields = [
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.group",
        "_ws.expert.message",
    ];
    let mut verdict = Verdict::default();
    for line in dissect(capture, &CHECKS, &filter, &fields)?.lines() {
        take(line, &mut verdict);
    }
    Ok(verdict)
}

/// The TCP events of a capture by frame number, and nothing else.
///
/// # Errors
/// If `tshark` cannot be run, or fails.
pub(crate) fn events(capture: &Path) -> Result<BTreeMap<u64, EventSet>> {
    let lines = dissect(capture, &[], "tcp.analysis.flags", &[])?;
    let frames = lines.lines().filter_map(|line| {
        let (number, events) = line.split_once('\t')?;
        let events = event_set(events.split('\t'));
        Some((number.parse().ok()?, events)).filter(|(_, events)| !events.is_empty())
    });
    Ok(frames.collect())
}

/// The TCP events of a capture by the number of the packet, those of packets whose options were cut among them.
///
/// # Errors
/// If the capture cannot be read, or `tshark` cannot be run, or fails.
pub(crate) fn judged_events(capture: &Path) -> Result<BTreeMap<u64, EventSet>> {
    let folder = tempfile::tempdir()?;
    let filled = folder.path().join("filled.pcapng");
    fill_options(capture, &filled)?;
    events(&filled)
}

/// Refuses what `tshark` does not do: read a pipe that is read otherwise too, or sort.
pub(crate) fn check_input(paths: &[&Path], read: ReadArgs) -> Result<()> {
    for path in paths {
        if *path == Path::new("-") {
            return Err(Hint::error(
                "tshark cannot read stdin: it is read otherwise, too, and can be read only once",
                "name a file",
            ));
        }
    }
    if read.sort {
        return Err(Hint::error(
            "tshark takes packets in the order of the file",
            "leave --sort out, or sort the capture first: reordercap",
        ));
    }
    Ok(())
}

/// A line for each frame that the filter lets through: its number, the fields, and a field for each event.
fn dissect(capture: &Path, settings: &[&str], filter: &str, fields: &[&str]) -> Result<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(settings);
    command.args(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
    for field in fields {
        command.args(["-e", field]);
    }
    for event in Event::ALL {
        command
            .arg("-e")
            .arg(format!("tcp.analysis.{}", event.name()));
    }
    let output = command.output().context("cannot run tshark")?;
    // A capture that is cut short ends with status 2 after its packets.
    if !output.status.success() && output.stdout.is_empty() && output.status.code() != Some(2) {
        bail!(
            "tshark failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
    let events = event_set(events.iter().copied());
    if !events.is_empty() {
        verdict.events.insert(number, events);
    }
}

/// The events whose fields hold something; the fields are those of [`Event::ALL`].
fn event_set<'a>(fields: impl Iterator<Item = &'a str>) -> EventSet {
    Event::ALL
        .into_iter()
        .zip(fields)
        .filter(|(_, field)| !field.is_empty())
        .map(|(event, _)| event)
        .collect()
}

/// Copies a capture, with NOPs in the place of TCP options that were cut: `tshark` shows no event of a segment whose options it
/// cannot see, and no rule of its judgment looks at them.
///
/// # Errors
/// If the capture cannot be read or the copy cannot be written. Damage ends the copy.
pub(crate) fn fill_options(capture: &Path, filled: &Path) -> Result<()> {
    let mut reader = Reader::open(capture)?;
    let format = Format {
        container: Container::PcapNg,
        ..Format::of_path("")
    };
    let mut writer = Writer::create(filled, format)?;
    while let Some(Ok(packet)) = reader.next() {
        let missing = tcp_header(&packet).map_or(0, |tcp| tcp.options_len - tcp.options.len());
        let data = [packet.data, &[NOP; 40][..missing]].concat();
        writer.write(&Packet {
            data: &data,
            ..packet
        })?;
    }
    Ok(writer.finish()?)
}

/// The TCP header of a packet in scope.
pub(crate) fn tcp_header<'a>(packet: &Packet<'a>) -> Option<TcpHeader<'a>> {
    match wire::parse(packet).ok()?.transport {
        Transport::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}
