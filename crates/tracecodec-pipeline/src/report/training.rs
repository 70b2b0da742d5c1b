//! Trainings side by side: learning curves, and where each of them ended.

use std::path::{Path, PathBuf};

use tracecodec_nn::codec::training::{Manifest, Validation};
use tracecodec_nn::train::read_history;

use super::dataset::{Dataset, Series, presentable_name, slug};
use super::section::{Complete, Section};
use crate::error::Error;
use crate::plot::figure::{Figure, Legend};
use crate::plot::lines::{Axis, Between, Lines, Points};
use crate::plot::mark::Style;
use crate::plot::number::{count, percent, short, si};
use crate::plot::panel::{Panel, WIDTH};
use crate::plot::scale::Scale;
use crate::plot::table::{Cell, Table};

/// A codec's training.
struct Training {
    /// The codec's folder as it was named.
    name: String,
    manifest: Manifest,
    validations: Vec<Validation>,
}

/// A number of a validation.
type Measure = fn(&Validation) -> f64;

/// Formats of a number at a tick and at a point.
type Formats = (fn(f64) -> String, fn(f64) -> String);

const NATS: Formats = (short, |value| format!("{} nats", short(value)));
const SHARE: Formats = (percent, percent);

/// The section of these folders of trained codecs; `None` if there are no folders.
pub(crate) fn training(
    folders: &[PathBuf],
    datasets: &[Dataset],
) -> Result<Option<Section>, Error> {
    if folders.is_empty() {
        return Ok(None);
    }
    let mut trainings: Vec<Training> = Vec::new();
    for folder in folders {
        let training = Training::read(folder)?;
        if trainings.iter().any(|known| known.name == training.name) {
            return Err(Error::refused(
                format!("{}: named twice", training.name),
                "name each codec's folder once",
            ));
        }
        trainings.push(training);
    }
    Ok(Some(section(&trainings, slug("Training", datasets))))
}

impl Training {
    fn read(folder: &Path) -> Result<Self, Error> {
        let refused = |what: String, hint: &str| {
            Error::refused(format!("{}: {what}", folder.display()), hint)
        };
        let kind = "`training` takes folders that train wrote; evaluations stand before it";
        if !folder.is_dir() {
            return Err(refused("not a folder".to_string(), kind));
        }
        if !folder.join("history.jsonl").is_file() {
            return Err(refused("no history.jsonl there".to_string(), kind));
        }
        if !folder.join("manifest.json").is_file() {
            return Err(refused(
                "no manifest.json there".to_string(),
                "a training writes it when it ends; train with the setting `resume` continues one that was interrupted",
            ));
        }
        // The folder as it was named, but for a separator at its end.
        let name: PathBuf = folder.components().collect();
        Ok(Self {
            name: presentable_name(&name.to_string_lossy()),
            manifest: Manifest::read(folder)?,
            validations: read_history(folder)?,
        })
    }

    /// Packets trained on up to a validation; a packet counts once for each time.
    fn seen(&self, validation: &Validation) -> f64 {
        validation.step as f64 * self.manifest.origin.training.batch as f64
    }

    fn curve(&self, of: Measure) -> Points {
        let points = self.validations.iter();
        points.map(|each| (self.seen(each), of(each))).collect()
    }
}

fn section(trainings: &[Training], slug: String) -> Section {
    Section {
        name: "Training".to_string(),
        slug,
        warnings: Vec::new(),
        tables: vec![codecs(trainings)],
        complete: Some(Complete {
            name: "All validations",
            table: validations(trainings),
        }),
        figures: vec![figure(trainings)],
    }
}

/// Share of packets that do not come back whole.
fn not_whole(validation: &Validation) -> f64 {
    1.0 - validation.exact
}

