//! `audit`: what of a capture survives in another that was made from it.

mod model;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use tracecodec::audit::{Likeness, Survival};
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::run::audit::{self, CaptureAudit};

use crate::args::{CaptureArgs, JobsArg};
use crate::count::positive_count;
use crate::failure::{FINDING, GOOD, Hint};
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
/// With --model, what a generator remembers: ORIGINAL is what it learned from, DECODED is traffic
/// like it that it did not learn from. Shadow models are trained on halves of their sessions, which
/// takes long, and goes on in the same folder if it was stopped.
///
/// Exit codes: 0 nothing survives beyond chance that should not, or a model was measured; 1
/// something does; 2 failure.
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
    /// Audit this generator: built-in, or its folder.
    #[arg(long, value_name = "DIR", requires = "output")]
    model: Option<PathBuf>,
    /// Folder of the shadow models.
    #[arg(short, long, value_name = "DIR", requires = "model")]
    output: Option<PathBuf>,
    /// Number of shadow models.
    #[arg(long, value_name = "N", default_value_t = audit::model::Config::default().shadows as u64, requires = "model", value_parser = positive_count)]
    shadows: u64,
    /// Optimiser steps of each shadow model.
    #[arg(long, value_name = "N", default_value_t = audit::model::Config::default().steps, requires = "model", value_parser = positive_count)]
    steps: u64,
    /// Most sessions that models are asked about.
    #[arg(long, value_name = "N", default_value_t = audit::model::Config::default().sessions as u64, requires = "model", value_parser = positive_count)]
    sessions: u64,
    /// Seed of all draws.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    jobs: JobsArg,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Audit, json: bool) -> Result<u8> {
    if let (Some(model), Some(output)) = (&args.model, &args.output) {
        return model::run(&args.model_config(model, output)?, json);
    }
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

impl Audit {
    /// What is asked of a model.
    fn model_config(&self, name: &Path, output: &Path) -> Result<audit::model::Config> {
        if self.link || self.anonymous {
            return Err(Hint::error(
                "--link and --anonymous are for captures",
                "leave them out with --model",
            ));
        }
        Ok(audit::model::Config {
            model: Some(ModelName::from(name.to_path_buf())),
            data: vec![self.original.clone()],
            held_out: vec![self.decoded.clone()],
            output: output.to_path_buf(),
            shadows: self.shadows as usize,
            steps: self.steps,
            sessions: self.sessions as usize,
            seed: self.seed,
            read: self.read.policy(),
            ..audit::model::Config::default()
        })
    }
}
