//! `generator test`: how well generators go on from real prefixes (the paper, Tables 4 and 12).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use tracecodec::artifact::manifest::Split;
use tracecodec::metrics::{Evaluation, METRICS, Unit};

use crate::commands::evaluate::{self, Evaluate};
use crate::continuation::{
    self, Case, Contestant, Control, Cut, Frame, Name, Rules, Window, spread,
};
use crate::failure::Hint;
use crate::generator_args::SolverArgs;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{CaptureOutput, print, print_json, printable, write_json};
use crate::shards::{Capture, Shards};

/// Folder of the real suffixes.
const REFERENCE: &str = "reference";

/// Folder of captures that are not kept, within that of the evaluations. A killed test leaves it behind.
const FOLDER: &str = "captures.part";

/// Measure how well generators go on from real traffic: the latent-interface test.
///
/// Windows of the test shards are cut into a prefix and a suffix. Each contestant is given the prefix, with what came before it, and its packets
/// are compared with the real suffix, as `tracecodec evaluate` does. An evaluation of each contestant is written to DIR/NAME.json, which
/// `tracecodec report` reads.
///
/// Contestants that need no model: repeat (the prefix once more), later (the real suffix of another case), oracle (the real suffix by way of
/// packet actions), raw-oracle (the real suffix by way of raw rows).
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Who goes on from the prefixes.
    #[arg(value_name = "CONTESTANT", required = true)]
    contestants: Vec<Name>,
    /// Folder of shards that `tracecodec shard` wrote, of which the test split is taken. May be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    shards: Vec<PathBuf>,
    /// Folder to write the evaluations to.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Packets of a prefix.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = packets())]
    prefix: u64,
    /// Packets of a suffix.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = packets())]
    suffix: u64,
    /// Packets from the start of a window to that of the next.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = packets())]
    stride: u64,
    /// Most cases; of more windows, so many are taken, evenly spread.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Names all random numbers of the generators, with the number of a case.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show generators the prefix alone, not what came before it in the shard. Flow matching never sees more than the prefix that it was trained
    /// with.
    #[arg(long)]
    prefix_only: bool,
    /// Take packets as they are sampled, whether they agree with the state of their flows or not.
    #[arg(long)]
    unconstrained: bool,
    #[command(flatten)]
    solver: SolverArgs,
    /// Name of the data in reports. Default: the name of the folder of shards.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Keep the captures of the suffixes in this folder: reference/ and one folder a contestant.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn packets() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1 << 32)
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    dataset: &'a str,
    prefix: u64,
    suffix: u64,
    stride: u64,
    /// Windows that there are.
    windows: usize,
    /// Those of them that were cases.
    cases: usize,
    contestants: Vec<Row<'a>>,
}

/// A contestant's row.
#[derive(Debug, Serialize)]
struct Row<'a> {
    label: &'a str,
    metrics: BTreeMap<&'static str, Option<f64>>,
}

pub(crate) fn run(args: &Test, json: bool) -> Result<()> {
    let names = check_contestants(&args.contestants)?;
    let rules = Rules {
        seed: args.seed,
        constrained: !args.unconstrained,
        prefix_only: args.prefix_only,
        solver: args.solver.solver(),
    };
    let contestants = args.contestants.iter().map(|name| name.load(rules));
    let contestants: Vec<Contestant> = contestants.collect::<Result<_>>()?;
    let trial = Trial::new(args)?;
    let captures = Captures::create(args, &names)?;
    trial.continue_all(&names, &contestants, &captures)?;
    let dataset = args
        .dataset
        .clone()
        .unwrap_or_else(|| evaluate::stem(&args.shards[0]));
    let evaluations = names.iter().map(|name| {
        let folders =
            Evaluate::of_folders(&captures.of(REFERENCE), &captures.of(name), args.suffix);
        let evaluation = Evaluation {
            label: name.to_string(),
            dataset: dataset.clone(),
            ..evaluate::evaluation(&folders)?
        };
        let path = args.output.join(name).with_extension("json");
        write_json(&path, &evaluation.document())?;
        Ok(evaluation)
    });
    let evaluations: Vec<_> = evaluations.collect::<Result<_>>()?;
    match json {
        true => print_json(&Summary {
            dataset: &dataset,
            prefix: args.prefix,
            suffix: args.suffix,
            stride: args.stride,
            windows: trial.windows.len(),
            cases: trial.cases.len(),
            contestants: evaluations.iter().map(Row::of).collect(),
        }),
        false => print(&render(&evaluations)?),
    }
}

/// The contestants' names, each of which is that of a file and a folder.
fn check_contestants(contestants: &[Name]) -> Result<Vec<String>> {
    let names: Vec<_> = contestants.iter().map(Name::name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Hint::error(
            format!("{}: named twice", pair[0]),
            "name each contestant once",
        )),
        None => Ok(names),
    }
}

/// The cases, and the shards that they lie in.
struct Trial {
    shards: Vec<(Capture, u64)>,
    cut: Cut,
    windows: Vec<Window>,
    cases: Vec<Window>,
}

impl Trial {
    fn new(args: &Test) -> Result<Self> {
        let shards = Shards::read(&args.shards.iter().collect::<Vec<_>>())?;
        let shards = shards.counted(Split::Test);
        let cut = Cut {
            prefix: args.prefix,
            suffix: args.suffix,
            stride: args.stride,
        };
        let packets: Vec<u64> = shards.iter().map(|(_, packets)| *packets).collect();
        let windows = cut.windows(&packets);
        let cases = spread(&windows, usize::try_from(args.cases).unwrap_or(usize::MAX));
        if cases.is_empty() {
            let longest = packets.iter().max().unwrap_or(&0);
            return Err(Hint::error(
                format!(
                    "no window of {} + {} packets: the longest of {} test shards has {longest}",
                    args.prefix,
                    args.suffix,
                    shards.len()
                ),
                "`tracecodec shard --packets` makes longer shards; --prefix and --suffix make shorter windows",
            ));
        }
        let has_other = |window: &Window| cut.after(*window, &windows).is_some();
        if args.contestants.contains(&Name::Control(Control::Later)) && !cases.iter().all(has_other)
        {
            return Err(Hint::error(
                "later: there are no two windows whose suffixes lie apart",
                "take it out, or give more shards or longer ones",
            ));
        }
        Ok(Self {
            shards,
            cut,
            windows,
            cases,
        })
    }

