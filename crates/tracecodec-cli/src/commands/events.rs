//! `events`: the TCP events of captures, by the native analyser, by `tshark`, or by both against
//! each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::choice::Choice;
use tracecodec::metrics::TcpEvents;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::events::{self, Analyzer, CaptureEvents, EventTotals, Outcome};

use crate::args::{CaptureArgs, JobsArg};
use crate::choice::choice;
use crate::failure::{FINDING, GOOD};
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Report the TCP events of captures: retransmissions, lost segments and the like.
///
/// The rules are those of tshark 4.0 with its default preferences. One line a packet that has
/// events: its place in the file from 1 (tshark's frame.number), a tab, the events by the names of
/// tshark's fields (tcp.analysis.NAME), sorted and joined by commas. A fast or spurious
/// retransmission is a retransmission too. Of several captures, each that has lines has a line `==
/// FILE` above them.
///
/// A TCP packet whose options the capture cut has no events, as in tshark, though later packets are
/// judged by it; --judge-cut gives it the events that it would have uncut.
///
/// With `--analyzer both`, the lines are the packets about which the native analyser and tshark
/// differ, and how the packet was read: what is not read as TCP is not analysed natively. tshark
/// looks into tunnels always; --tunnels inner does, too.
///
/// Of a selection (--filter and the like), packets are numbered among those that are selected, and
/// analysed as if there were no others.
///
/// Exit codes: 0 good; 1 the analysers differ (--analyzer both); 2 failure.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Captures, or folders of captures; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    paths: Vec<PathBuf>,
    /// Who finds the events.
    #[arg(long, value_parser = choice::<Analyzer>(), default_value = Analyzer::default().name())]
    analyzer: Analyzer,
    /// Print how many there are of each event instead, in two countings: by field as tshark's
    /// filters count, and exclusively, one event a packet.
    #[arg(long)]
    counts: bool,
    /// Judge TCP packets whose options the capture cut, too; tshark gets a copy with NOPs in their
    /// place.
    #[arg(long)]
    judge_cut: bool,
    #[command(flatten)]
    jobs: JobsArg,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Events, json: bool) -> Result<u8> {
    let config = events::Config {
        inputs: args.paths.clone(),
        analyzer: args.analyzer,
        counts: args.counts,
        judge_cut: args.judge_cut,
        jobs: args.jobs.jobs,
        read: args.read.policy(),
    };
    let outcome = events::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&render(&outcome, args.counts)?)?;
    }
    let code = if outcome.is_clean() { GOOD } else { FINDING };
    outcome.failure.map_or(Ok(code), |error| Err(error.into()))
}

fn render(outcome: &Outcome, counts: bool) -> Result<String> {
    let mut text = String::new();
    let captures = &outcome.captures;
    if counts {
        render_counts(&outcome.totals(), &mut text)?;
    } else {
        for capture in captures {
            render_lines(capture, captures.len() > 1, &mut text)?;
        }
    }
    if outcome.analyzer == Analyzer::Both {
        render_comparison(outcome, &mut text)?;
    }
    Ok(text)
}

/// The packets of one capture, below its name where there are several.
fn render_lines(capture: &CaptureEvents, several: bool, text: &mut String) -> Result<()> {
    let frames = capture.frames.iter().flatten();
    let lines = frames.map(|frame| format!("{}\t{}", frame.frame, frame.events.join(",")));
    let mismatches = capture.mismatches.iter().flatten();
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
        writeln!(text, "== {}", capture.capture)?;
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

fn render_counts(totals: &EventTotals, text: &mut String) -> Result<()> {
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

/// A comparison in a line, and the mismatches by how the packet was read.
fn render_comparison(outcome: &Outcome, text: &mut String) -> Result<()> {
    let mut by_reading: BTreeMap<_, u64> = BTreeMap::new();
    for mismatch in outcome.mismatches() {
        *by_reading.entry(mismatch.read_as).or_default() += 1;
    }
    let totals = outcome.totals();
    writeln!(
        text,
        "{}, {}, {}, {} with events, {} mismatches with {}",
        counted(outcome.captures.len() as u64, "capture"),
        counted(totals.packets, "packet"),
        counted(totals.tcp_packets, "TCP packet"),
        totals.with_events,
        by_reading.values().sum::<u64>(),
        outcome.tshark.as_deref().unwrap_or_default()
    )?;
    for (read_as, count) in by_reading {
        writeln!(text, "  {count} read as {read_as}")?;
    }
    for damage in outcome
        .captures
        .iter()
        .filter_map(|capture| capture.damage.as_ref())
    {
        writeln!(text, "damaged: {damage}")?;
    }
    Ok(())
}
