//! `verify`: the proof that lift and compile lose nothing, on any number of captures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::files::ReadPolicy;
use tracecodec_pipeline::run::verify::{self, CaptureProof, Kept, Outcome, Program};

use crate::args::{HeaderArgs, JobsArg, SelectionArgs};
use crate::failure::{FINDING, GOOD};
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Narrowest column of paths.
const PATH_WIDTH: usize = 28;

/// The other columns, with their widths.
const COLUMNS: [(&str, usize); 13] = [
    ("captures", 8),
    ("packets", 10),
    ("in scope", 10),
    ("TCP", 10),
    ("lost", 6),
    ("legalised", 9),
    ("returns", 7),
    ("hosts", 7),
    ("evicted", 7),
    ("with event", 10),
    ("mismatch", 8),
    ("complaints", 10),
    ("damaged", 8),
];

/// Prove that lift and compile lose nothing, on any number of captures.
///
/// Every packet in scope is lifted and compiled, and the result is compared with the packet: time,
/// lengths, flags, window, options, sequence and acknowledgment numbers relative to the flow's
/// others, flow and direction; then it is lifted again, which must give the same action. With
/// --tshark, `tshark` must report the same TCP events packet by packet, and no complaint about the
/// output. With --tools, the programs of `check --tools` judge the output. Exit code 1 if anything
/// was lost, or a program complained. Damaged captures are proven up to the damage, and named; if
/// none can be read, the exit code is 2.
///
/// With --applications, the output has shaped payload, and programs that name the application of a
/// flow judge input and output. A second table has a line for each service, with its flows with
/// payload; then for each program the flows that it takes for the service again, of those that it
/// takes for the service in the input. tshark, ndpiReader and nfstream look into payload; argus,
/// tcptrace and nfdump go by ports. Lost applications are no finding, malformed packets are.
///
/// Columns: packets that lost something; packets that the compiler had to change; five-tuples that
/// came back after their slot was given back; hosts, each with one synthetic address; flows and
/// hosts that lost their slot because all were taken; TCP packets with events, and those whose
/// events differ; complaints of tshark, or of all programs, about the output; captures that could
/// not be read to their end.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Captures, or folders of captures.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Compare TCP events, and check the output, with tshark.
    #[arg(long)]
    tshark: bool,
    /// Ask tshark, capinfos, tcpdump, tcpprep, zeek and suricata about the output, as far as they
    /// are installed.
    #[arg(long)]
    tools: bool,
    /// Shape payload, and ask tshark, ndpiReader, nfstream, argus, tcptrace and nfdump which
    /// applications they see in input and output, as far as they are installed.
    #[arg(long)]
    applications: bool,
    #[command(flatten)]
    jobs: JobsArg,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(crate) fn run(args: &Verify, json: bool) -> Result<u8> {
    let config = verify::Config {
        inputs: args.paths.clone(),
        tshark: args.tshark,
        tools: args.tools,
        applications: args.applications,
        jobs: args.jobs.jobs,
        read: ReadPolicy {
            selection: args.selection.selection(),
            ..args.headers.policy()
        },
    };
    let outcome = verify::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&render(&args.paths, &outcome)?)?;
    }
    Ok(if outcome.is_clean() { GOOD } else { FINDING })
}

/// The table: a line for each path that was named, then the captures with findings.
fn render(paths: &[PathBuf], outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    let sums = sums(paths, &outcome.captures);
    let widths = sums.iter().map(|(path, _)| path.chars().count());
    let width = widths.fold(PATH_WIDTH, usize::max);
    write!(text, "{:<width$}", "path")?;
    for (title, width) in COLUMNS {
        write!(text, " {title:>width$}")?;
    }
    writeln!(text)?;
    for (path, sums) in sums {
        write!(text, "{path:<width$}")?;
        for ((_, width), sum) in COLUMNS.iter().zip(sums) {
            write!(text, " {sum:>width$}")?;
        }
        writeln!(text)?;
    }
    let captures = || outcome.captures.iter();
    let cut: u64 = captures().map(|capture| capture.cut_options).sum();
    if outcome.tshark.is_some() && cut > 0 {
        writeln!(
            text,
            "\n{cut} TCP packets had options cut: tshark judged their captures with NOPs there"
        )?;
    }
    let without: u64 = captures().map(|capture| capture.without_length).sum();
    if outcome.tshark.is_some() && without > 0 {
        writeln!(
            text,
            "\n{without} TCP packets over IPv6 had a length field of 0: tshark judged their captures \
             with the length there"
        )?;
    }
    render_tools(&mut text, outcome)?;
    render_applications(&mut text, outcome)?;
    match &outcome.tshark {
        Some(version) => writeln!(text, "\nTCP events and complaints by {version}")?,
        None => writeln!(
            text,
            "\nTCP events were not compared (--tshark compares them)"
        )?,
    }
    for damage in captures().filter_map(|capture| capture.damage.as_ref()) {
        writeln!(text, "damaged: {damage}")?;
    }
    for capture in captures().filter(|capture| !capture.is_clean()) {
        writeln!(text, "\n{}", capture.capture)?;
        for finding in &capture.findings {
            writeln!(text, "  {finding}")?;
        }
    }
    Ok(text)
}