fn figure(trainings: &[Training]) -> Figure {
    let styles = Style::of_labels(trainings.iter().map(|training| training.name.as_str()));
    let series: Vec<_> = trainings
        .iter()
        .map(|training| Series {
            name: &training.name,
            style: styles[training.name.as_str()],
            data: training,
        })
        .collect();
    let curves = |title, subtitle, of, formats| curves(title, subtitle, &series, of, formats);
    Figure {
        key: "learning-curves",
        title: "Learning curves".to_string(),
        caption: "What a codec can do against the packets that it has learned from, each pass over the data counted. Low is good. \
                  A curve that still falls at its end is worth more steps, a flat one is not. Curves compare where trainings have the same validation \
                  packets; losses, where they have the same β, too."
            .to_string(),
        panels: vec![
            curves(
                "Loss",
                "objective on the validation packets, nats a packet; logarithmic",
                |validation| validation.loss,
                NATS,
            ),
            curves(
                "Packets not whole",
                "share of validation packets with a wrong field; logarithmic",
                not_whole,
                SHARE,
            ),
            curves(
                "Rate",
                "divergence of the posterior, nats a packet; logarithmic",
                |validation| validation.kl,
                NATS,
            ),
            curves(
                "Training loss",
                "the same of training packets, augmented; logarithmic",
                |validation| validation.training_loss,
                NATS,
            ),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    }
}

fn curves(
    title: &str,
    subtitle: &str,
    series: &[Series<'_, Training>],
    of: Measure,
    (tick, value): Formats,
) -> Panel {
    let curves: Vec<_> = series.iter().map(|series| series.data.curve(of)).collect();
    let points = || curves.iter().flatten();
    let most = points().map(|point| point.0).fold(1.0, f64::max);
    let lines = Lines {
        title,
        subtitle,
        x: Axis {
            name: "training packets seen",
            scale: Scale::Linear {
                low: 0.0,
                high: most,
            },
            tick: si,
            value: |packets| format!("{} packets", count(packets as u64)),
        },
        y: Axis {
            name: "",
            scale: Scale::ratios(points().map(|point| point.1)),
            tick,
            value,
        },
        between: Between::Line,
    };
    let mut panel = lines.draw(series, &curves);
    let described = series.iter().zip(&curves).map(|(series, curve)| {
        let [first, last] =
            [curve.first(), curve.last()].map(|point| value(point.map_or(0.0, |point| point.1)));
        format!("{}: from {first} to {last}", series.name)
    });
    panel.description = format!("{}.", described.collect::<Vec<_>>().join("; "));
    panel
}

/// Names of the columns that a validation fills.
const MEASURED: [&str; 7] = [
    "Packets seen",
    "Loss (nats)\u{a0}↓",
    "Fields (nats)\u{a0}↓",
    "Time (nats)\u{a0}↓",
    "Rate (nats)\u{a0}↓",
    "Accuracy (%)\u{a0}↑",
    "Whole packets (%)\u{a0}↑",
];

fn measured(training: &Training, validation: &Validation) -> [Cell; 7] {
    let share = |share: f64| format!("{:.3}", 100.0 * share);
    [
        count(training.seen(validation) as u64),
        short(validation.loss),
        short(validation.fields),
        short(validation.time),
        short(validation.kl),
        share(validation.accuracy),
        share(validation.exact),
    ]
    .map(Cell::number)
}

/// A row for each training: the weights that were kept.
fn codecs(trainings: &[Training]) -> Table {
    let head = ["Codec", "Training packets"];
    let mut table = Table::new(
        "Trained codecs",
        head.into_iter().chain(MEASURED).map(String::from),
    );
    for training in trainings {
        let head = [
            Cell::text(&training.name),
            Cell::number(count(training.manifest.origin.training_packets)),
        ];
        table.row(
            head.into_iter()
                .chain(measured(training, &training.manifest.best)),
        );
    }
    table.caption = "The weights that were kept, those of the lowest loss, on the validation packets. Whole packets: every active field \
                     right, time aside."
        .to_string();
    table
}

/// A row for each validation.
fn validations(trainings: &[Training]) -> Table {
    let head = std::iter::once("Codec").chain(MEASURED);
    let head = head.chain(["Training loss (nats)\u{a0}↓"]);
    let mut table = Table::new("All validations", head.map(String::from));
    for training in trainings {
        for validation in &training.validations {
            let cells =
                std::iter::once(Cell::text(&training.name)).chain(measured(training, validation));
            table.row(cells.chain([Cell::number(short(validation.training_loss))]));
        }
    }
    table
}
