//! `verify`: the proof that lift and compile lose nothing, on any number of captures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use tracecodec::compile::CompileConfig;
use tracecodec::oracle::Proof;
use tracecodec::pcap::{Container, Format, Reader, Writer};

use crate::failure::{FINDING, GOOD};
use crate::folder;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{print, print_json};
use crate::tools::tshark;

/// Packets between two looks for an interruption.
const INTERRUPT_STEP: u64 = 4096;

/// Findings of one kind that are told of a capture; the rest is counted.
const TOLD: usize = 3;

/// Prove that lift and compile lose nothing, on any number of captures.
///
/// Every packet in scope is lifted and compiled, and the result is compared with the packet: time, lengths, flags, window,
/// options, sequence and acknowledgment numbers relative to the flow's others, flow and direction; then it is lifted again, which must
/// give the same action. With --tshark, `tshark` must report the same TCP events packet by packet, and no complaint about the
/// output. Exit code 1 if anything was lost.
///
/// Columns: packets that lost something; packets that the compiler had to change; five-tuples that came back after their slot was given
/// back; TCP packets with events, and those whose events differ; output packets that tshark complains of; captures that could not be
/// read to their end.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Captures, or folders of captures.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Compare TCP events, and check the output, with tshark.
    #[arg(long)]
    tshark: bool,
    /// Captures at once; 0, the default: as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
}

/// What was found in one capture.
#[derive(Debug, Default, Serialize)]
struct Report {
    capture: String,
    /// Packets read.
    packets: u64,
    /// Packets in scope.
    actions: u64,
    /// TCP packets in scope.
    tcp: u64,
    /// TCP packets whose options the capture cut.
    cut_options: u64,
    /// Packets that lost something.
    lost: u64,
    /// Packets that the compiler had to change to keep them legal.
    legalised: u64,
    /// Five-tuples that came back after their slot was given back.
    returns: u64,
    /// TCP packets of which tshark reports other events.
    event_mismatches: u64,
    /// TCP packets with events, in the input.
    with_events: u64,
    /// Output packets that tshark complains of.
    complaints: u64,
    /// Why the capture could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// The first findings, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
}

impl Report {
    fn is_clean(&self) -> bool {
        self.lost + self.legalised + self.event_mismatches + self.complaints == 0
    }

