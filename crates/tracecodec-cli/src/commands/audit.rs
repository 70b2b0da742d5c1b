//! `audit`: what of a capture survives in another that was made from it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::audit::{Likeness, Survival};
use tracecodec_pipeline::run::audit::{self, CaptureAudit};

use crate::args::{CaptureArgs, JobsArg};
use crate::failure::{FINDING, GOOD};
use crate::output::{print, print_json, printable};
use crate::terminal::Terminal;

/// Measure what of a capture survives in another that was decoded or generated from it.
///
/// Addresses and MACs are searched for in fields, at any offset and as text; ports that are not of
/// services, sequence numbers, identifications, timestamps and checksums packet by packet and as
/// sets; payload by runs of 8 bytes. Each row says how many were found and how many chance would
/// find. docs/privacy.md has the model of chance.
///
/// Who talks to whom, times and sizes are kept by design: how many hosts and flows they tell apart
/// is stated, and how many can be found again.
///
/// Exit codes: 0 nothing survives beyond chance that should not; 1 something does; 2 failure.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// What was decoded or learned from: a capture, or a folder of captures.
    #[arg(value_name = "ORIGINAL")]
    original: PathBuf,
    /// What came out: a capture, or a folder with the same names; - is stdin.
    #[arg(value_name = "DECODED")]
    decoded: PathBuf,
    /// Count names, digests and dates of the original as findings.
    #[arg(long)]
    anonymous: bool,
    /// Decode the halves of the original with one salt and with two, and compare their endpoints.
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    jobs: JobsArg,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Audit, json: bool) -> Result<u8> {
    let config = audit::Config {
        original: args.original.clone(),
        decoded: args.decoded.clone(),
        anonymous: args.anonymous,
        link: args.link,
        jobs: args.jobs.jobs,
        read: args.read.policy(),
    };
    let outcome = audit::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        let mut text = String::new();
        for capture in &outcome.captures {
            render(&mut text, capture, args.anonymous)?;
        }
        print(&text)?;
    }
    Ok(if outcome.is_clean() { GOOD } else { FINDING })
}

fn render(text: &mut String, audit: &CaptureAudit, anonymous: bool) -> Result<()> {
    let verdict = if audit.is_clean(anonymous) {
        "nothing beyond chance"
    } else {
        "survives"
    };
    let (original, decoded) = (&audit.original, &audit.decoded);
    writeln!(text, "{original} in {decoded}: {verdict}")?;
    writeln!(
        text,
        "  {:<22} {:<18} {:>9} {:>8} {:>9}  probability",
        "", "", "searched", "found", "by chance"
    )?;
    for row in audit.identifiers.iter().filter(|row| row.searched > 0) {
        render_row(text, row, row.beyond_chance)?;
    }
    for linked in &audit.linked {
        let salt = if linked.same_salt { "same" } else { "other" };
        let hosts = tracecodec::choice::Choice::name(linked.hosts);
        let what = format!("endpoint, {salt} salt, hosts {hosts}");
        let row = &linked.endpoints;
        writeln!(
            text,
            "  {what:<41} {:>9} {:>8} {:>9.2}  {} for the same host",
            row.searched, row.found, row.expected, linked.same_host
        )?;
    }
    for name in &audit.names {
        writeln!(text, "  {} in {}", name.what, printable(&name.place))?;
    }
    let likeness = |what: &str, by: &str, likeness: &Likeness| {
        format!(
            "  {} of {} {what} are unique by {by}; {} of them are found again\n",
            likeness.unique, likeness.count, likeness.matched
        )
    };
    text.push_str(&likeness("hosts", "their degrees", &audit.hosts));
    text.push_str(&likeness("flows", "times and sizes", &audit.flows));
    Ok(())
}

fn render_row(text: &mut String, row: &Survival, is_beyond: bool) -> Result<()> {
    write!(
        text,
        "  {:<22} {:<18} {:>9} {:>8} {:>9.2}",
        row.what, row.place, row.searched, row.found, row.expected
    )?;
    if is_beyond {
        let examples = printable(&row.examples.join(", "));
        write!(text, "  {:.1e} BEYOND CHANCE  {examples}", row.probability)?;
    }
    writeln!(text)?;
    Ok(())
}
