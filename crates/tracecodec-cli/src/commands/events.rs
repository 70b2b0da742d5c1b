//! `events`: the TCP events of captures, by the native analyser, by `tshark`, or by both against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde::Serialize;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::metrics::TcpEvents;
use tracecodec::pcap::{Packet, Reader};
use tracecodec::tcp::events::EventSet;
use tracecodec::wire::{self, Transport};

use super::check::check_stdin;
use crate::cli::ReadArgs;
use crate::failure::{FINDING, GOOD};
use crate::folder;
use crate::input::{Input, progress_bar};
use crate::interrupt;
use crate::output::{print, print_json};
use crate::tools::tshark;

/// Tell the TCP events of captures: retransmissions, lost segments and the like.
///
/// The rules are those of tshark 4.0 with its default preferences. One line a packet that has events: its place in the file from
/// 1 (tshark's frame.number), a tab, the events by the names of tshark's fields (tcp.analysis.NAME), sorted and joined by
/// commas. A fast or spurious retransmission is a retransmission too. Of several captures, each that has lines has a line `==
/// FILE` above them.
///
/// A TCP packet whose options the capture cut has no events, as in tshark, though later packets are judged by it; --judge-cut
/// gives it the events that it would have uncut.
///
/// With `--analyzer both`, the lines are the packets about which the native analyser and tshark differ, and how the packet was
/// read: only packets whose outermost transport is TCP are analysed natively.
///
/// Exit codes: 0 good; 1 the analysers differ (--analyzer both); 2 failure.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Captures, or folders of captures; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    paths: Vec<PathBuf>,
    /// Who finds the events.
    #[arg(long, value_enum, default_value_t = Analyzer::Native)]
    analyzer: Analyzer,
    /// Print how many there are of each event instead, in two countings: by field as tshark's filters count, and exclusively,
    /// one event a packet.
    #[arg(long)]
    counts: bool,
    /// Judge TCP packets whose options the capture cut, too; tshark gets a copy with NOPs in their place.
    #[arg(long)]
    judge_cut: bool,
    /// Captures at once; 0, the default: as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    #[command(flatten)]
    read: ReadArgs,
}

/// Who finds the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Analyzer {
    /// This program.
    Native,
    /// tshark, which must be installed.
    Tshark,
    /// Both, and their differences.
    Both,
}

/// The totals of one or more captures.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Totals {
    /// Packets read.
    packets: u64,
    /// Packets whose outermost transport is TCP.
    tcp_packets: u64,
    /// Those of them whose options the capture cut.
    cut_options: u64,
    /// Packets with events.
    with_events: u64,
    /// Packets by event, in both countings.
    #[serde(flatten)]
    events: TcpEvents,
}

impl Totals {
    fn count(&mut self, events: EventSet) {
        self.with_events += u64::from(!events.is_empty());
        self.events.add(events);
    }

    /// Counts these events instead of those that were counted.
    fn recount<'a>(&mut self, events: impl Iterator<Item = &'a EventSet>) {
        *self = Self {
            with_events: 0,
            events: TcpEvents::default(),
            ..*self
        };
        events.for_each(|&events| self.count(events));
    }

    fn add(&mut self, other: &Totals) {
        self.packets += other.packets;
        self.tcp_packets += other.tcp_packets;
        self.cut_options += other.cut_options;
        self.with_events += other.with_events;
        self.events.merge(&other.events);
    }
}

/// A packet with events.
#[derive(Debug, Serialize)]
struct Frame {
    /// Number of the packet, from 1.
    frame: u64,
    events: Vec<&'static str>,
}

/// A packet about which the analysers differ.
#[derive(Debug, Serialize)]
struct Mismatch {
    frame: u64,
    native: Vec<&'static str>,
    tshark: Vec<&'static str>,
    /// How the packet was read.
    read_as: &'static str,
}

/// What was found in one capture.
#[derive(Debug, Default, Serialize)]
struct Report {
    capture: String,
    #[serde(flatten)]
    totals: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<Vec<Frame>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatches: Option<Vec<Mismatch>>,
    /// Why the capture could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    #[serde(skip)]
    error: Option<Error>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Findings<'a> {
    analyzer: Analyzer,
    #[serde(skip_serializing_if = "Option::is_none")]
    tshark: Option<String>,
    captures: &'a [Report],
}

