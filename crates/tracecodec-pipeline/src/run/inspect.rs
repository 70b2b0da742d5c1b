//! `inspect`: what a capture holds, and what of it is in scope.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::{ActionSchema, OptionProfiles};
use tracecodec::artifact::ActionCounts;
use tracecodec::flow::session::Sessions;
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::{Notes, Packet, Timestamp};
use tracecodec::wire::{self, Tunnels, tunnel};

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::lifting::Lifting;
use crate::monitor::Monitor;

/// What to inspect.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Capture to read; `-` is stdin.
    pub input: PathBuf,
    /// How the capture is read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// How packets are lifted.
    #[serde(flatten)]
    pub lift: Lifting,
}

/// What a capture holds.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the capture.
    pub file: String,
    /// Format of the file.
    pub format: String,
    /// Packets by link type.
    pub link_types: BTreeMap<String, u64>,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Bytes captured.
    pub captured_bytes: u64,
    /// Packets whose IP header states more bytes than the capture says that were on the wire.
    pub shorter_than_ip: u64,
    /// Packets that are tunnels, by the names of the encapsulations, the outermost first, with a
    /// slash between them. Counted whichever packet of a tunnel is read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tunnels: BTreeMap<String, u64>,
    /// Packets that have a comment.
    pub packet_comments: u64,
    /// What a pcapng capture says beside its packets.
    pub notes: Notes,
    /// Earliest time in nanoseconds since the epoch; `None` without packets.
    pub first_ns: Option<i64>,
    /// Latest time in nanoseconds since the epoch; `None` without packets.
    pub last_ns: Option<i64>,
    /// Packets in scope by protocol, those left out by reason, flows.
    #[serde(flatten)]
    pub counts: ActionCounts,
    /// Sessions that begin in the capture.
    pub sessions: u64,
    /// IPv4 packets in scope.
    pub ipv4: u64,
    /// IPv6 packets in scope.
    pub ipv6: u64,
    /// Whether the capture was read to its end.
    pub complete: bool,
    /// Why the capture could not be read to its end.
    #[serde(skip)]
    pub damage: Option<Error>,
    /// The lifter's counts, of which `counts` is the summary.
    #[serde(skip)]
    pub lift_counts: LiftCounts,
}

/// Reads a capture to its end or to its damage, which the outcome then holds.
///
/// # Errors
/// If the file is no capture, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.lift.check()?;
    let whole = ReadPolicy {
        tunnels: Tunnels::Outer,
        ..config.read.clone()
    };
    let mut capture = Capture::open(&config.input, &whole)?;
    let mut tally = Tally::new(config.lift.slots, config.read.tunnels);
    let read = capture.for_each(monitor, |packet| {
        tally.add(packet);
        Ok(())
    });
    let damage = match read {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        read => read.err(),
    };
    let lift_counts = tally.lifter.counts();
    Ok(Outcome {
        file: config.input.display().to_string(),
        format: capture.format().to_string(),
        link_types: tally.link_types,
        wire_bytes: tally.wire_bytes,
        captured_bytes: tally.captured_bytes,
        shorter_than_ip: tally.shorter_than_ip,
        tunnels: tally.tunnelled,
        packet_comments: tally.packet_comments,
        notes: capture.notes(),
        first_ns: tally.times.map(|(first, _)| first.0),
        last_ns: tally.times.map(|(_, last)| last.0),
        counts: ActionCounts::from(&lift_counts),
        sessions: tally.sessions.count(),
        ipv4: tally.families[0],
        ipv6: tally.families[1],
        complete: damage.is_none(),
        damage,
        lift_counts,
    })
}

/// The tallies behind an outcome.
struct Tally {
    tunnels: Tunnels,
    lifter: Lifter,
    sessions: Sessions,
    link_types: BTreeMap<String, u64>,
    families: [u64; 2],
    wire_bytes: u64,
    captured_bytes: u64,
    shorter_than_ip: u64,
    tunnelled: BTreeMap<String, u64>,
    packet_comments: u64,
    times: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    fn new(slots: usize, tunnels: Tunnels) -> Self {
        Self {
            tunnels,
            lifter: Lifter::new(ActionSchema::default(), slots, OptionProfiles::new()),
            sessions: Sessions::new(),
            link_types: BTreeMap::new(),
            families: [0; 2],
            wire_bytes: 0,
            captured_bytes: 0,
            shorter_than_ip: 0,
            tunnelled: BTreeMap::new(),
            packet_comments: 0,
            times: None,
        }
    }

    fn add(&mut self, packet: &Packet<'_>) {
        *self.link_types.entry(packet.link.to_string()).or_default() += 1;
        self.wire_bytes += u64::from(packet.wire_len);
        self.captured_bytes += packet.data.len() as u64;
        self.shorter_than_ip += u64::from(wire::longer_by_ip(packet).is_some());
        self.packet_comments += u64::from(!packet.comment.is_empty());
        let (first, last) = self.times.unwrap_or((packet.time, packet.time));
        self.times = Some((first.min(packet.time), last.max(packet.time)));
        let names: Vec<_> = tunnel::layers(packet).map(|tunnel| tunnel.name).collect();
        if !names.is_empty() {
            *self.tunnelled.entry(names.join("/")).or_default() += 1;
        }
        let packet = &self.tunnels.packet(*packet);
        if let Ok(headers) = wire::parse(packet) {
            self.sessions.observe(&headers, packet.time);
            self.families[headers.family as usize] += 1;
        }
        // Out of scope is no error: the lifter counts it.
        let _ = self.lifter.lift(packet);
    }
}
