//! `experiment`: from captures to the paper's tables and figures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use tracecodec::choice::Choice;
use tracecodec_pipeline::monitor::in_words;
use tracecodec_pipeline::run::experiment::{self, Outcome, Preset};

use crate::choice::choice;
use crate::failure::Hint;
use crate::output::{print, print_json};
use crate::stderr;
use crate::terminal::Terminal;

/// Run the paper's whole comparison on captures: its tables and figures, in one command.
///
/// Shards each capture, trains the codec, codecs without a part, the raw-field baselines and a
/// generator for each representation, takes the test split through all of them, compares, and draws
/// one page (report.html) with tables (tables.md, tables.tex) and figures. It can be stopped at any
/// time: the same command continues it, and runs again only what changed. `tracecodec trace`
/// follows a number back to the captures.
#[derive(Debug, Args)]
pub(crate) struct Experiment {
    /// Configuration (TOML): `preset`, a table `data` of captures by name, and what it changes of
    /// the preset.
    config: Option<PathBuf>,
    /// Capture to experiment on, as NAME=PATH or PATH; may be given several times.
    #[arg(long, value_name = "CAPTURE")]
    capture: Vec<String>,
    /// Budget to begin with [default: quick].
    #[arg(long, value_parser = choice::<Preset>())]
    preset: Option<Preset>,
    /// Change a key of the budget, as in codec.steps=100; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder to write, or that of an experiment to continue.
    #[arg(short, long, value_name = "DIR", required_unless_present = "print")]
    output: Option<PathBuf>,
    /// Run only steps whose names contain one of these, and the steps that they read.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Steps to run at once; training threads are divided among them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Print the plan: what is done, what would run, and about how long it takes.
    #[arg(long)]
    dry_run: bool,
    /// Print the preset as TOML, to begin a configuration with.
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(args: &Experiment, json: bool) -> Result<()> {
    if args.print {
        return print(args.preset.unwrap_or_default().text());
    }
    let outcome = experiment::run(&args.config()?, &mut Terminal::new())?;
    if json {
        return print_json(&outcome);
    }
    match &outcome.report {
        None => print(&plan(&outcome)),
        Some(report) => {
            let Outcome { found, ran, .. } = &outcome;
            stderr::line(&format!("{report}: {ran} steps run, {found} were done"));
            Ok(())
        }
    }
}

impl Experiment {
    fn config(&self) -> Result<experiment::Config> {
        let mut config = match &self.config {
            Some(path) => experiment::Config::read(path)?,
            None => experiment::Config::default(),
        };
        for capture in &self.capture {
            let (name, path) = named(capture)?;
            if config.data.contains_key(&name) {
                let hint = "name it, as in night=captures/night.pcap";
                return Err(Hint::error(
                    format!("{capture}: another capture is {name}"),
                    hint,
                ));
            }
            config.data.insert(name, path);
        }
        config.preset = self.preset.unwrap_or(config.preset);
        for assignment in &self.set {
            config.set(assignment)?;
        }
        config.output = self.output.clone().unwrap_or_default();
        config.only.clone_from(&self.only);
        config.jobs = self.jobs;
        config.dry_run = self.dry_run;
        Ok(config)
    }
}

/// Name and path of a capture: the name is the file's, without endings, if none is given.
fn named(capture: &str) -> Result<(String, PathBuf)> {
    if let Some((name, path)) = capture.split_once('=')
        && !Path::new(capture).exists()
    {
        return Ok((name.to_string(), path.into()));
    }
    let path = Path::new(capture);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        let hint = "name it, as in day=captures/day.pcap";
        return Err(Hint::error(format!("{capture}: no capture"), hint));
    }
    Ok((stem.to_string(), path.to_path_buf()))
}

/// The plan, a step a line.
fn plan(outcome: &Outcome) -> String {
    let line = |step: &experiment::StepState| {
        format!(
            "{:8}  {:>6.0} s  {:22}  {}\n",
            step.state, step.seconds, step.verb, step.name
        )
    };
    let lines: String = outcome.steps.iter().map(line).collect();
    let preset = Preset::TABLE
        .iter()
        .map(|(_, name, _)| *name)
        .collect::<Vec<_>>();
    let to_run = outcome
        .steps
        .iter()
        .filter(|step| step.state == "to run")
        .count();
    format!(
        "{lines}{to_run} of {} steps to run: {} on two cores (presets: {})\n",
        outcome.steps.len(),
        in_words(outcome.seconds_left),
        preset.join(", ")
    )
}
