//! The first and the last layer of the networks that read rows one-hot (Xu et al. 2019, section
//! 4.2): a number is encoded as α and its mode, a category as its code. Every number has modes. The
//! encoded row, thousands of columns wide, is never built.

use rand::Rng;
use tracecodec_tensor::{Device, Linear, Module, Segments, Tensor, Visitor, embedding_sum};

use super::batch::{EncodedRows, Shape};
use crate::layers::{linear, uniform};

/// Most classes of a group that is multiplied as ones and zeros; the weights of larger groups are
/// looked up, which takes longer if a thousand groups have three classes each.
const DENSE: usize = 64;

/// Weight of the negative log-likelihood at a row against what keeps the latents near the prior
/// (`loss_factor` in CTGAN).
pub(crate) const FACTOR: f64 = 2.0;

/// Initial σ of the numbers.
const SIGMA: f32 = 0.1;

/// Classes of each one-hot group of a row: the modes of the numbers, then the codes of the
/// categories.
fn groups(shape: &Shape) -> Vec<usize> {
    [&shape.modes[..], &shape.codes[..]].concat()
}

/// `[rows, groups]`: the class of each group.
fn classes(batch: &EncodedRows) -> Vec<u32> {
    let rows = batch.rows.max(1);
    let (modes, codes) = (batch.modes.len() / rows, batch.codes.len() / rows);
    let row = |row: usize| {
        let modes = &batch.modes[row * modes..][..modes];
        let codes = &batch.codes[row * codes..][..codes];
        modes.iter().chain(codes).copied()
    };
    (0..batch.rows).flat_map(row).collect()
}

/// A group of a row, and the place of its first class among the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    group: usize,
    first: usize,
}

/// `Linear(D, width)` over encoded rows.
#[derive(Debug, Clone)]
pub(crate) struct InputLayer {
    /// The bias, then the weights of the numbers, then those of the small groups.
    dense: Tensor<2>,
    /// The weights of the large groups.
    table: Option<Tensor<2>>,
    small: Vec<Slot>,
    large: Vec<Slot>,
}

impl Module for InputLayer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("dense", &mut self.dense);
        if let Some(table) = &mut self.table {
            visitor.tensor("table", table);
        }
    }
}

impl InputLayer {
    /// A layer with PyTorch's initial weights, uniform in ±1/√D.
    pub(crate) fn new(shape: &Shape, width: usize, rng: &mut impl Rng, device: &Device) -> Self {
        let groups = groups(shape);
        let numbers = shape.modes.len();
        let bound = 1.0 / ((numbers + groups.iter().sum::<usize>()) as f32).sqrt();
        let (small, columns) = slots(&groups, 1 + numbers, |classes| classes <= DENSE);
        let (large, rows) = slots(&groups, 0, |classes| classes > DENSE);
        Self {
            dense: uniform([columns, width], bound, rng, device),
            table: (rows > 0).then(|| uniform([rows, width], bound, rng, device)),
            small,
            large,
        }
    }

    /// The layer's output, `[rows, width]`.
    pub(crate) fn forward(&self, batch: &EncodedRows) -> Tensor<2> {
        let classes = classes(batch);
        let groups = classes.len() / batch.rows.max(1);
        let x = self.dense(batch, &classes);
        let Some(table) = &self.table else { return x };
        let places = classes.chunks_exact(groups.max(1)).flat_map(|row| {
            let place = |slot: &Slot| slot.first as u32 + row[slot.group];
            self.large.iter().map(place)
        });
        x + embedding_sum(table, places.collect(), &[self.large.len()])
    }

    fn dense(&self, batch: &EncodedRows, classes: &[u32]) -> Tensor<2> {
        let [columns, _] = self.dense.dims();
        let rows = batch.rows.max(1);
        let (numbers, groups) = (batch.numbers.len() / rows, classes.len() / rows);
        let mut x = vec![0.0; batch.rows * columns];
        for (row, x) in x.chunks_exact_mut(columns).enumerate() {
            x[0] = 1.0;
            x[1..=numbers].copy_from_slice(&batch.numbers[row * numbers..][..numbers]);
            for slot in &self.small {
                x[slot.first + classes[row * groups + slot.group] as usize] = 1.0;
            }
        }
        let x = Tensor::new(x, [batch.rows, columns], &self.dense.device());
        x.matmul(self.dense.clone())
    }
}

