//! Captures and summaries as the commands write them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tracecodec::lift::LiftCounts;
use tracecodec_nn::latents::EntropyNats;
use tracecodec_pipeline::files::folder::Outcomes;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::realise::Realised;

use crate::failure::Hint;
use crate::stderr;

/// Refuses `--json` beside output on stdout.
pub(crate) fn check_stdout(json: bool, output: &Path) -> Result<()> {
    if json && output == Path::new("-") {
        return Err(Hint::error(
            "--json and output to - both want stdout",
            "write the output to a file",
        ));
    }
    Ok(())
}

/// Prints a summary: as JSON on stdout, or as the line given on stderr.
pub(crate) fn print_summary(json: bool, summary: &impl Serialize, line: &str) -> Result<()> {
    if json {
        print_json(summary)
    } else {
        stderr::line(line);
        Ok(())
    }
}

/// Prints what became of a capture or of the captures of a folder: as JSON on stdout, or as a line
/// each on stderr.
pub(crate) fn print_outcomes<O: Serialize>(
    json: bool,
    outcomes: &Outcomes<O>,
    line: impl Fn(&O) -> String,
) -> Result<()> {
    if json {
        return print_json(outcomes);
    }
    outcomes
        .iter()
        .for_each(|outcome| stderr::line(&line(outcome)));
    Ok(())
}

/// Text from elsewhere for a terminal: without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Prints JSON on stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Prints text on stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The summary line of a lift: what was taken, what was left out and why.
pub(crate) fn lift_line(counts: &LiftCounts) -> String {
    let mut line = format!(
        "{} of {} in {}",
        counts.actions(),
        counted(counts.packets, "packet"),
        counted(counts.flows, "flow")
    );
    if !counts.skipped.is_empty() {
        let reasons: Vec<_> = counts
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let _ = write!(line, "; left out: {}", reasons.join(", "));
    }
    if counts.steps_back > 0 {
        let _ = write!(
            line,
            "; {} back in time",
            counted(counts.steps_back, "step")
        );
    }
    if counts.unknown_layouts > 0 {
        let _ = write!(
            line,
            "; {} kept by length only",
            counted(counts.unknown_layouts, "TCP option layout")
        );
    }
    if counts.evictions > 0 {
        let _ = write!(line, "; {}", evicted(counts.evictions));
    }
    line
}

/// How many flows were too many.
pub(crate) fn evicted(flows: u64) -> String {
    let owner = if flows == 1 { "its" } else { "their" };
    format!("{} lost {owner} slot", counted(flows, "flow"))
}

/// The summary line's part on what the packets cost without a model of the traffic.
pub(crate) fn entropy_part(entropy: EntropyNats) -> String {
    format!(
        " (without a model: entropy {:.1}, code {:.1})",
        entropy.plug_in, entropy.code_length
    )
}

/// The summary line's part on what a compiler did: payload that was shaped, and changes that kept
/// packets legal.
pub(crate) fn realised_part(realised: &Realised) -> String {
    let mut line = String::new();
    if let Some(shaped) = &realised.shaped {
        let (mut packets, mut omitted) = (0, 0);
        for count in shaped.services.values() {
            packets += count.shaped;
            omitted += count.omitted;
        }
        let services = counted(shaped.services.len() as u64, "service");
        line = format!(
            "; payload shaped in {} of {services}",
            counted(packets, "packet")
        );
        if omitted > 0 {
            line += &format!(", left out in {omitted}");
        }
    }
    let changes = realised.legalisations.iter();
    let kinds: Vec<_> = changes
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    if !kinds.is_empty() {
        line += &format!("; made legal: {}", kinds.join(", "));
    }
    line
}
