//! `classify`: whether a classifier can tell generated sessions from real ones, and whether
//! generated sessions can stand in for real ones.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::classifier::Interval;
use tracecodec_pipeline::run::classify::{self, Contestant, Copied, Outcome, Transfer};

use crate::args::CaptureArgs;
use crate::count::positive_count;
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Features that the table shows.
const SHOWN: usize = 8;

/// Measure whether generated sessions can stand in for real ones.
///
/// Gradient-boosted trees look at 34 features of a session: its protocol, packets, bytes, flags,
/// first payloads and windows, duration and gaps. An area under the ROC curve of 0.5 is a coin, and
/// 1 is a classifier that is never wrong. What --later gives, two pieces of real traffic, is as
/// good as a generator can be. The features that tell most by themselves say where a generator
/// falls short.
///
/// Where there are services, and in folders with captures of the same names, one a network, trees
/// also learn these classes from generated sessions and are tested on real ones: macro F1 by how
/// much of what they learned from was generated. --training counts copies. Density and coverage say
/// whether sessions are like real ones, and real ones like them. docs/metrics.md has the
/// definitions.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Real traffic that the generator has not seen: a capture, or a folder of captures.
    #[arg(value_name = "REAL")]
    real: PathBuf,
    /// Generated traffic, likewise.
    #[arg(value_name = "GENERATED")]
    generated: PathBuf,
    /// Another piece of real traffic, to be measured as the generated is.
    #[arg(long, value_name = "CAPTURE")]
    later: Option<PathBuf>,
    /// What the generator learned from: count sessions that begin as a session of it does.
    #[arg(long, value_name = "CAPTURE")]
    training: Option<PathBuf>,
    /// Most sessions of each class that the classifier sees.
    #[arg(long, value_name = "N", default_value_t = classify::Config::default().sessions as u64, value_parser = positive_count)]
    sessions: u64,
    /// Seed of all draws.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Classifiers that are trained at once; 0, the default: as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Classify, json: bool) -> Result<()> {
    let config = classify::Config {
        real: args.real.clone(),
        generated: args.generated.clone(),
        later: args.later.clone(),
        training: args.training.clone(),
        sessions: usize::try_from(args.sessions)?,
        seed: args.seed,
        jobs: args.jobs,
        read: args.read.policy(),
    };
    let outcome = classify::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)
    } else {
        print(&render(&outcome)?)
    }
}

fn render(outcome: &Outcome) -> Result<String> {
    let contestants = [Some(&outcome.generated), outcome.later.as_ref()];
    let mut table = Table {
        text: String::new(),
        contestants: contestants.into_iter().flatten().collect(),
    };
    let heads = ["", "real", "generated", "later"];
    let heads = &heads[..heads.len() - usize::from(outcome.later.is_none())];
    table.line(heads[0], heads[1..].iter().map(ToString::to_string))?;
    let real = outcome.real_sessions.to_string();
    table.row("sessions", real, |of| of.sessions.to_string())?;
    table.row("  in each class", String::new(), |of| {
        of.two_sample.sessions_per_class.to_string()
    })?;
    table.row("AUC", String::new(), |of| interval(&of.two_sample.auc))?;
    table.row("AUC without time", String::new(), |of| {
        interval(&of.two_sample.auc_without_time)
    })?;
    for feature in outcome.generated.two_sample.features.iter().take(SHOWN) {
        table.row(&format!("  {} alone", feature.name), String::new(), |of| {
            let mut features = of.two_sample.features.iter();
            let same = features.find(|other| other.name == feature.name);
            same.map_or_else(String::new, |feature| format!("{:.3}", feature.auc))
        })?;
    }
    table.row("density", String::new(), |of| maybe(of.density.as_ref()))?;
    table.row("coverage", String::new(), |of| maybe(of.coverage.as_ref()))?;
    if let Some(real) = &outcome.real_copied {
        for (name, share) in COPIED {
            table.row(name, maybe(share(real)), |of| {
                maybe(of.copied.as_ref().and_then(share))
            })?;
        }
    }
    table.transfer("networks", |of| of.networks.as_ref())?;
    table.transfer("services", |of| of.services.as_ref())?;
    Ok(table.text)
}

/// A share of copies.
type Share = fn(&Copied) -> Option<&Interval>;

/// The shares of copies, with their names in the table.
const COPIED: [(&str, Share); 2] = [
    ("copies, 8 packets", |of| of.first_8.as_ref()),
    ("copies, 16 packets", |of| of.first_16.as_ref()),
];

/// A row a measure, a column each for the real traffic and for what is compared with it.
struct Table<'a> {
    text: String,
    contestants: Vec<&'a Contestant>,
}

impl Table<'_> {
    fn line(&mut self, name: &str, cells: impl Iterator<Item = String>) -> Result<()> {
        let cells: String = cells.map(|cell| format!("{cell:>23}")).collect();
        writeln!(self.text, "{}", format!("{name:<24}{cells}").trim_end())?;
        Ok(())
    }

    fn row(
        &mut self,
        name: &str,
        real: String,
        cell: impl Fn(&Contestant) -> String,
    ) -> Result<()> {
        let cells: Vec<_> = self.contestants.iter().map(|of| cell(of)).collect();
        self.line(name, std::iter::once(real).chain(cells))
    }

    /// Macro F1 by mixture; learned from real sessions alone, it stands in the column of those.
    fn transfer(&mut self, name: &str, of: fn(&Contestant) -> Option<&Transfer>) -> Result<()> {
        let Some(generated) = of(self.contestants[0]) else {
            return Ok(());
        };
        let classes = generated.classes.len();
        self.row(&format!("{name}: {classes} classes"), String::new(), |_| {
            String::new()
        })?;
        for (at, mixture) in generated.on_real.iter().enumerate() {
            let f1 = |of: &Transfer| interval(&of.on_real[at].macro_f1);
            if mixture.percent == 0 {
                self.row("  F1, learned from 0 %", f1(generated), |_| String::new())?;
            } else {
                let name = format!("  from {} % of these", mixture.percent);
                self.row(&name, String::new(), |contestant| {
                    of(contestant).map_or_else(String::new, f1)
                })?;
            }
        }
        self.row("  of real on these", String::new(), |contestant| {
            maybe(of(contestant).map(|of| &of.from_real))
        })
    }
}

/// A number with its interval.
fn interval(of: &Interval) -> String {
    format!("{:.3} ({:.3} to {:.3})", of.value, of.low, of.high)
}

/// A number with its interval, or a dash where there is none.
fn maybe(of: Option<&Interval>) -> String {
    of.map_or_else(|| "–".to_string(), interval)
}