/// The groups that `belongs` accepts, laid side by side from `end` on; and the end of the last one.
fn slots(groups: &[usize], mut end: usize, belongs: impl Fn(usize) -> bool) -> (Vec<Slot>, usize) {
    let mut slots = Vec::new();
    for (group, &classes) in groups.iter().enumerate() {
        if belongs(classes) {
            slots.push(Slot { group, first: end });
            end += classes;
        }
    }
    (slots, end)
}

/// The heads of the numbers: α ~ N(tanh(x), σ²).
#[derive(Debug, Clone)]
struct Numbers {
    alpha: Linear,
    /// The published network has a σ for every column, but reads none of the one-hot columns'.
    sigma: Tensor<1>,
}

impl Module for Numbers {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("alpha", &mut self.alpha);
        visitor.tensor("sigma", &mut self.sigma);
    }
}

impl Numbers {
    /// `-log p(α)` up to a constant, summed over numbers and rows.
    fn nats(&self, x: &Tensor<2>, batch: &EncodedRows) -> Tensor<1> {
        let alpha = self.alpha.forward(x).tanh();
        let [_, numbers] = alpha.dims();
        let target = Tensor::new(batch.numbers.clone(), alpha.dims(), &alpha.device());
        let error = (target - alpha) / self.sigma.clone().reshape([1, numbers]);
        error.square().sum() * 0.5 + self.sigma.clone().log().sum() * batch.rows as f64
    }
}

/// `Linear(width, D)`, and the likelihood of a row under its output.
#[derive(Debug, Clone)]
pub(crate) struct OutputLayer {
    numbers: Option<Numbers>,
    /// The heads of the groups, side by side.
    heads: Linear,
    /// Classes of each group.
    groups: Vec<usize>,
}

impl Module for OutputLayer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if let Some(numbers) = &mut self.numbers {
            visitor.part("numbers", numbers);
        }
        // The heads' weights have no name of their own in the path.
        self.heads.visit(visitor);
    }
}

impl OutputLayer {
    /// A layer with PyTorch's initial weights, uniform in ±1/√`width`.
    pub(crate) fn new(shape: &Shape, width: usize, rng: &mut impl Rng, device: &Device) -> Self {
        let numbers = shape.modes.len();
        let groups = groups(shape);
        Self {
            numbers: (numbers > 0).then(|| Numbers {
                alpha: linear(width, numbers, rng, device),
                sigma: Tensor::full(SIGMA, [numbers], device),
            }),
            heads: linear(width, groups.iter().sum(), rng, device),
            groups,
        }
    }

    /// σ of the last number, `[1]`; `None` if there are no numbers.
    pub(crate) fn last_sigma(&self) -> Option<Tensor<1>> {
        let sigma = self.numbers.as_ref()?.sigma.clone();
        let [numbers] = sigma.dims();
        Some(sigma.narrow(0, numbers - 1, 1))
    }

    /// `-log p(row | x)` in nats, up to a constant, summed over the rows.
    pub(crate) fn nats(&self, x: &Tensor<2>, batch: &EncodedRows) -> Tensor<1> {
        let segments = Segments::new(&self.groups);
        let logits = self.heads.forward(x);
        let groups = segments.negative_log_likelihood(logits, classes(batch), None);
        match &self.numbers {
            Some(numbers) => groups + numbers.nats(x, batch),
            None => groups,
        }
    }

