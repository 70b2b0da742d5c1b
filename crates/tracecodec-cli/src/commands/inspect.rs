//! `inspect`: what a capture holds, and what of it is in scope.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::action::ProtocolMix;
use tracecodec::choice::Choice;
use tracecodec::pcap::{InterfaceNote, Timestamp};
use tracecodec::select::date_and_time;
use tracecodec::wire::Tunnels;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::inspect::{self, Outcome};

use crate::args::{CaptureArgs, LiftArgs};
use crate::output::{evicted, print, print_json};
use crate::terminal::Terminal;

/// Report what a capture holds, and what of it is in scope.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Capture to read; - is stdin.
    #[arg(value_name = "CAPTURE")]
    input: PathBuf,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    lift: LiftArgs,
}

pub(crate) fn run(args: &Inspect, json: bool) -> Result<()> {
    let config = inspect::Config {
        input: args.input.clone(),
        read: args.read.policy(),
        lift: args.lift.lifting(),
    };
    let outcome = inspect::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&render(&outcome, config.read.tunnels)?)?;
    }
    outcome.damage.map_or(Ok(()), |damage| Err(damage.into()))
}

fn render(inspection: &Outcome, tunnels: Tunnels) -> Result<String> {
    let counts = &inspection.lift_counts;
    let mut text = String::new();
    let links: Vec<_> = inspection
        .link_types
        .iter()
        .map(|(link, n)| format!("{link} {n}"))
        .collect();
    let ProtocolMix {
        tcp,
        udp,
        icmp,
        other,
    } = counts.lifted;
    writeln!(text, "file        {}", inspection.file)?;
    writeln!(text, "format      {}", inspection.format)?;
    writeln!(
        text,
        "packets     {} ({} on the wire)",
        counts.packets,
        counted(inspection.wire_bytes, "byte")
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
        let [first, last] = [first, last].map(|time| date_and_time(Timestamp(time)));
        writeln!(text, "            {first} to {last}")?;
    }
    text += &render_notes(inspection)?;
    if inspection.shorter_than_ip > 0 {
        let packets = counted(inspection.shorter_than_ip, "packet");
        writeln!(
            text,
            "lengths     {packets} shorter than the IP header says"
        )?;
    }
    text += &render_tunnels(inspection, tunnels)?;
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
        "flows       {} (at most {} at once)",
        counts.flows,
        counted(counts.peak_slots, "slot")
    )?;
    writeln!(text, "sessions    {}", inspection.sessions)?;
    if counts.steps_back > 0 {
        let steps = counted(counts.steps_back, "step");
        writeln!(text, "disorder    {steps} back in time")?;
    }
    if counts.evictions > 0 {
        writeln!(text, "evictions   {}", evicted(counts.evictions))?;
    }
    Ok(text)
}

/// How many packets are tunnels, by encapsulations, and which option reads the other packet.
fn render_tunnels(inspection: &Outcome, tunnels: Tunnels) -> Result<String> {
    let mut text = String::new();
    let total: u64 = inspection.tunnels.values().sum();
    if total > 0 {
        let kinds = inspection.tunnels.iter();
        let kinds: Vec<_> = kinds.map(|(names, n)| format!("{names} {n}")).collect();
        let packets = counted(total, "packet");
        let (read, other) = match tunnels {
            Tunnels::Outer => ("outermost", Tunnels::Inner),
            Tunnels::Inner => ("innermost", Tunnels::Outer),
        };
        writeln!(text, "tunnels     {packets}: {}", kinds.join(", "))?;
        writeln!(
            text,
            "            read at the {read} IP header; see --tunnels {}",
            other.name()
        )?;
    }
    Ok(text)
}

/// What a pcapng capture says beside its packets.
fn render_notes(inspection: &Outcome) -> Result<String> {
    let notes = &inspection.notes;
    let interface = |note: &InterfaceNote| match (&note.name[..], &note.description[..]) {
        (name, "") => name.to_string(),
        ("", description) => format!("({description})"),
        (name, description) => format!("{name} ({description})"),
    };
    let mut text = String::new();
    if !notes.applications.is_empty() {
        writeln!(text, "written by  {}", notes.applications.join(", "))?;
    }
    if !notes.interfaces.is_empty() {
        let interfaces: Vec<_> = notes.interfaces.iter().map(interface).collect();
        writeln!(text, "interfaces  {}", interfaces.join(", "))?;
    }
    for comment in &notes.comments {
        writeln!(text, "comment     {comment}")?;
    }
    if inspection.packet_comments > 0 {
        let packets = counted(inspection.packet_comments, "packet");
        writeln!(text, "comments    {packets}")?;
    }
    let blocks = [
        (notes.name_resolution_blocks, "name resolution block"),
        (notes.secrets_blocks, "secrets block"),
    ];
    for (count, block) in blocks.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(text, "also holds  {}", counted(count, block))?;
    }
    Ok(text)
}