    /// Writes the suffixes of all cases, the real ones and the contestants'.
    fn continue_all(
        &self,
        names: &[String],
        contestants: &[Contestant],
        captures: &Captures,
    ) -> Result<()> {
        let needs_later =
            |contestant: &Contestant| matches!(contestant, Contestant::Control(Control::Later));
        let needs_later = contestants.iter().any(needs_later);
        let bar = progress_bar(Some(self.cases.len() as u64), "cases");
        let mut frames = BTreeMap::new();
        for (number, &window) in self.cases.iter().enumerate() {
            interrupt::check()?;
            let later = self.cut.after(window, &self.windows);
            let later = later.filter(|_| needs_later);
            self.load(&mut frames, [Some(window), later])?;
            let (past, suffix) = self.parts(window, &frames);
            let case = Case {
                past,
                prefix: self.cut.prefix as usize,
                suffix,
                later: later.map_or(&[], |later| self.parts(later, &frames).1),
            };
            let name = self.name(number, window);
            captures.write(REFERENCE, &name, suffix)?;
            for (contestant, of) in contestants.iter().zip(names) {
                interrupt::check()?;
                let suffix = contestant.suffix(&case, number as u64)?;
                captures.write(of, &name, &suffix)?;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Reads the shards of windows, and lets go of all others.
    fn load(&self, frames: &mut Frames, windows: [Option<Window>; 2]) -> Result<()> {
        let needed = windows.map(|window| window.map(|window| window.shard));
        frames.retain(|shard, _| needed.contains(&Some(*shard)));
        for shard in needed.into_iter().flatten() {
            if !frames.contains_key(&shard) {
                let (capture, packets) = &self.shards[shard];
                frames.insert(shard, continuation::read(capture, *packets)?);
            }
        }
        Ok(())
    }

    /// All up to the suffix of a window, and the suffix.
    fn parts<'a>(&self, window: Window, frames: &'a Frames) -> (&'a [Frame], &'a [Frame]) {
        let end = window.start + self.cut.prefix;
        let (past, rest) = frames[&window.shard].split_at(end as usize);
        (past, &rest[..self.cut.suffix as usize])
    }

    /// What a case is called.
    fn name(&self, number: usize, window: Window) -> String {
        let shard = evaluate::stem(&self.shards[window.shard].0.path);
        format!("{number:04}-{shard}-{}", window.start)
    }
}

/// The packets of shards, by their numbers.
type Frames = BTreeMap<usize, Vec<Frame>>;

/// The captures of suffixes: a folder of them for the reference and for each contestant. Dropped, they are removed, if they are not to be kept.
struct Captures {
    folder: PathBuf,
    keep: bool,
}

impl Captures {
    fn create(args: &Test, contestants: &[String]) -> Result<Self> {
        if let Some(folder) = &args.keep {
            check_empty(folder)?;
        }
        let folder = match &args.keep {
            Some(folder) => folder.clone(),
            None => args.output.join(FOLDER),
        };
        let captures = Self {
            folder,
            keep: args.keep.is_some(),
        };
        if !captures.keep {
            captures.remove();
        }
        let contestants = contestants.iter().map(String::as_str);
        let folders = [REFERENCE].into_iter().chain(contestants);
        for folder in [args.output.clone()]
            .into_iter()
            .chain(folders.map(|name| captures.of(name)))
        {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(captures)
    }

    fn remove(&self) {
        // Nothing can be done about a folder that cannot be removed; the next test tries again.
        let _ = fs::remove_dir_all(&self.folder);
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, of: &str, case: &str, frames: &[Frame]) -> Result<()> {
        let path = self.of(of).join(format!("{case}.pcapng"));
        let mut output = CaptureOutput::create(&path, false)?;
        for frame in frames {
            output.write(&frame.packet())?;
        }
        output.finish()
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        if !self.keep {
            self.remove();
        }
    }
}

/// Refuses a folder that holds something.
fn check_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        true => Err(Hint::error(
            format!("{}: the folder is not empty", folder.display()),
            "choose a new or an empty folder",
        )),
        false => Ok(()),
    }
}

impl<'a> Row<'a> {
    fn of(evaluation: &'a Evaluation) -> Self {
        let metrics = evaluation.metrics().into_iter();
        Self {
            label: &evaluation.label,
            metrics: metrics.map(|(key, value)| (key, value.ok())).collect(),
        }
    }
}

/// The table on the terminal: a row a metric, a column a contestant.
fn render(evaluations: &[Evaluation]) -> Result<String> {
    let mut text = String::new();
    let mut row = |name: &str, of: &dyn Fn(&Evaluation) -> String| {
        let cells: Vec<_> = evaluations
            .iter()
            .map(|evaluation| format!("{:>14}", of(evaluation)))
            .collect();
        writeln!(text, "{name:<28}{}", cells.concat())
    };
    row("", &|evaluation| printable(&evaluation.label))?;
    let metrics = METRICS.iter();
    for metric in metrics.filter(|metric| metric.unit != Unit::Property) {
        row(metric.title, &|evaluation| {
            evaluate::told(evaluation, metric.key)
        })?;
    }
    Ok(text)
}
