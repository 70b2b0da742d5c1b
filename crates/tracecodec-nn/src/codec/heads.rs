//! All heads of one decoder stage in one matrix, and the cross-entropy over its segments.

use std::ops::Range;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use super::symbols::{Stage, Symbols};
use crate::layers::linear;

/// Logit of a padding class.
const NEVER: f32 = -1e9;

/// Heads of one padded size, side by side.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    /// Number of columns of each head.
    size: usize,
    /// First column of the first head.
    column: usize,
    /// Symbols that the heads predict.
    symbols: Vec<usize>,
}

/// The columns of a stage's head matrix: heads are padded to 16 or 32 classes and sorted by that
/// size.
#[derive(Debug, Clone, PartialEq)]
struct Columns {
    runs: Vec<Run>,
    /// 0 for a class, [`NEVER`] for padding.
    padding: Vec<f32>,
}

impl Columns {
    fn new(symbols: &Symbols, stage: Stage) -> Self {
        let mut columns = Self {
            runs: Vec::new(),
            padding: Vec::new(),
        };
        for (smaller, size) in [(0, 16), (16, 32)] {
            let members = (0..symbols.len()).filter(|&i| {
                let symbol = &symbols.all()[i];
                symbol.stage == stage && smaller < symbol.size && symbol.size <= size
            });
            columns.push(symbols, size, members.collect());
        }
        columns
    }

    /// Columns of a symbol's head, without padding.
    fn of(&self, symbols: &Symbols, symbol: usize) -> Option<Range<usize>> {
        self.runs.iter().find_map(|run| {
            let head = run.symbols.iter().position(|&i| i == symbol)?;
            let first = run.column + head * run.size;
            Some(first..first + symbols.all()[symbol].size)
        })
    }

    fn push(&mut self, symbols: &Symbols, size: usize, members: Vec<usize>) {
        if members.is_empty() {
            return;
        }
        let column = self.padding.len();
        for &i in &members {
            let classes = symbols.all()[i].size;
            self.padding
                .extend((0..size).map(|class| if class < classes { 0.0 } else { NEVER }));
        }
        self.runs.push(Run {
            size,
            column,
            symbols: members,
        });
    }
}

/// The heads of one stage.
#[derive(Module, Debug)]
pub(crate) struct Heads {
    heads: Linear,
    #[module(skip)]
    columns: Columns,
}

impl Heads {
    /// Heads for all symbols of a stage; each reads `width` features.
    pub(crate) fn new(
        symbols: &Symbols,
        stage: Stage,
        width: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let columns = Columns::new(symbols, stage);
        Self {
            heads: linear(width, columns.padding.len(), rng, device),
            columns,
        }
    }

    /// Logits, `[rows, columns]`, of features, `[rows, width]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let padding = TensorData::new(
            self.columns.padding.clone(),
            [1, self.columns.padding.len()],
        );
        let padding = Tensor::from_data(padding, &x.device());
        self.heads.forward(x) + padding
    }

    /// Cross-entropy in nats, summed over active symbols and packets. `values` and `mask` are rows
    /// of all symbols.
    pub(crate) fn cross_entropy(
        &self,
        logits: Tensor<2>,
        values: &[u8],
        mask: &[f32],
    ) -> Tensor<1> {
        let [rows, _] = logits.dims();
        let sums = self.columns.runs.iter().map(|run| {
            let heads = run.symbols.len();
            let logits = logits
                .clone()
                .narrow(1, run.column, heads * run.size)
                .reshape([rows, heads, run.size]);
            let device = logits.device();
            let targets: Vec<i32> = gather(values, rows, &run.symbols, i32::from);
            let mask: Vec<f32> = gather(mask, rows, &run.symbols, |x| x);
            let targets =
                Tensor::<3, Int>::from_data(TensorData::new(targets, [rows, heads, 1]), &device);
            let mask = Tensor::<3>::from_data(TensorData::new(mask, [rows, heads, 1]), &device);
            (nats(logits, targets) * mask).sum()
        });
        sums.reduce(|a, b| a + b).expect("a stage has symbols")
    }

    /// Writes the most likely value of every symbol of the stage into rows of all symbols, and
    /// returns the logits.
    pub(crate) fn argmax(&self, logits: Tensor<2>, symbols: usize, values: &mut [u8]) -> Vec<f32> {
        let [rows, columns] = logits.dims();
        let logits: Vec<f32> = logits.into_data().try_into_vec().expect("logits are f32");
        for row in 0..rows {
            let logits = &logits[row * columns..(row + 1) * columns];
            self.most_likely(logits, &mut values[row * symbols..(row + 1) * symbols]);
        }
        logits
    }

    /// Writes the most likely value of every symbol of the stage into one row.
    pub(crate) fn most_likely(&self, logits: &[f32], values: &mut [u8]) {
        for run in &self.columns.runs {
            for (head, &symbol) in run.symbols.iter().enumerate() {
                let first = run.column + head * run.size;
                values[symbol] = largest(&logits[first..first + run.size]);
            }
        }
    }

    /// Columns of a symbol's logits, one for each of its values.
    pub(crate) fn columns_of(&self, symbols: &Symbols, symbol: usize) -> Option<Range<usize>> {
        self.columns.of(symbols, symbol)
    }

    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.padding.len()
    }
}

/// Negative log-likelihood of the targets, `-log p(target)`, along the last axis.
fn nats(logits: Tensor<3>, targets: Tensor<3, Int>) -> Tensor<3> {
    let max = logits.clone().detach().max_dim(2);
    let shifted = logits - max;
    shifted.clone().exp().sum_dim(2).log() - shifted.gather(2, targets)
}

/// Some columns, `symbols`, of a matrix of `rows` rows.
pub(super) fn gather<T: Copy, U>(
    matrix: &[T],
    rows: usize,
    symbols: &[usize],
    convert: impl Fn(T) -> U,
) -> Vec<U> {
    let width = matrix.len() / rows.max(1);
    matrix
        .chunks_exact(width.max(1))
        .flat_map(|row| symbols.iter().map(|&symbol| convert(row[symbol])))
        .collect()
}

/// Index of the first largest logit.
pub(super) fn largest(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (class, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = class;
        }
    }
    best as u8
}