pub(crate) fn run(args: &Events, json: bool) -> Result<u8> {
    check_stdin(&args.paths)?;
    let with_tshark = args.analyzer != Analyzer::Native;
    if with_tshark {
        let paths: Vec<_> = args.paths.iter().map(PathBuf::as_path).collect();
        tshark::check_input(&paths, args.read)?;
    }
    let tshark = with_tshark.then(tshark::version).transpose()?;
    let captures = folder::below(&args.paths)?;
    let mut reports = analyse_all(args, &captures)?;
    if json {
        print_json(&Findings {
            analyzer: args.analyzer,
            tshark,
            captures: &reports,
        })?;
    } else {
        print(&render(args, &reports, tshark.as_deref())?)?;
    }
    // A comparison is of what both could read; else a capture that cannot be read to its end is a failure.
    if args.analyzer != Analyzer::Both
        && let Some(error) = reports.iter_mut().find_map(|report| report.error.take())
    {
        return Err(error);
    }
    let differs = reports
        .iter()
        .any(|report| report.mismatches.as_ref().is_some_and(|m| !m.is_empty()));
    Ok(if differs { FINDING } else { GOOD })
}

fn analyse_all(args: &Events, captures: &[PathBuf]) -> Result<Vec<Report>> {
    let [capture] = captures else {
        let bar = progress_bar(Some(captures.len() as u64), "captures");
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(args.jobs)
            .build()?;
        let reports = pool.install(|| {
            let report = |capture: &PathBuf| {
                let report = analyse(args, capture, Input::quiet(capture, args.read));
                bar.inc(1);
                report.with_context(|| format!("cannot analyse {}", capture.display()))
            };
            captures.par_iter().map(report).collect()
        });
        bar.finish_and_clear();
        return reports;
    };
    let input = Input::open(capture, args.read);
    Ok(vec![analyse(args, capture, input)?])
}

/// Analyses one capture. Damage is part of the report.
fn analyse(args: &Events, capture: &Path, input: Result<Input>) -> Result<Report> {
    let mut report = Report {
        capture: capture.display().to_string(),
        ..Report::default()
    };
    // Lines are kept, counts need none.
    let keeps = !args.counts || args.analyzer == Analyzer::Both;
    let mut native = BTreeMap::new();
    let outcome = input.and_then(|mut input| {
        let outcome = analyse_natively(args, &mut input, &mut report.totals, |number, events| {
            if keeps {
                native.insert(number, events);
            }
        });
        report.damage = input.damage().map(ToString::to_string);
        outcome
    });
    interrupt::check()?;
    if let Err(error) = outcome {
        report.damage = Some(error.to_string());
        report.error = Some(error);
    }
    match args.analyzer {
        Analyzer::Native => report.frames = keeps.then(|| frames(&native)),
        Analyzer::Tshark => {
            let found = run_tshark(args, capture, &report.totals)?;
            report.totals.recount(found.values());
            report.frames = keeps.then(|| frames(&found));
        }
        Analyzer::Both => {
            let found = run_tshark(args, capture, &report.totals)?;
            report.mismatches = Some(compare(capture, &native, &found)?);
        }
    }
    Ok(report)
}

/// Hands each packet that has events to `flagged`, by its number.
fn analyse_natively(
    args: &Events,
    input: &mut Input,
    totals: &mut Totals,
    mut flagged: impl FnMut(u64, EventSet),
) -> Result<()> {
    let mut conversations = Conversations::new(if args.judge_cut {
        CutOptions::Judge
    } else {
        CutOptions::Skip
    });
    input.for_each(|packet| {
        totals.packets += 1;
        let Ok(headers) = wire::parse(packet) else {
            return Ok(());
        };
        if let Transport::Tcp(tcp) = headers.transport {
            totals.tcp_packets += 1;
            totals.cut_options += u64::from(tcp.has_cut_options());
        }
        let events = conversations.observe(&headers, packet.time);
        if !events.is_empty() {
            totals.count(events);
            flagged(totals.packets, events);
        }
        Ok(())
    })
}

/// What tshark finds in a capture. It shows no event where options were cut, so that it gets a copy where those count.
fn run_tshark(args: &Events, capture: &Path, totals: &Totals) -> Result<BTreeMap<u64, EventSet>> {
    if !args.judge_cut || totals.cut_options == 0 {
        return tshark::events(capture);
    }
    tshark::judged_events(capture)
}

fn frames(events: &BTreeMap<u64, EventSet>) -> Vec<Frame> {
    let frame = |(&frame, &events)| Frame {
        frame,
        events: tshark::names(events),
    };
    events.iter().map(frame).collect()
}

