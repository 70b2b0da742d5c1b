//! The report of an experiment: its page, tables and figures, and the ledger by which each number
//! can be traced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracecodec::artifact::{TOOL, document as documents};
use tracecodec::metrics::Evaluation;

use super::CaptureEntry;
use super::execute::{Execution, State};
use super::plan::{Arm, Part, RAW_ORACLE, REFINED};
use super::step::Manifest;
use super::tables::{self, Found};
use crate::error::Error;
use crate::files::{document, evaluation};
use crate::monitor::{Monitor, Progress};
use crate::plot::table::{Source, Table};
use crate::report::{Section, datasets, page};
use crate::run::report::{drawings, tables as written, write_figures};

/// File of the ledger in an experiment's folder.
pub const LEDGER: &str = "report.json";

/// The tables of a report as data, with the place that each number comes from:
/// `tracecodec-experiment-report`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ledger {
    format: String,
    version: u32,
    /// Name and version of the tool.
    pub tool: String,
    /// The captures.
    pub data: BTreeMap<String, CaptureEntry>,
    /// The tables in the order of the page, without those of times.
    pub tables: Vec<LedgerTable>,
    /// The steps that are done, by name.
    pub steps: BTreeMap<String, LedgerStep>,
}

/// A table of a ledger.
#[derive(Debug, Serialize, Deserialize)]
pub struct LedgerTable {
    /// Its title.
    pub title: String,
    /// Its explanation.
    pub caption: String,
    /// Headings of the columns.
    pub head: Vec<String>,
    /// Its rows, a cell a column.
    pub rows: Vec<Vec<FoundCell>>,
}

/// A cell of a ledger's table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FoundCell {
    /// What is shown.
    pub text: String,
    /// The numbers that it is the mean of, and where they come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

/// A step of a ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LedgerStep {
    /// Digest of verb, settings, tool and inputs.
    pub key: String,
    /// Name of the verb.
    pub verb: String,
    /// The verb's settings, with names for inputs.
    pub settings: Value,
    /// Keys of the steps, and digests of the captures, that it reads.
    pub inputs: BTreeMap<String, String>,
    /// Its folder, from the experiment's on.
    pub folder: PathBuf,
}

const FORMAT: (&str, u32) = ("tracecodec-experiment-report", 1);

impl Ledger {
    /// Reads the ledger of an experiment's folder.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        if !folder.join(LEDGER).exists() {
            return Err(Error::refused(
                format!("{}: no report of an experiment", folder.display()),
                "name the folder that an experiment was run in",
            ));
        }
        Ok(documents::read(folder.join(LEDGER), FORMAT)?)
    }

    fn new(
        root: &Path,
        execution: &Execution<'_>,
        data: &BTreeMap<String, CaptureEntry>,
        sections: &[Section],
        found: &Found,
    ) -> Self {
        let step = |(name, manifest): (&String, &Manifest)| {
            let folder = execution.places.path(name);
            let step = LedgerStep {
                key: manifest.key.clone(),
                verb: manifest.verb.clone(),
                settings: manifest.settings.clone(),
                inputs: manifest.inputs.clone(),
                folder: folder.strip_prefix(root).unwrap_or(folder).to_path_buf(),
            };
            (name.clone(), step)
        };
        let tables = sections.iter().flat_map(|section| &section.tables);
        Self {
            format: FORMAT.0.to_string(),
            version: FORMAT.1,
            tool: TOOL.to_string(),
            data: data.clone(),
            tables: tables.map(LedgerTable::of).collect(),
            steps: found.iter().map(step).collect(),
        }
    }

    /// The steps and captures, as the page shows them.
    fn steps_of_page(&self) -> Value {
        let steps = self.steps.iter().map(|(name, step)| {
            let LedgerStep {
                key,
                verb,
                settings,
                inputs,
                ..
            } = step;
            let step = json!({"key": key, "verb": verb, "settings": settings, "inputs": inputs});
            (name.clone(), step)
        });
        let captures = self
            .data
            .iter()
            .map(|(name, capture)| (format!("capture:{name}"), json!({"key": capture.blake3})));
        Value::Object(steps.chain(captures).collect())
    }
}

impl LedgerTable {
    fn of(table: &Table) -> Self {
        let cells = |row: &Vec<crate::plot::table::Cell>| {
            let cells = row.iter().map(|cell| FoundCell {
                text: cell.shown().to_string(),
                sources: cell.sources().to_vec(),
            });
            cells.collect()
        };
        Self {
            title: table.title.clone(),
            caption: table.caption.clone(),
            head: table.head.clone(),
            rows: table.rows().iter().map(cells).collect(),
        }
    }
}

