//! `inspect`: what a capture holds, and what of it is in scope.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::manifest::ActionCounts;
use tracecodec::flow::session::Sessions;
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::{Packet, Timestamp};
use tracecodec::wire;

use crate::cli::{LiftArgs, ReadArgs};
use crate::input::Input;
use crate::output::{print, print_json};

/// Tell what a capture holds, and what of it is in scope.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Capture to read; - is stdin.
    #[arg(value_name = "CAPTURE")]
    input: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    lift: LiftArgs,
}

/// What `inspect` tells. `--json` prints it as it is.
#[derive(Debug, Serialize)]
struct Inspection {
    file: String,
    format: String,
    /// Packets by link type.
    link_types: BTreeMap<String, u64>,
    /// Bytes on the wire.
    wire_bytes: u64,
    /// Bytes captured.
    captured_bytes: u64,
    /// Earliest and latest time in nanoseconds since the epoch; none without packets.
    first_ns: Option<i64>,
    last_ns: Option<i64>,
    #[serde(flatten)]
    counts: ActionCounts,
    sessions: u64,
    ipv4: u64,
    ipv6: u64,
    /// Whether the capture was read to its end.
    complete: bool,
}

/// The tallies behind an inspection.
struct Tally {
    lifter: Lifter,
    sessions: Sessions,
    link_types: BTreeMap<String, u64>,
    families: [u64; 2],
    wire_bytes: u64,
    captured_bytes: u64,
    times: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    fn take(&mut self, packet: &Packet<'_>) {
        *self.link_types.entry(packet.link.to_string()).or_default() += 1;
        self.wire_bytes += u64::from(packet.wire_len);
        self.captured_bytes += packet.data.len() as u64;
        let (first, last) = self.times.unwrap_or((packet.time, packet.time));
        self.times = Some((first.min(packet.time), last.max(packet.time)));
        if let Ok(headers) = wire::parse(packet) {
            self.sessions.observe(&headers, packet.time);
            self.families[headers.family as usize] += 1;
        }
        // Out of scope is no error: lift counts it.
        let _ = self.lifter.lift(packet);
    }
}

pub(crate) fn run(args: &Inspect, json: bool) -> Result<()> {
    let mut input = Input::open(&args.input, args.read)?;
    let mut tally = Tally {
        lifter: Lifter::new(args.lift.slots, OptionProfiles::new()),
        sessions: Sessions::new(),
        link_types: BTreeMap::new(),
        families: [0; 2],
        wire_bytes: 0,
        captured_bytes: 0,
        times: None,
    };
    let outcome = input.for_each(|packet| {
        tally.take(packet);
        Ok(())
    });
    let counts = tally.lifter.counts();
    let inspection = Inspection {
        file: args.input.display().to_string(),
        format: input.format().to_string(),
        wire_bytes: tally.wire_bytes,
        captured_bytes: tally.captured_bytes,
        first_ns: tally.times.map(|(first, _)| first.0),
        last_ns: tally.times.map(|(_, last)| last.0),
        counts: ActionCounts::from(&counts),
        sessions: tally.sessions.count(),
        ipv4: tally.families[0],
        ipv6: tally.families[1],
        link_types: tally.link_types,
        complete: outcome.is_ok(),
    };
    if json {
        print_json(&inspection)
    } else {
        print(&render(&inspection, &counts)?)
    }?;
    outcome
}

fn render(inspection: &Inspection, counts: &LiftCounts) -> Result<String> {
    let mut text = String::new();
    let links: Vec<_> = inspection
        .link_types
        .iter()
        .map(|(link, n)| format!("{link} {n}"))
        .collect();
    let [tcp, udp, icmp, other] = counts.lifted;
    writeln!(text, "file        {}", inspection.file)?;
    writeln!(text, "format      {}", inspection.format)?;
    writeln!(
        text,
        "packets     {} ({} bytes on the wire)",
        counts.packets, inspection.wire_bytes
    )?;
    writeln!(
        text,
        "link types  {}",
        if links.is_empty() {
            "none".to_string()
        } else {
            links.join(", ")
        }
    )?;
    if let (Some(first), Some(last)) = (inspection.first_ns, inspection.last_ns) {
        let duration = Timestamp(last.saturating_sub(first));
        writeln!(
            text,
            "time        {} to {} ({duration} s)",
            Timestamp(first),
            Timestamp(last)
        )?;
    }
    writeln!(
        text,
        "in scope    {} (IPv4 {}, IPv6 {})",
        counts.actions(),
        inspection.ipv4,
        inspection.ipv6
    )?;
    writeln!(
        text,
        "            TCP {tcp}, UDP {udp}, ICMP {icmp}, other {other}"
    )?;
    for (reason, count) in &counts.skipped {
        writeln!(text, "left out    {count} {reason}")?;
    }
    writeln!(
        text,
        "flows       {} (at most {} slots at once)",
        counts.flows, counts.peak_slots
    )?;
    writeln!(text, "sessions    {}", inspection.sessions)?;
    if counts.steps_back > 0 {
        writeln!(text, "disorder    {} steps back in time", counts.steps_back)?;
    }
    if counts.evictions > 0 {
        writeln!(
            text,
            "evictions   {} flows lost their slot",
            counts.evictions
        )?;
    }
    Ok(text)
}
