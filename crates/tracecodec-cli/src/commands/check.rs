//! `check`: what analysers would reject in captures, or wonder at.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::check::{self, CaptureCheck, Outcome};
use tracecodec_pipeline::tools::{Opinion, Verdict};

use crate::args::{JobsArg, SelectionArgs};
use crate::failure::{FINDING, GOOD};
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Report what analysers would reject in captures, or wonder at.
///
/// Every packet is judged: lengths, checksums where all bytes that they cover were captured,
/// headers and options, flags, addresses, and time. An error is what an analyser rejects or calls
/// malformed; a note is legal but unusual. With --tools, other programs judge, too, as far as they
/// are installed: tshark, capinfos, tcpdump, tcpprep (of tcpreplay's suite), zeek, suricata.
///
/// Exit codes: 0 no error; 1 an error, a program's complaint, damage in a capture (but for
/// --lenient), or a file within a folder that is no capture; 2 failure: a file that was named is no
/// capture, or nothing could be judged.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Captures, or folders of captures; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    paths: Vec<PathBuf>,
    /// Ask tshark, capinfos, tcpdump, tcpprep, zeek and suricata, too, as far as they are
    /// installed.
    #[arg(long)]
    tools: bool,
    /// Report damage in a capture, but do not count it as an error; a file that is no capture stays
    /// one.
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    jobs: JobsArg,
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(crate) fn run(args: &Check, json: bool) -> Result<u8> {
    let config = check::Config {
        inputs: args.paths.clone(),
        tools: args.tools,
        lenient: args.lenient,
        jobs: args.jobs.jobs,
        selection: args.selection.selection(),
    };
    let outcome = check::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&render(&outcome)?)?;
    }
    let code = if outcome.is_clean() { GOOD } else { FINDING };
    outcome.failure.map_or(Ok(code), |error| Err(error.into()))
}

fn render(outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    for capture in &outcome.captures {
        render_capture(&mut text, capture)?;
    }
    if outcome.unreadable > 0 {
        let (unreadable, all) = (outcome.unreadable, outcome.captures.len());
        writeln!(text, "{unreadable} of {all} files are no captures")?;
    }
    for (tool, version) in &outcome.tools {
        let version = version.as_deref().unwrap_or("not installed");
        writeln!(text, "{tool:<10} {version}")?;
    }
    Ok(text)
}

/// A line for the capture, then one for each kind of fault and each program with something to say.
fn render_capture(text: &mut String, check: &CaptureCheck) -> Result<()> {
    if let Some(why) = &check.unreadable {
        writeln!(text, "{}: no capture\n  unreadable: {why}", check.capture)?;
        return Ok(());
    }
    let packets = counted(check.packets, "packet");
    write!(text, "{}: {packets}, ", check.capture)?;
    if check.errors + check.notes == 0 && check.damage.is_none() {
        write!(text, "clean")?;
    } else {
        let (errors, notes) = (check.errors, check.notes);
        write!(text, "errors {errors}, notes {notes}")?;
    }
    if !check.skipped.is_empty() {
        let skipped = check.skipped.iter();
        let skipped: Vec<_> = skipped.map(|(name, n)| format!("{n} {name}")).collect();
        write!(text, "; not judged: {}", skipped.join(", "))?;
    }
    writeln!(text)?;
    if let Some(damage) = &check.damage {
        writeln!(text, "  damaged: {damage}")?;
    }
    for fault in &check.faults {
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
    for opinion in &check.tools {
        render_opinion(text, opinion)?;
    }
    Ok(())
}

fn render_opinion(text: &mut String, opinion: &Opinion) -> Result<()> {
    let verdict = match opinion.verdict {
        Verdict::Clean => "clean".to_string(),
        Verdict::Complaints => counted(opinion.complaints, "complaint"),
        Verdict::CouldNotRun => "could not run".to_string(),
        Verdict::NotInstalled => "not installed".to_string(),
    };
    writeln!(text, "  {:<10} {verdict}", opinion.tool)?;
    for remark in &opinion.remarks {
        writeln!(text, "    {remark}")?;
    }
    Ok(())
}