    fn tell(&mut self, count: u64, finding: impl FnOnce() -> String) {
        if count <= TOLD as u64 {
            self.findings.push(finding());
        }
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Verification {
    #[serde(skip_serializing_if = "Option::is_none")]
    tshark: Option<String>,
    captures: Vec<Report>,
}

pub(crate) fn run(args: &Verify, json: bool) -> Result<u8> {
    let tshark = args.tshark.then(tshark::version).transpose()?;
    let captures = folder::below(&args.paths)?;
    let bar = progress_bar(Some(captures.len() as u64), "captures");
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.jobs)
        .build()?;
    let reports: Result<Vec<_>> = pool.install(|| {
        captures
            .par_iter()
            .map(|capture| {
                let report = verify(capture, args.tshark);
                bar.inc(1);
                report.with_context(|| format!("cannot verify {}", capture.display()))
            })
            .collect()
    });
    bar.finish_and_clear();
    let reports = reports?;
    let clean = reports.iter().all(Report::is_clean);
    if json {
        print_json(&Verification {
            tshark,
            captures: reports,
        })?;
    } else {
        print(&render(&args.paths, &reports, tshark.as_deref())?)?;
    }
    Ok(if clean { GOOD } else { FINDING })
}

fn verify(capture: &Path, with_tshark: bool) -> Result<Report> {
    let mut report = Report {
        capture: capture.display().to_string(),
        ..Report::default()
    };
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("oracle.pcapng");
    let filled = folder.path().join("filled.pcapng");
    // Input frame number of each output packet that is TCP; 0 for others.
    let mut tcp_frames = Vec::new();
    if let Err(damage) = prove(
        capture,
        with_tshark.then_some(&output),
        &mut tcp_frames,
        &mut report,
    )? {
        report.damage = Some(damage);
    }
    if with_tshark && report.actions > 0 {
        let mut reference = capture;
        if report.cut_options > 0 {
            tshark::fill_options(capture, &filled)?;
            reference = &filled;
        }
        compare(reference, &output, &tcp_frames, &mut report)?;
    }
    Ok(report)
}

/// Runs the proof over a capture. The inner error tells why the capture could not be read on.
fn prove(
    capture: &Path,
    output: Option<&PathBuf>,
    tcp_frames: &mut Vec<u64>,
    report: &mut Report,
) -> Result<Result<(), String>> {
    let mut reader = match Reader::open(capture) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let format = Format {
        container: Container::PcapNg,
        ..Format::of_path("")
    };
    let mut writer = output
        .map(|path| Writer::create(path, format))
        .transpose()?;
    let mut proof = Proof::new(CompileConfig::default());
    let mut damage = Ok(());
    while let Some(next) = reader.next() {
        if report.packets.is_multiple_of(INTERRUPT_STEP) {
            interrupt::check()?;
        }
        let packet = match next {
            Ok(packet) => packet,
            Err(error) => {
                damage = Err(error.to_string());
                break;
            }
        };
        report.packets += 1;
        let Some((compiled, loss)) = proof.step(&packet) else {
            continue;
        };
        let tcp = tshark::tcp_header(&packet);
        let is_tcp = tcp.is_some();
        report.tcp += u64::from(is_tcp);
        report.cut_options += u64::from(tcp.is_some_and(|tcp| tcp.has_cut_options()));
        if let Some(loss) = loss {
            report.lost += 1;
            let number = report.packets;
            report.tell(report.lost, || {
                format!("packet {number}: {} lost", loss.name())
            });
        }
        if let Some(writer) = &mut writer {
            writer.write(&compiled)?;
            tcp_frames.push(if is_tcp { report.packets } else { 0 });
        }
    }
    writer.map(Writer::finish).transpose()?;
    report.actions = proof.counts().actions();
    report.returns = proof.returns();
    report.legalised = proof.legalisations().total();
    Ok(damage)
}

/// Compares what tshark says of input and output. Events of inner headers (tunnels, quotes in ICMP errors) are not ours: only
/// packets whose outermost transport is TCP count.
fn compare(capture: &Path, output: &Path, tcp_frames: &[u64], report: &mut Report) -> Result<()> {
    let after = tshark::analyse(output)?;
    let before = if report.tcp > 0 {
        tshark::analyse(capture)?
    } else {
        tshark::Verdict::default()
    };
    for (index, &frame) in tcp_frames.iter().enumerate() {
        let index = index as u64 + 1;
        let expected = before.events.get(&frame).copied().unwrap_or_default();
        let found = after.events.get(&index).copied().unwrap_or_default();
        report.with_events += u64::from(!expected.is_empty());
        if expected != found && frame != 0 || frame == 0 && !found.is_empty() {
            report.event_mismatches += 1;
            report.tell(report.event_mismatches, || {
                format!(
                    "packet {frame}: {:?} became {:?}",
                    tshark::names(expected),
                    tshark::names(found)
                )
            });
        }
    }
    for (index, complaint) in after.complaints {
        report.complaints += 1;
        report.tell(report.complaints, || {
            format!("output packet {index}: {complaint}")
        });
    }
    Ok(())
}

/// The table: a line for each path that was named, then the captures with findings.
fn render(paths: &[PathBuf], reports: &[Report], tshark: Option<&str>) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<28} {:>8} {:>10} {:>10} {:>10} {:>6} {:>9} {:>7} {:>10} {:>8} {:>10} {:>8}",
        "path",
        "captures",
        "packets",
        "in scope",
        "TCP",
        "lost",
        "legalised",
        "returns",
        "with event",
        "mismatch",
        "complaints",
        "damaged"
    )?;
    for (path, sums) in sums(paths, reports) {
        writeln!(
            text,
            "{:<28} {:>8} {:>10} {:>10} {:>10} {:>6} {:>9} {:>7} {:>10} {:>8} {:>10} {:>8}",
            path,
            sums[0],
            sums[1],
            sums[2],
            sums[3],
            sums[4],
            sums[5],
            sums[6],
            sums[7],
            sums[8],
            sums[9],
            sums[10]
        )?;
    }
    let cut: u64 = reports.iter().map(|report| report.cut_options).sum();
    if tshark.is_some() && cut > 0 {
        writeln!(
            text,
            "\n{cut} TCP packets had options cut: tshark judged their captures with NOPs there"
        )?;
    }
    match tshark {
        Some(version) => writeln!(text, "\nTCP events and complaints by {version}")?,
        None => writeln!(
            text,
            "\nTCP events were not compared (--tshark compares them)"
        )?,
    }
    for damage in reports.iter().filter_map(|report| report.damage.as_ref()) {
        writeln!(text, "damaged: {damage}")?;
    }
    for report in reports.iter().filter(|report| !report.is_clean()) {
        writeln!(text, "\n{}", report.capture)?;
        for finding in &report.findings {
            writeln!(text, "  {finding}")?;
        }
    }
    Ok(text)
}

/// Sums of the reports below each path, in the order of the table's columns.
fn sums(paths: &[PathBuf], reports: &[Report]) -> Vec<(String, [u64; 11])> {
    let mut sums: BTreeMap<usize, [u64; 11]> = BTreeMap::new();
    for report in reports {
        let below = paths
            .iter()
            .position(|path| Path::new(&report.capture).starts_with(path));
        let row = sums.entry(below.unwrap_or(0)).or_default();
        let values = [
            1,
            report.packets,
            report.actions,
            report.tcp,
            report.lost,
            report.legalised,
            report.returns,
            report.with_events,
            report.event_mismatches,
            report.complaints,
            u64::from(report.damage.is_some()),
        ];
        row.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter()
        .map(|(at, row)| (paths[at].display().to_string(), row))
        .collect()
}
