//! Rows of a table to the batches of a model, and back: each number on the scale that the model
//! works with.

mod gaussian_mixture;
mod k_means;
mod quantile;
mod standard;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::raw::RawRow;

use super::batch::{EncodedRows, Shape};
use super::config::Model;
use super::table::{Decoded, Table};
use crate::error::Error;
use gaussian_mixture::ModeNormalizer;
use quantile::QuantileTransformer;
use standard::Standardizer;

/// Most rows that a Gaussian mixture is fitted to, drawn at random.
const MIXTURE_ROWS: usize = 200_000;

/// How rows of a table become batches of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Encoding {
    table: Table,
    scale: Scale,
}

/// The scale of each column that is a number to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scale {
    /// Mode and offset of each number (TVAE, TTVAE).
    Modes(Vec<ModeNormalizer>),
    /// Normal scores of each number (TabSyn-VAE).
    Quantiles(Vec<QuantileTransformer>),
    /// Mean and deviation of every column, its codes taken as numbers (GOGGLE).
    Standard(Vec<Standardizer>),
}

/// Numbers and codes of rows.
struct Cells {
    numbers: Vec<f64>,
    codes: Vec<u32>,
}

impl Cells {
    fn of<'a>(
        table: &Table,
        rows: impl IntoIterator<Item = &'a RawRow>,
        profiles: &OptionProfiles,
    ) -> Self {
        let (mut numbers, mut codes) = (Vec::new(), Vec::new());
        for row in rows {
            table.read(row, profiles, &mut numbers, &mut codes);
        }
        Self { numbers, codes }
    }
}

impl Encoding {
    /// The encoding of a model, fitted to training rows, of which there must be some. Fails if
    /// `ask` does, which is called several times a second.
    pub(super) fn fit(
        model: Model,
        table: Table,
        rows: &[RawRow],
        profiles: &OptionProfiles,
        rng: &mut impl Rng,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let width = table.numbers();
        let scale = match model {
            Model::Tvae | Model::Ttvae | Model::TtvaeIntended => {
                let cells = Cells::of(&table, sample(rows, MIXTURE_ROWS, rng), profiles);
                let fit = |column: usize| {
                    ask()?;
                    let values = column_of(&cells.numbers, width, column);
                    ModeNormalizer::fit(&values, rng, ask)
                };
                Scale::Modes((0..width).map(fit).collect::<Result<_, Error>>()?)
            }
            Model::TabsynVae => {
                let cells = Cells::of(&table, rows, profiles);
                let fit = |column: usize| {
                    ask()?;
                    let values = column_of(&cells.numbers, width, column);
                    Ok(QuantileTransformer::fit(&values))
                };
                Scale::Quantiles((0..width).map(fit).collect::<Result<_, Error>>()?)
            }
            Model::Goggle | Model::GoggleIntended => {
                let cells = Cells::of(&table, rows, profiles);
                let codes: Vec<f64> = cells.codes.iter().map(|&code| code.into()).collect();
                let mut fit = |values: &[f64], width: usize| -> Result<Vec<_>, Error> {
                    let fit = |column| {
                        ask()?;
                        Ok(Standardizer::fit(&column_of(values, width, column)))
                    };
                    (0..width).map(fit).collect()
                };
                let mut columns = fit(&cells.numbers, width)?;
                columns.extend(fit(&codes, table.codes().len())?);
                Scale::Standard(columns)
            }
        };
        Ok(Self { table, scale })
    }

    /// Whether this is a complete encoding of the given model; one from a damaged file may not be.
    pub(super) fn is_sound(&self, model: Model) -> bool {
        let numbers = self.table.numbers();
        match (model, &self.scale) {
            (Model::Tvae | Model::Ttvae | Model::TtvaeIntended, Scale::Modes(columns)) => {
                columns.len() == numbers && columns.iter().all(ModeNormalizer::is_sound)
            }
            (Model::TabsynVae, Scale::Quantiles(columns)) => {
                columns.len() == numbers && columns.iter().all(QuantileTransformer::is_sound)
            }
            (Model::Goggle | Model::GoggleIntended, Scale::Standard(columns)) => {
                columns.len() == numbers + self.table.codes().len()
                    && columns.iter().all(Standardizer::is_sound)
            }
            _ => false,
        }
    }

    /// The widths of the encoding's batches.
    pub(super) fn shape(&self) -> Shape {
        let codes = self.table.codes();
        match &self.scale {
            Scale::Modes(columns) => Shape {
                modes: columns.iter().map(ModeNormalizer::modes).collect(),
                codes,
            },
            Scale::Quantiles(columns) => Shape {
                modes: vec![0; columns.len()],
                codes,
            },
            Scale::Standard(columns) => Shape {
                modes: vec![0; columns.len()],
                codes: Vec::new(),
            },
        }
    }

