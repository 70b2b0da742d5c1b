//! `tshark`: the TCP events and the complaints that it reports of a capture.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tracecodec::pcap::Packet;
use tracecodec::tcp::events::{Event, EventSet};
use tracecodec::wire::{self, TcpHeader, Transport};

use super::{copy, process, temporary_folder};
use crate::error::Error;
use crate::files::{ReadPolicy, is_pipe};
use crate::monitor::Monitor;

/// Settings that make `tshark` check what it does not by default.
const CHECKS: [&str; 6] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
];

/// Malformed packets, bad checksums, and whatever else it calls an error (wrong lengths among
/// them).
const COMPLAINTS: &str =
    "_ws.malformed || _ws.expert.group == \"Checksum\" || _ws.expert.severity == \"Error\"";

/// What `tshark` 4.0 says of an IPv6 segment that an interface was to cut; it then calls it
/// malformed.
const NO_LENGTH: &str = "IPv6 payload length equals 0";

/// What `tshark` says of segments that are sent again or come late if a message of the application
/// spans them. It calls that an error, although it is how TCP works; bytes that differ would be a
/// conflict.
const REASSEMBLY: [&str; 2] = [
    "New fragment overlaps old data (retransmission?)",
    "New fragment past old data limits",
];

/// Whether a complaint of `tshark` is that it cannot read an IPv6 packet whose length field is 0.
pub(crate) fn cannot_read(complaint: &str) -> bool {
    complaint.contains(NO_LENGTH)
}

/// What it is that `tshark` prints of errors in its field of severities.
const ERROR: &str = "8388608";

/// Errors of a packet, given its expert severities and messages, without those on segments that are
/// sent again.
fn errors(severities: &str, messages: &str) -> usize {
    let errors = severities.split(',').filter(|&each| each == ERROR).count();
    errors.saturating_sub(notes_on_reassembly(messages))
}

fn notes_on_reassembly(messages: &str) -> usize {
    let counts = REASSEMBLY.map(|text| messages.matches(text).count());
    counts.into_iter().sum()
}

/// Whether a packet is malformed, given what the field of malformed packets holds, and its expert
/// severities and messages: for another reason than that a message spans segments sent again.
pub(crate) fn is_malformed(field: &str, severities: &str, messages: &str) -> bool {
    let is_excused = notes_on_reassembly(messages) > 0 && errors(severities, messages) == 0;
    !field.is_empty() && !is_excused
}

/// The findings of `tshark` by frame number; frames without findings are left out.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
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
/// If `tshark` cannot be run.
pub(crate) fn version() -> Result<String, Error> {
    process::version("tshark", "--version").map_err(|error| {
        Error::refused(
            format!("cannot run tshark: {error}"),
            "install it (Debian: apt-get install tshark)",
        )
    })
}

/// The TCP events of a capture, and what `tshark` complains of.
///
/// # Errors
/// If `tshark` cannot be run or fails, or the monitor stops it.
pub(crate) fn analyse(capture: &Path, monitor: &mut dyn Monitor) -> Result<Analysis, Error> {
    let filter = format!("tcp.analysis.flags || {COMPLAINTS}");
    let fields = [
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.group",
        "_ws.expert.message",
    ];
    let mut analysis = Analysis::default();
    dissect(capture, &CHECKS, &filter, &fields, monitor, |line| {
        analysis.add(line);
    })?;
    Ok(analysis)
}

/// The TCP events of what is read of a capture, by the number of the packet among those that are
/// read. If `judge_cut`, packets whose options were cut have the events that they would have uncut.
///
/// # Errors
/// If the capture cannot be read, `tshark` cannot be run or fails, or the monitor stops it.
pub(crate) fn events(
    capture: &Path,
    read: &ReadPolicy,
    judge_cut: bool,
    monitor: &mut dyn Monitor,
) -> Result<BTreeMap<u64, EventSet>, Error> {
    if judge_cut || read.changes_file() {
        let folder = temporary_folder()?;
        let copied = folder.path().join("copy.pcapng");
        copy(capture, read, judge_cut, &copied, monitor)?;
        return events(&copied, &ReadPolicy::default(), false, monitor);
    }
    let mut frames = BTreeMap::new();
    dissect(capture, &[], "tcp.analysis.flags", &[], monitor, |line| {
        let Some((number, events)) = line.split_once('\t') else {
            return;
        };
        let events = event_set(events.split('\t'));
        if let (Ok(number), false) = (number.parse(), events.is_empty()) {
            frames.insert(number, events);
        }
    })?;
    Ok(frames)
}

/// Refuses what `tshark` does not do: read a pipe that is read otherwise too, or sort.
///
/// # Errors
/// If it is asked to read such a pipe, or to sort.
pub(crate) fn check_input(
    paths: impl IntoIterator<Item = impl AsRef<Path>>,
    policy: &ReadPolicy,
) -> Result<(), Error> {
    if paths.into_iter().any(|path| is_pipe(path.as_ref())) {
        return Err(Error::refused(
            "tshark cannot read stdin: it is read otherwise, too, and can be read only once",
            "name a file",
        ));
    }
    if policy.sort {
        return Err(Error::refused(
            "tshark takes packets in the order of the file",
            "leave `sort` out, or sort the capture first: reordercap",
        ));
    }
    Ok(())
}

/// Hands over a line for each frame that the filter lets through: its number, the fields, and a
/// field for each event.
fn dissect(
    capture: &Path,
    settings: &[&str],
    filter: &str,
    fields: &[&str],
    monitor: &mut dyn Monitor,
    mut each: impl FnMut(&str),
) -> Result<(), Error> {
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
    let mut is_silent = true;
    let ending = process::run(&mut command, monitor, |line| {
        is_silent = false;
        each(line);
    })?;
    // A capture that is cut short ends with status 2 after its packets.
    if !ending.status.success() && is_silent && ending.status.code() != Some(2) {
        return Err(Error::refused(
            format!(
                "tshark failed on {}: {}",
                capture.display(),
                ending.stderr.trim()
            ),
            "",
        ));
    }
    Ok(())
}

impl Analysis {
    /// Adds the findings in a line of `tshark` to those of a frame.
    fn add(&mut self, line: &str) {
        /// The group of wrong checksums, as `tshark` prints it.
        const CHECKSUM: &str = "16777216";
        let fields: Vec<_> = line.split('\t').collect();
        let [number, malformed, severity, group, message, events @ ..] = &fields[..] else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        let has = |field: &str, value| field.split(',').any(|each| each == value);
        let is_wrong = is_malformed(malformed, severity, message) || errors(severity, message) > 0;
        if is_wrong || has(group, CHECKSUM) {
            self.complaints.insert(number, message.to_string());
        }
        let events = event_set(events.iter().copied());
        if !events.is_empty() {
            self.events.insert(number, events);
        }
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

/// The TCP header of a packet in scope.
pub(crate) fn tcp_header<'a>(packet: &Packet<'a>) -> Option<TcpHeader<'a>> {
    match wire::parse(packet).ok()?.transport {
        Transport::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}
