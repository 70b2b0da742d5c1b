//! `check`: what analysers would reject in captures, or wonder at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use tracecodec::check::{Checker, Cleanliness, Severity};
use tracecodec::pcap::{self, Compression, Reader};

use crate::failure::{FINDING, GOOD};
use crate::input::{self, progress_bar};
use crate::interrupt;
use crate::output::{check_file, print, print_json};
use crate::tools::{Opinion, TOOLS, Verdict};

/// Packets between two looks for an interruption.
const INTERRUPT_STEP: u64 = 4096;

/// Tell what analysers would reject in captures, or wonder at.
///
/// Every packet is judged: lengths, checksums where all bytes that they cover were captured, headers and options, flags, addresses,
/// and time. An error is what an analyser rejects or calls malformed; a note is legal but unusual. With --tools, other programs that
/// are installed judge, too: tshark, capinfos, tcpdump, tcpprep (of tcpreplay's suite), zeek, suricata. Exit code 1 if there is any
/// error, a program complains, or a capture is damaged.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Captures, or folders of captures; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    paths: Vec<PathBuf>,
    /// Ask other programs, too.
    #[arg(long)]
    tools: bool,
    /// Tell of damage in a capture, but do not count it as an error.
    #[arg(long)]
    lenient: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    /// Whether there is no error, no complaint, and no damage that counts: exit code 0.
    clean: bool,
    /// Programs that were asked, with what they tell of their version; none where one is not installed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tools: BTreeMap<&'static str, Option<String>>,
    /// The captures in the order of the command line, sorted within folders.
    captures: Vec<Report>,
}

/// What was found in one capture.
#[derive(Debug, Serialize)]
struct Report {
    /// Its path.
    capture: String,
    /// Packets read.
    packets: u64,
    /// Packets with an error.
    with_errors: u64,
    /// Errors: a packet counts once for each kind.
    errors: u64,
    /// Notes: a packet counts once for each kind.
    notes: u64,
    /// Packets that were not judged, or by their IP header only, by reason.
    skipped: BTreeMap<&'static str, u64>,
    /// The kinds of fault that were found.
    faults: Vec<FaultReport>,
    /// Why the capture could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// What other programs say of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Opinion>,
}

/// All faults of one kind.
#[derive(Debug, Serialize)]
struct FaultReport {
    /// The kind.
    fault: &'static str,
    /// `error` or `note`.
    severity: &'static str,
    /// The kind in words.
    meaning: String,
    /// Packets that have it.
    count: u64,
    /// Numbers of the first of them, counted from 1.
    first: Vec<u64>,
}

impl Report {
    fn new(capture: &Path, found: &Cleanliness, damage: Option<String>) -> Self {
        let faults = found.findings.iter().map(|finding| FaultReport {
            fault: finding.fault.name(),
            severity: finding.fault.severity().name(),
            meaning: finding.fault.to_string(),
            count: finding.count,
            first: finding.first().to_vec(),
        });
        Self {
            capture: capture.display().to_string(),
            packets: found.packets,
            with_errors: found.with_errors,
            errors: found.count(Severity::Error),
            notes: found.count(Severity::Note),
            skipped: found
                .skipped
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            faults: faults.collect(),
            damage,
            tools: Vec::new(),
        }
    }

    fn is_clean(&self, lenient: bool) -> bool {
        let has_complaints = self
            .tools
            .iter()
            .any(|opinion| opinion.verdict == Verdict::Complaints);
        self.errors == 0 && !has_complaints && (lenient || self.damage.is_none())
    }
}

pub(crate) fn run(args: &Check, json: bool) -> Result<u8> {
    let captures = input::captures(&args.paths)?;
    let mut tools = BTreeMap::new();
    if args.tools {
        captures
            .iter()
            .try_for_each(|capture| check_file(capture, "a capture that other programs read"))?;
        tools.extend(TOOLS.iter().map(|tool| (tool.name, tool.version())));
    }
    let bar = progress_bar(Some(captures.len() as u64), "captures");
    let reports: Result<Vec<_>> = captures
        .par_iter()
        .map(|capture| {
            let report = check(capture, &tools);
            bar.inc(1);
            report.with_context(|| format!("cannot check {}", capture.display()))
        })
        .collect();
    bar.finish_and_clear();
    let captures = reports?;
    let checked = Checked {
        clean: captures.iter().all(|report| report.is_clean(args.lenient)),
        tools,
        captures,
    };
    if json {
        print_json(&checked)?;
    } else {
        print(&render(&checked)?)?;
    }
    Ok(if checked.clean { GOOD } else { FINDING })
}

