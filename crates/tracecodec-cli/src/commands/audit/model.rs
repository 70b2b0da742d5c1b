//! `audit --model`: what a generator remembers.

use std::fmt::Write as _;

use anyhow::Result;
use tracecodec_pipeline::classifier::Interval;
use tracecodec_pipeline::run::audit::model;

use crate::failure::GOOD;
use crate::output::{print, print_json};
use crate::terminal::Terminal;

pub(super) fn run(config: &model::Config, json: bool) -> Result<u8> {
    let outcome = model::run(config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&render(&outcome)?)?;
    }
    Ok(GOOD)
}

fn render(outcome: &model::Outcome) -> Result<String> {
    let mut text = String::new();
    let [with, without] = outcome.nats;
    writeln!(
        text,
        "{} of {} sessions, {} shadow models of {} steps: {with:.3} nats a packet of what they learned from, {without:.3} of others",
        outcome.asked, outcome.sessions, outcome.shadows, outcome.steps
    )?;
    writeln!(
        text,
        "  {:<8} {:<10} {:<9} {:>7} {:>7}  {:<20} true positives at 1 %, 0.1 % false positives",
        "", "", "", "members", "others", "AUC"
    )?;
    for attack in &outcome.attacks {
        write!(
            text,
            "  {:<8} {:<10} {:<9} {:>7} {:>7}  {:<20}",
            attack.target,
            attack.score,
            attack.group,
            attack.members,
            attack.others,
            interval(&attack.auc, 1.0)
        )?;
        for rate in &attack.rates {
            let rate = rate.true_positives.as_ref();
            let rate = rate.map_or_else(
                || format!("cannot be told of {}", attack.other_sessions),
                |rate| format!("{} %", interval(rate, 100.0)),
            );
            write!(text, " {rate:<24}")?;
        }
        text.truncate(text.trim_end().len());
        writeln!(text)?;
    }
    for canary in &outcome.canaries {
        writeln!(
            text,
            "  canaries inserted {} times: exposure {:.2} of 8 bits, generated {} times ({} of a model)",
            canary.repetitions, canary.bits, canary.generated, canary.pairs
        )?;
    }
    Ok(text)
}

fn interval(interval: &Interval, scale: f64) -> String {
    let [value, low, high] = [interval.value, interval.low, interval.high].map(|x| x * scale);
    let places = if scale > 1.0 { 1 } else { 3 };
    format!("{value:.places$} ({low:.places$} to {high:.places$})")
}