    /// Encodes rows as a batch. The modes of numbers are drawn.
    pub(super) fn encode<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a RawRow>,
        profiles: &OptionProfiles,
        rng: &mut impl Rng,
    ) -> EncodedRows {
        let count = rows.len();
        let Cells { numbers, codes } = Cells::of(&self.table, rows, profiles);
        match &self.scale {
            Scale::Modes(columns) => {
                let numbers = numbers.into_iter().zip(columns.iter().cycle());
                let told = numbers.map(|(x, column)| column.encode(x, rng));
                let (modes, numbers) = told.unzip();
                EncodedRows {
                    rows: count,
                    numbers,
                    modes,
                    codes,
                }
            }
            Scale::Quantiles(columns) => {
                let numbers = numbers.into_iter().zip(columns.iter().cycle());
                EncodedRows {
                    rows: count,
                    numbers: numbers.map(|(x, column)| column.forward(x)).collect(),
                    modes: Vec::new(),
                    codes,
                }
            }
            Scale::Standard(columns) => {
                let numbers = numbers.chunks_exact(self.table.numbers());
                let codes = codes.chunks_exact(columns.len() - self.table.numbers());
                let rows = numbers.zip(codes).flat_map(|(numbers, codes)| {
                    let codes = codes.iter().map(|&code| f64::from(code));
                    let cells = numbers.iter().copied().chain(codes);
                    cells
                        .zip(columns)
                        .map(|(cell, column)| column.forward(cell))
                });
                EncodedRows {
                    rows: count,
                    numbers: rows.collect(),
                    ..EncodedRows::default()
                }
            }
        }
    }

    /// Turns a batch that a model decoded into rows.
    pub(super) fn decode(&self, batch: &EncodedRows) -> Vec<Decoded> {
        let width = self.table.numbers();
        let (numbers, codes): (Vec<f64>, Vec<u32>) = match &self.scale {
            Scale::Modes(columns) => {
                let numbers = batch.modes.iter().zip(&batch.numbers);
                let numbers = numbers.zip(columns.iter().cycle());
                let numbers = numbers.map(|((&mode, &alpha), column)| column.decode(mode, alpha));
                (numbers.collect(), batch.codes.clone())
            }
            Scale::Quantiles(columns) => {
                let numbers = batch.numbers.iter().zip(columns.iter().cycle());
                let numbers = numbers.map(|(&score, column)| column.inverse(score));
                (numbers.collect(), batch.codes.clone())
            }
            Scale::Standard(columns) => {
                let sizes = self.table.codes();
                let (mut numbers, mut codes) = (Vec::new(), Vec::new());
                for row in batch.numbers.chunks_exact(columns.len()) {
                    let cells = row
                        .iter()
                        .zip(columns)
                        .map(|(&z, column)| column.inverse(z));
                    let cells: Vec<f64> = cells.collect();
                    numbers.extend(&cells[..width]);
                    let nearest = cells[width..].iter().zip(&sizes);
                    codes.extend(nearest.map(|(&cell, &size)| nearest_code(cell, size)));
                }
                (numbers, codes)
            }
        };
        let codes = codes.chunks_exact(self.table.codes().len());
        let rows = numbers.chunks_exact(width).zip(codes);
        rows.map(|(numbers, codes)| self.table.write(numbers, codes))
            .collect()
    }
}

/// The code nearest to a number; 0 if it is not a number.
fn nearest_code(number: f64, codes: usize) -> u32 {
    // The cast saturates, and NaN becomes 0.
    (number.round() as u32).min(codes as u32 - 1)
}

/// One column of a row-major matrix of this width.
fn column_of(values: &[f64], width: usize, column: usize) -> Vec<f64> {
    values.iter().skip(column).step_by(width).copied().collect()
}

/// Draws at most the given number of rows, all equally likely, in their order.
fn sample<'a>(rows: &'a [RawRow], count: usize, rng: &mut impl Rng) -> Vec<&'a RawRow> {
    let (mut wanted, mut left) = (count.min(rows.len()), rows.len());
    let mut taken = Vec::with_capacity(wanted);
    for row in rows {
        if rng.random_range(0..left) < wanted {
            taken.push(row);
            wanted -= 1;
        }
        left -= 1;
    }
    taken
}

/// The finite values, ascending; a single 0 if there are none.
fn ascending(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if finite.is_empty() {
        finite.push(0.0);
    }
    finite.sort_by(f64::total_cmp);
    finite
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// A column of `tests/encodings_reference.py`.
    pub(super) fn column(name: &str) -> Vec<f64> {
        let value = |i: u64| match name {
            "tied" if i.is_multiple_of(3) => i * 7919 % 10_007,
            "tied" => 0,
            "wide" if i.is_multiple_of(4) => 0,
            "wide" => i * 2_654_435_761 % (1 << 32),
            "times" => i * 7919 % 1000 * 10_u64.pow((i % 9) as u32),
            "steps" => i * 7919 % 1009 / 70 * 700,
            "few" => i * i % 7 * 100,
            "constant" => 4_000_000_000,
            "short" => i * i,
            _ => panic!("no column {name}"),
        };
        let count = match name {
            "short" => 6,
            "steps" => 962,
            _ => 1000,
        };
        (0..count).map(|i| value(i) as f64).collect()
    }

    /// A value after a round trip through JSON.
    pub(super) fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
}
