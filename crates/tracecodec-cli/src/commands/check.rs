//! `check`: what analysers would reject in captures, or wonder at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use tracecodec::check::{Checker, Cleanliness, Severity};
use tracecodec::pcap::{self, Compression, ReadError, Reader};

use crate::failure::{FINDING, GOOD, Hint};
use crate::folder;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{check_file, print, print_json};
use crate::tools::{Opinion, TOOLS, Verdict};

/// Packets between two looks for an interruption.
const INTERRUPT_STEP: u64 = 4096;

/// Tell what analysers would reject in captures, or wonder at.
///
/// Every packet is judged: lengths, checksums where all bytes that they cover were captured, headers and options, flags,
/// addresses, and time. An error is what an analyser rejects or calls malformed; a note is legal but unusual. With --tools,
/// other programs judge, too, as far as they are installed: tshark, capinfos, tcpdump, tcpprep (of tcpreplay's suite), zeek,
/// suricata.
///
/// Exit codes: 0 no error; 1 an error, a program's complaint, damage in a capture (but for --lenient), or a file within a folder
/// that is no capture; 2 failure: a file that was named is no capture, or nothing could be judged.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Captures, or folders of captures; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    paths: Vec<PathBuf>,
    /// Ask tshark, capinfos, tcpdump, tcpprep, zeek and suricata, too, as far as they are installed.
    #[arg(long)]
    tools: bool,
    /// Tell of damage in a capture, but do not count it as an error; a file that is no capture stays one.
    #[arg(long)]
    lenient: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    /// Whether there is no error, no complaint, no damage that counts, and no file that is no capture: exit code 0.
    clean: bool,
    /// Files that could not be opened as captures.
    unreadable: u64,
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
    /// Why it could not be opened as a capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    /// What other programs say of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Opinion>,
    /// The same as `unreadable`, with its hint.
    #[serde(skip)]
    error: Option<ReadError>,
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
            unreadable: None,
            tools: Vec::new(),
            error: None,
        }
    }

    /// Of a file that is no capture.
    fn unreadable(capture: &Path, error: ReadError) -> Self {
        Self {
            unreadable: Some(error.to_string()),
            error: Some(error),
            ..Self::new(capture, &Checker::new().finish(), None)
        }
    }

    fn is_clean(&self, lenient: bool) -> bool {
        let has_complaints = self
            .tools
            .iter()
            .any(|opinion| opinion.verdict == Verdict::Complaints);
        let is_whole = self.unreadable.is_none() && (lenient || self.damage.is_none());
        self.errors == 0 && !has_complaints && is_whole
    }
}

pub(crate) fn run(args: &Check, json: bool) -> Result<u8> {
    check_stdin(&args.paths)?;
    let paths = folder::below(&args.paths)?;
    let mut tools = BTreeMap::new();
    if args.tools {
        paths
            .iter()
            .try_for_each(|capture| check_file(capture, "a capture that other programs read"))?;
        tools.extend(TOOLS.iter().map(|tool| (tool.name, tool.version())));
    }
    let bar = progress_bar(Some(paths.len() as u64), "captures");
    let reports: Result<Vec<_>> = paths
        .par_iter()
        .map(|capture| {
            let report = check(capture, &tools);
            bar.inc(1);
            report.with_context(|| format!("cannot check {}", capture.display()))
        })
        .collect();
    bar.finish_and_clear();
    let mut captures = reports?;
    let mut failure = take_failure(&args.paths, &paths, &mut captures);
    // Of a single file, the error tells all.
    if let Some(error) = failure.take_if(|_| captures.len() == 1) {
        return Err(error);
    }
    let unreadable = captures.iter().filter(|report| report.unreadable.is_some());
    let checked = Checked {
        clean: captures.iter().all(|report| report.is_clean(args.lenient)),
        unreadable: unreadable.count() as u64,
        tools,
        captures,
    };
    if json {
        print_json(&checked)?;
    } else {
        print(&render(&checked)?)?;
    }
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(if checked.clean { GOOD } else { FINDING })
}

/// Refuses to read stdin twice.
pub(super) fn check_stdin(paths: &[PathBuf]) -> Result<()> {
    if paths.iter().filter(|path| *path == Path::new("-")).count() > 1 {
        return Err(Hint::error(
            "- is stdin, and can be named once",
            "name files for the others",
        ));
    }
    Ok(())
}

/// Why the command fails for a file that is no capture: the first that was named itself, or the first if there are only such.
fn take_failure(named: &[PathBuf], paths: &[PathBuf], reports: &mut [Report]) -> Option<Error> {
    let has_captures = reports.iter().any(|report| report.error.is_none());
    let counts = |path: &PathBuf| !has_captures || named.contains(path);
    let mut errors = paths
        .iter()
        .zip(reports)
        .filter(|(path, _)| counts(path))
        .filter_map(|(_, report)| report.error.take());
    errors.next().map(Error::new)
}

fn check(capture: &Path, tools: &BTreeMap<&'static str, Option<String>>) -> Result<Report> {
    let mut checker = Checker::new();
    let (compression, damage) = match Reader::open(capture) {
        Ok(mut reader) => {
            let compression = reader.format().compression;
            (compression, observe(&mut reader, &mut checker)?)
        }
        Err(error) => return Ok(Report::unreadable(capture, error)),
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
    if checked.unreadable > 0 {
        let (unreadable, all) = (checked.unreadable, checked.captures.len());
        writeln!(text, "{unreadable} of {all} files are no captures")?;
    }
    for (tool, version) in &checked.tools {
        let version = version.as_deref().unwrap_or("not installed");
        writeln!(text, "{tool:<10} {version}")?;
    }
    Ok(text)
}

/// A line for the capture, then one for each kind of fault and each program with something to say.
fn render_capture(text: &mut String, report: &Report) -> Result<()> {
    if let Some(why) = &report.unreadable {
        writeln!(text, "{}: no capture\n  unreadable: {why}", report.capture)?;
        return Ok(());
    }
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
        Verdict::Complaints if opinion.complaints == 1 => "1 complaint".to_string(),
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