fn check(capture: &Path, tools: &BTreeMap<&'static str, Option<String>>) -> Result<Report> {
    let mut checker = Checker::new();
    let (compression, damage) = match Reader::open(capture) {
        Ok(mut reader) => {
            let compression = reader.format().compression;
            (compression, observe(&mut reader, &mut checker)?)
        }
        Err(error) => (Compression::None, Some(error.to_string())),
    };
    let mut report = Report::new(capture, &checker.finish(), damage);
    if !tools.is_empty() {
        report.tools = ask(capture, compression, tools)?;
    }
    Ok(report)
}

/// Judges every packet; returns why the capture could not be read to its end.
fn observe(reader: &mut Reader, checker: &mut Checker) -> Result<Option<String>> {
    let mut packets = 0u64;
    while let Some(next) = reader.next() {
        if packets.is_multiple_of(INTERRUPT_STEP) {
            interrupt::check()?;
        }
        packets += 1;
        match next {
            Ok(packet) => checker.observe(&packet),
            Err(error) => return Ok(Some(error.to_string())),
        };
    }
    Ok(None)
}

/// What other programs say of a capture. They get it without compression.
fn ask(
    capture: &Path,
    compression: Compression,
    tools: &BTreeMap<&'static str, Option<String>>,
) -> Result<Vec<Opinion>> {
    let capture = capture.canonicalize()?;
    let plain = tempfile::NamedTempFile::new()?;
    let is_plain = compression == Compression::None;
    if !is_plain {
        // Damage is told already; the programs get what comes before it.
        let _ = pcap::decompress(File::open(&capture)?, &mut plain.as_file());
    }
    let path = if is_plain { &capture } else { plain.path() };
    let opinion = |tool: &crate::tools::Tool| match tools.get(tool.name) {
        Some(Some(_)) => tool.judge(path),
        _ => Ok(tool.absent()),
    };
    TOOLS.iter().map(opinion).collect()
}

fn render(checked: &Checked) -> Result<String> {
    let mut text = String::new();
    for report in &checked.captures {
        render_capture(&mut text, report)?;
    }
    for (tool, version) in &checked.tools {
        let version = version.as_deref().unwrap_or("not installed");
        writeln!(text, "{tool:<10} {version}")?;
    }
    Ok(text)
}

/// A line for the capture, then one for each kind of fault and each program with something to say.
fn render_capture(text: &mut String, report: &Report) -> Result<()> {
    write!(text, "{}: {} packets, ", report.capture, report.packets)?;
    if report.errors + report.notes == 0 && report.damage.is_none() {
        write!(text, "clean")?;
    } else {
        let (errors, notes) = (report.errors, report.notes);
        write!(text, "errors {errors}, notes {notes}")?;
    }
    if !report.skipped.is_empty() {
        let skipped = report.skipped.iter();
        let skipped: Vec<_> = skipped.map(|(name, n)| format!("{n} {name}")).collect();
        write!(text, "; not judged: {}", skipped.join(", "))?;
    }
    writeln!(text)?;
    if let Some(damage) = &report.damage {
        writeln!(text, "  damaged: {damage}")?;
    }
    for fault in &report.faults {
        let first: Vec<_> = fault.first.iter().map(u64::to_string).collect();
        let more = if fault.count > fault.first.len() as u64 {
            ", …"
        } else {
            ""
        };
        writeln!(
            text,
            "  {:<5} {:>8} {:<21} {} (packet {}{more})",
            fault.severity,
            fault.count,
            fault.fault,
            fault.meaning,
            first.join(", ")
        )?;
    }
    for opinion in &report.tools {
        render_opinion(text, opinion)?;
    }
    Ok(())
}

fn render_opinion(text: &mut String, opinion: &Opinion) -> Result<()> {
    let verdict = match opinion.verdict {
        Verdict::Clean => "clean".to_string(),
        Verdict::Complaints => format!("{} complaints", opinion.complaints),
        Verdict::CouldNotRun => "could not run".to_string(),
        Verdict::NotInstalled => "not installed".to_string(),
    };
    writeln!(text, "  {:<10} {verdict}", opinion.tool)?;
    for told in &opinion.told {
        writeln!(text, "    {told}")?;
    }
    Ok(())
}