/// The packets about which the analysers differ, with a second look at how each was read.
fn compare(
    capture: &Path,
    native: &BTreeMap<u64, EventSet>,
    found: &BTreeMap<u64, EventSet>,
) -> Result<Vec<Mismatch>> {
    let of =
        |events: &BTreeMap<u64, EventSet>, frame| events.get(&frame).copied().unwrap_or_default();
    let frames: BTreeSet<u64> = native.keys().chain(found.keys()).copied().collect();
    let mut mismatches: Vec<_> = frames
        .into_iter()
        .filter(|&frame| of(native, frame) != of(found, frame))
        .map(|frame| Mismatch {
            frame,
            native: tshark::names(of(native, frame)),
            tshark: tshark::names(of(found, frame)),
            read_as: "not read",
        })
        .collect();
    let mut pending = mismatches.iter_mut().peekable();
    if pending.peek().is_none() {
        return Ok(mismatches);
    }
    let Ok(mut reader) = Reader::open(capture) else {
        return Ok(mismatches);
    };
    let mut number = 0;
    while let (Some(Ok(packet)), true) = (reader.next(), pending.peek().is_some()) {
        number += 1;
        if let Some(mismatch) = pending.next_if(|mismatch| mismatch.frame == number) {
            mismatch.read_as = read_as(&packet);
        }
    }
    Ok(mismatches)
}

/// How a packet was read: its outermost transport, or why it is out of scope.
fn read_as(packet: &Packet<'_>) -> &'static str {
    match wire::parse(packet).map(|headers| headers.transport) {
        Ok(Transport::Tcp(tcp)) if tcp.has_cut_options() => "tcp, options cut",
        Ok(Transport::Tcp(_)) => "tcp",
        Ok(Transport::Udp { .. }) => "udp",
        Ok(Transport::Icmp(_)) => "icmp",
        Ok(Transport::Other(_)) => "other",
        Err(reason) => reason.name(),
    }
}

fn render(args: &Events, reports: &[Report], tshark: Option<&str>) -> Result<String> {
    let mut text = String::new();
    if !args.counts {
        for report in reports {
            render_lines(report, reports.len() > 1, &mut text)?;
        }
    }
    let mut sums = Totals::default();
    reports.iter().for_each(|report| sums.add(&report.totals));
    if args.counts {
        render_counts(&sums, &mut text)?;
    }
    if let (Analyzer::Both, Some(version)) = (args.analyzer, tshark) {
        render_comparison(reports, &sums, version, &mut text)?;
    }
    Ok(text)
}

/// The packets of one capture, below its name where there are several.
fn render_lines(report: &Report, several: bool, text: &mut String) -> Result<()> {
    let frames = report.frames.iter().flatten();
    let lines = frames.map(|frame| format!("{}\t{}", frame.frame, frame.events.join(",")));
    let mismatches = report.mismatches.iter().flatten();
    let differing = mismatches.map(|mismatch| {
        format!(
            "{}\tnative {}\ttshark {}\t{}",
            mismatch.frame,
            listed(&mismatch.native),
            listed(&mismatch.tshark),
            mismatch.read_as
        )
    });
    let lines: Vec<_> = lines.chain(differing).collect();
    if several && !lines.is_empty() {
        writeln!(text, "== {}", report.capture)?;
    }
    lines.iter().try_for_each(|line| writeln!(text, "{line}"))?;
    Ok(())
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_string()
    } else {
        names.join(",")
    }
}

fn render_counts(totals: &Totals, text: &mut String) -> Result<()> {
    writeln!(text, "{:<24} {:>10} {:>10}", "event", "fields", "exclusive")?;
    let TcpEvents { fields, exclusive } = totals.events;
    for ((event, fields), (_, exclusive)) in fields.named().zip(exclusive.named()) {
        writeln!(text, "{:<24} {fields:>10} {exclusive:>10}", event.name())?;
    }
    writeln!(text, "\npackets      {}", totals.packets)?;
    writeln!(text, "TCP          {}", totals.tcp_packets)?;
    writeln!(text, "with events  {}", totals.with_events)?;
    if totals.cut_options > 0 {
        writeln!(text, "options cut  {}", totals.cut_options)?;
    }
    Ok(())
}

/// The outcome of a comparison in a line, and the mismatches by how the packet was read.
fn render_comparison(
    reports: &[Report],
    sums: &Totals,
    version: &str,
    text: &mut String,
) -> Result<()> {
    let mut by_reading: BTreeMap<_, u64> = BTreeMap::new();
    for mismatch in reports
        .iter()
        .flat_map(|report| report.mismatches.iter().flatten())
    {
        *by_reading.entry(mismatch.read_as).or_default() += 1;
    }
    let captures = match reports.len() {
        1 => "1 capture".to_string(),
        many => format!("{many} captures"),
    };
    writeln!(
        text,
        "{captures}, {} packets, {} TCP packets, {} with events, {} mismatches with {version}",
        sums.packets,
        sums.tcp_packets,
        sums.with_events,
        by_reading.values().sum::<u64>(),
    )?;
    for (read_as, count) in by_reading {
        writeln!(text, "  {count} read as {read_as}")?;
    }
    for damage in reports.iter().filter_map(|report| report.damage.as_ref()) {
        writeln!(text, "damaged: {damage}")?;
    }
    Ok(())
}