    /// The most likely row of each `x`.
    pub(crate) fn decode(&self, x: &Tensor<2>) -> EncodedRows {
        let [rows, _] = x.dims();
        let alpha = |numbers: &Numbers| numbers.alpha.forward(x).tanh().into_values();
        let numbers = self.numbers.as_ref().map_or(Vec::new(), alpha);
        let modes = numbers.len() / rows.max(1);
        let mut batch = EncodedRows {
            rows,
            numbers,
            ..EncodedRows::default()
        };
        let classes = self.groups.iter().sum::<usize>().max(1);
        for mut logits in self.heads.forward(x).into_values().chunks_exact(classes) {
            for (group, &classes) in self.groups.iter().enumerate() {
                let (own, rest) = logits.split_at(classes);
                let column = if group < modes {
                    &mut batch.modes
                } else {
                    &mut batch.codes
                };
                column.push(largest(own));
                logits = rest;
            }
        }
        batch
    }
}

/// The class of the largest logit; the first if there are several.
pub(super) fn largest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (class, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = class;
        }
    }
    best as u32
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::random::{Purpose, stream};
    use crate::weights::Weights;

    /// Two numbers and four categories, two of which are large enough to be looked up.
    pub(crate) fn mixed() -> Shape {
        Shape {
            modes: vec![3, 2],
            codes: vec![70, 4, 90, 3],
        }
    }

    /// Categories alone.
    pub(crate) fn categories() -> Shape {
        Shape {
            modes: vec![],
            codes: vec![70, 4],
        }
    }

    /// The made-up rows of `tests/baselines_tvae_reference.py`.
    pub(crate) fn rows(shape: &Shape, rows: usize) -> EncodedRows {
        let each = |column: &dyn Fn(usize, usize, usize) -> u32, sizes: &[usize]| -> Vec<u32> {
            let row = |row| {
                sizes
                    .iter()
                    .enumerate()
                    .map(move |(i, &size)| column(row, i, size))
            };
            (0..rows).flat_map(row).collect()
        };
        let number = |row| (0..shape.modes.len()).map(move |i| (row + 2 * i) as f32 + 0.3);
        EncodedRows {
            rows,
            numbers: (0..rows).flat_map(number).map(|x| 0.9 * x.sin()).collect(),
            modes: each(&|row, i, size| ((row + i) % size) as u32, &shape.modes),
            codes: each(
                &|row, i, size| ((7 * i + 3 * row + 60) % size) as u32,
                &shape.codes,
            ),
        }
    }

    /// The made-up noise of the script, `[rows, width]`.
    pub(crate) fn noise(rows: usize, width: usize, shift: usize) -> Vec<f32> {
        let row = |row| (0..width).map(move |i| ((2 * row + i + shift) % 3) as f32 - 1.0);
        (0..rows).flat_map(row).collect()
    }

    /// The network with the script's weights, 0.1 sin(1.3 k + 0.5), tracked.
    pub(crate) fn with_weights<M: Module>(network: M, sigma: &str, device: &Device) -> M {
        let mut weights = Weights::of(&network);
        let range = weights.range(sigma);
        let values = Arc::make_mut(&mut weights.values);
        for (k, weight) in values.iter_mut().enumerate() {
            *weight = (0.1 * (1.3 * k as f64 + 0.5).sin()) as f32;
        }
        if let Some(range) = range {
            values[range].copy_from_slice(&[0.2, 0.35]);
        }
        weights.load_tracked(network, device)
    }

    /// The network with its weights tracked.
    pub(crate) fn tracked<M: Module>(network: M) -> M {
        Weights::of(&network).load_tracked(network, &Device::cpu())
    }

    /// The largest difference between two tensors.
    pub(crate) fn largest_difference(a: Tensor<2>, b: Tensor<2>) -> f32 {
        let differences = (a - b).into_values().into_iter();
        differences.fold(0.0, |largest, x| f32::max(largest, x.abs()))
    }

    /// The loss, the gradient's norm, and its product with cos(0), cos(1), …
    pub(crate) fn measures(network: &impl Module, loss: Tensor<1>) -> [f64; 3] {
        let value = f64::from(loss.scalar());
        let gradient = loss.gradient(network);
        let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
        let product = |(k, &g): (usize, &f32)| f64::from(g) * (k as f64).cos();
        let product: f64 = gradient.iter().enumerate().map(product).sum();
        [value, square.sqrt(), product]
    }

    /// Asserts that numbers are equal to 1 part in 10,000.
    pub(crate) fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            let tolerance = 1e-4 * b.abs().max(1.0);
            assert!((a - b).abs() < tolerance, "{found:?} {expected:?}");
        }
    }

    /// The encoded rows themselves, `[rows, D]`, column by column as the layer holds its weights.
    fn encoded(input: &InputLayer, batch: &EncodedRows) -> Vec<f32> {
        let [columns, _] = input.dense.dims();
        let table = input.table.as_ref().map_or(0, |table| table.dims()[0]);
        let classes = classes(batch);
        let mut x = vec![0.0; batch.rows * (columns + table)];
        let (numbers, groups) = (batch.numbers.len(), classes.len() / batch.rows);
        for (row, x) in x.chunks_exact_mut(columns + table).enumerate() {
            let numbers = numbers / batch.rows;
            x[0] = 1.0;
            x[1..=numbers].copy_from_slice(&batch.numbers[row * numbers..][..numbers]);
            let classes = &classes[row * groups..][..groups];
            let place = |slot: &Slot| slot.first + classes[slot.group] as usize;
            input.small.iter().for_each(|slot| x[place(slot)] = 1.0);
            input
                .large
                .iter()
                .for_each(|slot| x[columns + place(slot)] = 1.0);
        }
        x
    }

    #[test]
    fn test_input_is_linear_in_the_encoded_row() {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        for shape in [mixed(), categories()] {
            let input = InputLayer::new(&shape, 5, &mut rng, &device);
            let batch = rows(&shape, 3);
            let x = encoded(&input, &batch);
            let columns = x.len() / 3;
            let x = Tensor::new(x, [3, columns], &device);
            let table = input.table.clone().unwrap();
            let expected = x.matmul(Tensor::cat(vec![input.dense.clone(), table], 0));
            assert!(largest_difference(input.forward(&batch), expected) < 1e-6);
        }
    }

    #[test]
    fn test_input_starts_as_in_pytorch() {
        let mut rng = stream(0, Purpose::Weights, 0);
        let weights = Weights::of(&InputLayer::new(&mixed(), 128, &mut rng, &Device::cpu()));
        let columns = 2 + 3 + 2 + 70 + 4 + 90 + 3;
        assert_eq!(weights.values.len(), 128 * (columns + 1));
        let bound = 1.0 / (columns as f32).sqrt();
        let largest = weights.values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!(
            largest <= bound && largest > 0.99 * bound,
            "{largest} {bound}"
        );
    }

    #[test]
    fn test_decode_takes_the_largest_of_each_group() {
        let device = Device::cpu();
        let shape = mixed();
        let mut output = OutputLayer::new(&shape, 1, &mut stream(0, Purpose::Weights, 0), &device);
        let expected = rows(&shape, 1);
        let mut bias = vec![0.0; 172];
        let firsts = [0, 3, 5, 75, 79, 169];
        for (first, class) in firsts.into_iter().zip(classes(&expected)) {
            bias[first + class as usize] = 2.0;
        }
        output.heads.weight = Tensor::zeros([1, 172], &device);
        output.heads.bias = Tensor::new(bias, [172], &device);
        let decoded = output.decode(&Tensor::zeros([2, 1], &device));
        assert_eq!(decoded.rows, 2);
        assert_eq!(decoded.modes, expected.modes.repeat(2));
        assert_eq!(decoded.codes, expected.codes.repeat(2));
        assert!(decoded.numbers.iter().all(|alpha| alpha.abs() < 0.77));
        assert_eq!(decoded.numbers.len(), 4);
    }

    #[test]
    fn test_first_of_equal_logits() {
        assert_eq!(largest(&[0.0, 1.0, 1.0]), 1);
        assert_eq!(largest(&[]), 0);
    }
}
