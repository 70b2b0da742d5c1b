//! `report`: evaluations and trainings to a page, to figures and to tables.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::output::{FileKind, Output};

use crate::error::Error;
use crate::files::{claim, document, evaluation};
use crate::model::ModelName;
use crate::monitor::{Monitor, Progress, Warning};
use crate::plot::pdf::pdf;
use crate::plot::table::Table;
use crate::report::{Section, datasets, page, training};
use crate::settings;

/// What to draw, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Evaluations as `evaluate` writes them.
    #[serde(default)]
    pub inputs: Vec<PathBuf>,
    /// Folders of codecs as `train` writes them, whose learning curves are drawn.
    #[serde(default)]
    pub training: Vec<PathBuf>,
    /// HTML file to write, not compressed; `-` is stdout.
    pub output: PathBuf,
    /// Folder to write each figure to as an SVG and a PDF file, too.
    #[serde(default)]
    pub svg: Option<PathBuf>,
    /// File to write the tables to as Markdown, too.
    #[serde(default)]
    pub markdown: Option<PathBuf>,
    /// File to write the tables to as LaTeX, too.
    #[serde(default)]
    pub latex: Option<PathBuf>,
}

/// What was drawn.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Datasets that were evaluated.
    pub datasets: usize,
    /// Evaluations of all datasets.
    pub evaluations: usize,
    /// Trainings.
    pub trainings: usize,
    /// Figures on the page.
    pub figures: usize,
    /// Warnings: why comparisons are doubtful.
    pub warnings: Vec<String>,
}

/// Draws a page, and the figures and tables that are asked for. Everything is drawn before anything
/// is written; page and tables are put in their places last.
///
/// # Errors
/// If an input is not an evaluation or a training, an output cannot be written, or the monitor
/// stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.check()?;
    let mut evaluations = Vec::new();
    for path in &config.inputs {
        evaluations.push(evaluation::read(path)?);
        monitor.step(&Progress {
            stage: "reading evaluations",
            done: evaluations.len() as u64,
            total: Some(config.inputs.len() as u64),
            detail: "",
        })?;
    }
    let count = evaluations.len();
    let datasets = datasets(evaluations)?;
    let training = training(&config.training, &datasets)?;
    let evaluated = datasets.len();
    let mut sections = Vec::new();
    for dataset in datasets {
        sections.push(Section::from(dataset));
        monitor.step(&Progress {
            stage: "drawing",
            done: sections.len() as u64,
            total: Some(evaluated as u64),
            detail: "",
        })?;
    }
    sections.extend(training);
    for section in &sections {
        for warning in &section.warnings {
            monitor.warn(&Warning::new(format!("{}: {warning}", section.name)));
        }
    }
    Ok(Outcome {
        datasets: evaluated,
        evaluations: count,
        trainings: config.training.len(),
        figures: config.write(&sections)?,
        warnings: sections
            .into_iter()
            .flat_map(|section| section.warnings)
            .collect(),
    })
}

impl Config {
    /// The files to write but the figures.
    pub fn outputs(&self) -> impl Iterator<Item = &Path> {
        let tables = [&self.markdown, &self.latex].into_iter().flatten();
        std::iter::once(&self.output)
            .chain(tables)
            .map(PathBuf::as_path)
    }

    fn check(&self) -> Result<(), Error> {
        if self.inputs.is_empty() && self.training.is_empty() {
            return Err(Error::refused(
                "nothing to report",
                "name evaluations, or codecs as `training`",
            ));
        }
        let built_in = Path::new(ModelName::BUILT_IN);
        if self.training.iter().any(|folder| folder == built_in) && !built_in.exists() {
            return Err(Error::refused(
                format!("{}: its training is not built in", built_in.display()),
                "name the folder of a trained codec, which holds the history of its training",
            ));
        }
        let outputs: Vec<_> = self.outputs().collect();
        for (index, output) in outputs.iter().enumerate() {
            claim::distinct(&self.inputs, output)?;
            check_plain(output)?;
            if outputs[..index].contains(output) {
                return Err(Error::refused(
                    format!("{}: asked for twice", output.display()),
                    "write page and tables to files of their own",
                ));
            }
        }
        let kinds = [
            (Some(&self.output), FileKind::Page),
            (self.markdown.as_ref(), FileKind::Markdown),
            (self.latex.as_ref(), FileKind::Latex),
        ];
        for (path, kind) in kinds {
            path.map_or(Ok(()), |path| claim::named_as(path, kind))?;
        }
        Ok(())
    }

    /// Writes all that is asked for, and returns how many figures there are.
    fn write(&self, sections: &[Section]) -> Result<usize, Error> {
        let figures = drawings(sections);
        let mut texts = vec![(&self.output, page(sections, &settings::none()))];
        if let Some(path) = &self.markdown {
            texts.push((path, tables(sections, Table::markdown)));
        }
        if let Some(path) = &self.latex {
            texts.push((path, tables(sections, Table::latex)));
        }
        let outputs = texts.iter().map(|(path, _)| Output::create(path));
        let mut outputs = outputs
            .collect::<Result<Vec<_>, _>>()
            .map_err(tracecodec::Error::Output)?;
        if let Some(folder) = &self.svg {
            write_figures(folder, &figures)?;
        }
        for (output, (_, text)) in outputs.iter_mut().zip(&texts) {
            output
                .write_all(text.as_bytes())
                .map_err(tracecodec::Error::Output)?;
        }
        for output in outputs {
            output.finish().map_err(tracecodec::Error::Output)?;
        }
        Ok(figures.len())
    }
}

/// Refuses a name that promises compression.
fn check_plain(output: &Path) -> Result<(), Error> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("gz" | "zst") => Err(Error::refused(
            format!("{}: page and tables are not compressed", output.display()),
            "leave .gz or .zst away, and compress the file afterwards",
        )),
        _ => Ok(()),
    }
}

/// The figures of all sections as SVG, by file name.
pub(super) fn drawings(sections: &[Section]) -> Vec<(String, String)> {
    let figures = sections
        .iter()
        .flat_map(|section| section.figures.iter().map(move |figure| (section, figure)));
    figures
        .map(|(section, figure)| {
            let name = format!("{}-{}.svg", section.slug, figure.key);
            (name, figure.standalone())
        })
        .collect()
}

pub(super) fn write_figures(folder: &Path, figures: &[(String, String)]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::io("cannot create", folder, error))?;
    for (name, figure) in figures {
        let path = folder.join(name);
        document::write_text(&path, figure)?;
        document::write_bytes(&path.with_extension("pdf"), &pdf(figure))?;
    }
    Ok(())
}

/// The tables of all sections in a format.
pub(super) fn tables(sections: &[Section], as_text: fn(&Table) -> String) -> String {
    let tables = sections.iter().flat_map(Section::all_tables);
    tables.map(as_text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_tables_named_as_another_kind_are_refused() {
        let config = Config {
            inputs: vec!["a.json".into()],
            output: "page.html".into(),
            ..Config::default()
        };
        assert!(config.check().is_ok());
        for name in ["t.csv", "t.tex", "t.html"] {
            let markdown = Some(PathBuf::from(name));
            let error = Config {
                markdown,
                ..config.clone()
            }
            .check()
            .unwrap_err();
            assert!(error.hint().unwrap().contains("t.md"), "{error}");
        }
        let latex = Some("t.md".into());
        assert!(Config { latex, ..config }.check().is_err());
    }
}
