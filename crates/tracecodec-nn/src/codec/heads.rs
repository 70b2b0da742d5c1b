//! All heads of one decoder stage in one matrix, and the cross-entropy over its segments.

use std::ops::Range;

use tracecodec_tensor::{Device, Linear, Module, Segments, Tensor, Visitor};

use super::symbols::{Stage, Symbols};
use crate::layers::{Initial, linear};

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
    /// Number of classes of each symbol, by symbol.
    classes: Vec<usize>,
    /// Number of columns.
    width: usize,
}

impl Columns {
    fn new(symbols: &Symbols, stage: Stage) -> Self {
        let mut columns = Self {
            runs: Vec::new(),
            classes: symbols.all().iter().map(|symbol| symbol.size).collect(),
            width: 0,
        };
        for (smaller, size) in [(0, 16), (16, 32)] {
            let members = (0..symbols.len()).filter(|&i| {
                let symbol = &symbols.all()[i];
                symbol.stage == stage && smaller < symbol.size && symbol.size <= size
            });
            columns.push(size, members.collect());
        }
        columns
    }

    fn push(&mut self, size: usize, members: Vec<usize>) {
        if members.is_empty() {
            return;
        }
        let column = self.width;
        self.width += size * members.len();
        self.runs.push(Run {
            size,
            column,
            symbols: members,
        });
    }

    /// The symbols, with the first column of each head and the number of its classes.
    fn heads(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.runs.iter().flat_map(|run| {
            let heads = run.symbols.iter().enumerate();
            heads.map(|(head, &symbol)| {
                let first = run.column + head * run.size;
                (symbol, first, self.classes[symbol])
            })
        })
    }

    /// Columns of a symbol's head, without padding.
    fn of(&self, symbol: usize) -> Option<Range<usize>> {
        let head = self.heads().find(|head| head.0 == symbol);
        head.map(|(_, first, classes)| first..first + classes)
    }

    /// The symbols in the order of their heads.
    fn symbols(&self) -> Vec<usize> {
        self.heads().map(|(symbol, _, _)| symbol).collect()
    }

    /// The softmaxes of all heads.
    fn segments(&self) -> Segments {
        let runs = self.runs.iter();
        let heads = runs.flat_map(|run| run.symbols.iter().map(|&i| (self.classes[i], run.size)));
        Segments::padded(heads.collect())
    }
}

/// The heads of one stage.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    heads: Linear,
    columns: Columns,
}

impl Module for Heads {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("heads", &mut self.heads);
    }
}

impl Heads {
    /// Heads for all symbols of a stage; each reads `width` features.
    pub(crate) fn new(
        symbols: &Symbols,
        stage: Stage,
        width: usize,
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        let columns = Columns::new(symbols, stage);
        Self {
            heads: linear(width, columns.width, initial, device),
            columns,
        }
    }

    /// Logits, `[rows, columns]`, of features, `[rows, width]`.
    pub(crate) fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        self.heads.forward(x)
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
        let symbols = self.columns.symbols();
        let classes = gather(values, rows, &symbols, u32::from);
        let weights = gather(mask, rows, &symbols, |x| x);
        let segments = self.columns.segments();
        segments.negative_log_likelihood(logits, classes, Some(weights))
    }

    /// Writes the most likely value of every symbol of the stage into rows of all symbols, and
    /// returns the logits.
    pub(crate) fn argmax(&self, logits: Tensor<2>, symbols: usize, values: &mut [u8]) -> Vec<f32> {
        let [_, columns] = logits.dims();
        let logits = logits.into_values();
        let rows = logits
            .chunks_exact(columns)
            .zip(values.chunks_exact_mut(symbols));
        rows.for_each(|(logits, values)| self.most_likely(logits, values));
        logits
    }

    /// Writes the most likely value of every symbol of the stage into one row.
    pub(crate) fn most_likely(&self, logits: &[f32], values: &mut [u8]) {
        for (symbol, first, classes) in self.columns.heads() {
            values[symbol] = largest(&logits[first..first + classes]);
        }
    }

    /// Columns of a symbol's logits, one for each of its values.
    pub(crate) fn columns_of(&self, symbol: usize) -> Option<Range<usize>> {
        self.columns.of(symbol)
    }

    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.width
    }
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

/// Some rows of a matrix of this width.
pub(super) fn gather_rows<T: Copy>(matrix: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter()
        .flat_map(|row| &matrix[row * width..(row + 1) * width])
        .copied()
        .collect()
}

/// Index of the first largest logit.
pub(super) fn largest(logits: &[f32]) -> u8 {
    // Eight at a time, which the processor compares at once.
    let (eights, rest) = logits.as_chunks::<8>();
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let lanes = eights.iter().fold([f32::NEG_INFINITY; 8], |lanes, eight| {
        std::array::from_fn(|i| larger(lanes[i], eight[i]))
    });
    let most = lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger);
    let place = logits.iter().position(|&logit| logit == most);
    place.unwrap_or(0) as u8
}