/// Draws the report of what is done, and returns the path of its page. Times, which differ from run
/// to run, stand in a section of their own and not in the ledger.
pub(super) fn write(
    root: &Path,
    execution: &Execution<'_>,
    data: &BTreeMap<String, CaptureEntry>,
    monitor: &mut dyn Monitor,
) -> Result<PathBuf, Error> {
    let mut found = Found::new();
    for (step, state) in execution.plan.steps.iter().zip(&execution.states) {
        if matches!(state, State::Found | State::Ran) {
            let manifest = Manifest::read(execution.places.path(&step.name))?;
            found.insert(step.name.clone(), manifest);
        }
    }
    monitor.step(&Progress {
        stage: "drawing",
        ..Progress::default()
    })?;
    let arms = &execution.plan.arms;
    let names: Vec<String> = data.keys().cloned().collect();
    let mut sections = vec![Section::of_tables(
        "Datasets",
        "experiment-datasets",
        vec![tables::datasets(&names, &found)],
    )];
    let drawn = datasets(evaluations(execution, &found)?)?;
    let mut figures: Vec<Section> = drawn.into_iter().map(Section::from).collect();
    for name in &names {
        let tables = tables::of_dataset(name, arms, &found);
        for part in [
            Part::Fidelity,
            Part::Ablation,
            Part::Interface,
            Part::Generation,
        ] {
            let own: Vec<_> = tables
                .iter()
                .filter(|(of, _)| *of == part)
                .map(|(_, table)| table.clone())
                .collect();
            let title = dataset_name(name, part);
            let at = figures.iter().position(|section| section.name == title);
            if let Some(at) = at {
                let mut section = figures.remove(at);
                section.tables = own;
                sections.push(section);
            } else if !own.is_empty() {
                let slug = format!("experiment-{}", sections.len());
                sections.push(Section::of_tables(&title, &slug, own));
            }
        }
    }
    let ledger = Ledger::new(root, execution, data, &sections, &found);
    let speed = names.iter().map(|name| tables::speed(name, arms, &found));
    sections.push(Section::of_tables(
        "Speed",
        "experiment-speed",
        speed.collect(),
    ));
    let page_path = root.join("report.html");
    document::write_text(
        &root.join("tables.md"),
        &written(&sections, Table::markdown),
    )?;
    document::write_text(&root.join("tables.tex"), &written(&sections, Table::latex))?;
    write_figures(&root.join("figures"), &drawings(&sections))?;
    documents::write(root.join(LEDGER), &ledger)?;
    document::write_text(&page_path, &page(&sections, &ledger.steps_of_page()))?;
    Ok(page_path)
}

/// Name of a section on a dataset.
fn dataset_name(name: &str, part: Part) -> String {
    match part {
        Part::Fidelity | Part::Rendering => name.to_string(),
        Part::Ablation => format!("{name}, codecs without a part"),
        Part::Interface => format!("{name}, windows continued"),
        Part::Generation => format!("{name}, continued"),
    }
}

/// The evaluations whose figures are drawn: of each method, that of the first seed. The oracle of
/// raw rows and refined latents, which would lie on the oracle's curves, are not among them.
fn evaluations(execution: &Execution<'_>, found: &Found) -> Result<Vec<Evaluation>, Error> {
    let mut seen: Vec<(&str, Part, &str)> = Vec::new();
    let mut evaluations = Vec::new();
    for arm in &execution.plan.arms {
        let is_drawn = match arm.part {
            Part::Rendering => false,
            Part::Fidelity => ![RAW_ORACLE, REFINED].contains(&&*arm.method),
            _ => true,
        };
        let who = (arm.dataset.as_str(), arm.part, arm.method.as_str());
        if !is_drawn || seen.contains(&who) || !found.contains_key(&arm.evaluation) {
            continue;
        }
        seen.push(who);
        let path = file(arm, execution.places.path(&arm.evaluation));
        evaluations.push(Evaluation {
            label: arm.method.clone(),
            dataset: dataset_name(&arm.dataset, arm.part),
            ..evaluation::read(&path)?
        });
    }
    Ok(evaluations)
}

/// Where the evaluation of an arm lies in its step's folder.
fn file(arm: &Arm, folder: &Path) -> PathBuf {
    match &arm.contestant {
        Some(name) => folder.join("evaluations").join(format!("{name}.json")),
        None => folder.join("evaluation.json"),
    }
}