/// A line for each program that judged the output, then one for each kind of its complaints.
fn render_tools(text: &mut String, outcome: &Outcome) -> Result<()> {
    if !outcome.tools.is_empty() {
        writeln!(text)?;
    }
    for (tool, version) in &outcome.tools {
        let version = version.as_deref().unwrap_or("not installed");
        writeln!(text, "{tool:<10} {version}")?;
        let mut kinds = BTreeMap::new();
        for capture in &outcome.captures {
            for (kind, count) in capture.tools.get(tool).into_iter().flatten() {
                let (captures, complaints) = kinds.entry(kind).or_insert((0, 0));
                *captures += 1;
                *complaints += count;
            }
        }
        for (kind, (captures, complaints)) in kinds {
            writeln!(text, "  {complaints} in {captures} captures: {kind}")?;
        }
    }
    Ok(())
}

/// The judges of applications, then a line for each service: flows with payload, and for each judge
/// those that kept their application, of those that have it in the input.
fn render_applications(text: &mut String, outcome: &Outcome) -> Result<()> {
    if outcome.judges.is_empty() {
        return Ok(());
    }
    writeln!(text)?;
    for Program { name, version } in &outcome.judges {
        let version = version.as_deref().unwrap_or("not installed");
        writeln!(text, "{name:<10} {version}")?;
    }
    let found = || {
        outcome
            .captures
            .iter()
            .filter_map(|capture| capture.applications.as_ref())
    };
    let (rows, total) = outcome.services();
    let judges = || {
        let installed = outcome
            .judges
            .iter()
            .filter(|program| program.version.is_some());
        installed.map(|program| program.name)
    };
    write!(text, "\n{:<16} {:>7}", "service", "flows")?;
    for judge in judges() {
        write!(text, " {judge:>13}")?;
    }
    writeln!(text)?;
    for (service, flows) in rows
        .iter()
        .map(|(name, row)| (*name, row))
        .chain([("all", &total)])
    {
        write!(text, "{service:<16} {:>7}", flows.flows)?;
        for judge in judges() {
            let Kept { flows, kept } = flows.judges.get(judge).copied().unwrap_or_default();
            let cell = if flows > 0 {
                format!("{kept}/{flows}")
            } else {
                "-".to_string()
            };
            write!(text, " {cell:>13}")?;
        }
        writeln!(text)?;
    }
    write!(text, "{:<16} {:>7}", "% kept", "")?;
    for judge in judges() {
        let Kept { flows, kept } = total.judges.get(judge).copied().unwrap_or_default();
        let cell = if flows > 0 {
            format!("{:.2}", 100.0 * kept as f64 / flows as f64)
        } else {
            "-".to_string()
        };
        write!(text, " {cell:>13}")?;
    }
    let [original, decoded] = [
        found().map(|found| found.malformed.original).sum::<u64>(),
        found().map(|found| found.malformed.decoded).sum(),
    ];
    writeln!(
        text,
        "\n\nmalformed: {decoded} packets of the output, {original} of the input"
    )?;
    for capture in &outcome.captures {
        let failed = capture.applications.iter().flat_map(|found| &found.failed);
        for (judge, why) in failed {
            writeln!(text, "{judge} failed on {}: {why}", capture.capture)?;
        }
    }
    Ok(())
}

/// Sums of the captures below each path, in the order of the table's columns.
fn sums(paths: &[PathBuf], captures: &[CaptureProof]) -> Vec<(String, [u64; 13])> {
    let mut sums: BTreeMap<usize, [u64; 13]> = BTreeMap::new();
    for capture in captures {
        let below = paths
            .iter()
            .position(|path| Path::new(&capture.capture).starts_with(path));
        let row = sums.entry(below.unwrap_or(0)).or_default();
        let values = [
            1,
            capture.packets,
            capture.actions,
            capture.tcp,
            capture.lost,
            capture.legalised,
            capture.returns,
            capture.hosts,
            capture.evictions,
            capture.with_events,
            capture.event_mismatches,
            capture.complaints + capture.tool_complaints() + capture.malformed(),
            u64::from(capture.damage.is_some()),
        ];
        row.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter()
        .map(|(at, row)| (paths[at].display().to_string(), row))
        .collect()
}
