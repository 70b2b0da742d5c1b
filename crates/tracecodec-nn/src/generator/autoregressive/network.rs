//! The network of a marked process: what is known of a course so far, and from it the next event, symbol by symbol.
//!
//! Its memory is a gated linear recurrence (a state-space model of which the decay depends on the input: "Were RNNs all we needed?", Feng
//! et al. 2024), one number a channel and layer: a flow costs so little to remember that thousands can be open at once. The symbols of the
//! next event are told one after the other, each given those before it (NADE, Larochelle and Murray 2011).

use burn::module::{Module, Param};
use burn::nn::{Linear, RmsNorm, RmsNormConfig};
use burn::tensor::activation::{relu, sigmoid, silu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use super::config::Shape;
use super::events::CLASSES;
use super::scan::scan;
use crate::codec::encoder::{multi_hot, offsets};
use crate::layers::{ResidualBlock, linear, table, uniform};

/// Logit of a class that a symbol does not have.
const NEVER: f32 = -1e9;

/// A layer of memory, and what it makes of it.
#[derive(Module, Debug)]
pub(super) struct RecurrentBlock {
    norm: RmsNorm,
    /// Gate, candidate, and gate of the output.
    gates: Linear,
    output: Linear,
    feed_forward: ResidualBlock,
}

impl RecurrentBlock {
    fn new(width: usize, rng: &mut impl Rng, device: &Device) -> Self {
        let mut gates = linear(width, 3 * width, rng, device);
        // Memories that fade after one event to 100: in spans of training all of them are seen to fill.
        let mut bias = vec![0.0; 3 * width];
        for (channel, bias) in bias[..width].iter_mut().enumerate() {
            let events = 100_f32.powf(channel as f32 / width as f32);
            *bias = -events.ln();
        }
        gates.bias = Some(Param::from_data(TensorData::new(bias, [3 * width]), device));
        Self {
            norm: RmsNormConfig::new(width).init(device),
            gates,
            output: linear(width, width, rng, device),
            feed_forward: ResidualBlock::new(width, 2 * width, rng, device),
        }
    }

    /// `[courses, steps, width]` to the same shape; `keep`, `[courses, steps, 1]`, is 0 where a course begins.
    fn forward(&self, x: Tensor<3>, keep: &Tensor<3>) -> Tensor<3> {
        let [courses, steps, width] = x.dims();
        let flat = x.reshape([courses * steps, width]);
        let gates = self.gates.forward(self.norm.forward(flat.clone()));
        let part = |i: usize| gates.clone().narrow(1, i * width, width);
        let gate = sigmoid(part(0)).reshape([courses, steps, width]);
        let candidate = part(1).reshape([courses, steps, width]);
        let memory = scan((1.0 - gate.clone()) * keep.clone(), gate * candidate);
        let memory = memory.reshape([courses * steps, width]) * silu(part(2));
        let flat = flat + self.output.forward(memory);
        self.feed_forward
            .forward(flat)
            .reshape([courses, steps, width])
    }
}

/// Events of some spans, and what is to be told after each.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// Spans.
    pub(super) spans: usize,
    /// Rows that the process reads, spans times steps.
    pub(super) inputs: Vec<u8>,
    /// 0 where a course begins, 1 elsewhere.
    pub(super) keep: Vec<f32>,
    /// Rows of the events that follow.
    pub(super) targets: Vec<u8>,
    /// 1 where a symbol of a target is to be told.
    pub(super) mask: Vec<f32>,
    /// Rows of values that may come again: those of the latest event of the same direction. [`CLASSES`] is none.
    pub(super) copies: Vec<u8>,
}

/// The network.
#[derive(Module, Debug)]
pub(super) struct Process {
    embedding: Param<Tensor<2>>,
    blocks: Vec<RecurrentBlock>,
    norm: RmsNorm,
    /// What is known, as a part of what each symbol is told from.
    known: Linear,
    /// What each value of each symbol adds for the symbols after it.
    told: Param<Tensor<2>>,
    /// `[symbols, hidden, classes]`.
    heads: Param<Tensor<3>>,
    /// `[symbols, 1, classes]`.
    bias: Param<Tensor<3>>,
    /// `[symbols, classes, classes]`: what the value of the latest event of the same direction makes of each value.
    copying: Param<Tensor<3>>,
    #[module(skip)]
    offsets: Vec<usize>,
    #[module(skip)]
    told_offsets: Vec<usize>,
    /// 0 for a class, [`NEVER`] for padding; `[symbols, 1, classes]`.
    #[module(skip)]
    padding: Vec<f32>,
}

impl Process {
    /// A network with fresh weights, that reads symbols of the sizes `inputs` and tells those of `sizes`.
    pub(super) fn new(
        shape: &Shape,
        inputs: &[usize],
        sizes: &[usize],
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let (width, hidden, symbols) = (shape.width, shape.hidden, sizes.len());
        let (offsets_in, rows) = offsets(inputs.iter().copied());
        let (told_offsets, told_rows) = offsets(sizes.iter().copied());
        let scale = 1.0 / (inputs.len() as f32).sqrt();
        let bound = 1.0 / (hidden as f32).sqrt();
        let zeros = |shape: [usize; 3]| {
            let values = vec![0.0_f32; shape.iter().product()];
            Param::from_data(TensorData::new(values, shape), device)
        };
        let padding = sizes.iter().flat_map(|&size| {
            (0..CLASSES).map(move |class| if class < size { 0.0 } else { NEVER })
        });
        Self {
            embedding: table(rows, width, scale, rng, device),
            blocks: (0..shape.layers)
                .map(|_| RecurrentBlock::new(width, rng, device))
                .collect(),
            norm: RmsNormConfig::new(width).init(device),
            known: linear(width, hidden, rng, device),
            told: table(
                told_rows,
                hidden,
                1.0 / (symbols as f32).sqrt(),
                rng,
                device,
            ),
            heads: uniform([symbols, hidden, CLASSES], bound, rng, device),
            bias: zeros([symbols, 1, CLASSES]),
            copying: zeros([symbols, CLASSES, CLASSES]),
            offsets: offsets_in,
            told_offsets,
            padding: padding.collect(),
        }
    }

    /// The surprise at the targets, in nats, summed over the symbols that are to be told.
    pub(super) fn surprise(&self, batch: &Batch) -> Tensor<1> {
        let logits = self.logits(batch);
        let device = logits.device();
        let [symbols, rows, _] = logits.dims();
        let mask = transposed(&batch.mask, symbols);
        let hot = one_hot(&transposed(&batch.targets, symbols), Some(&mask));
        let hot: Tensor<3> =
            Tensor::from_data(TensorData::new(hot, [symbols, rows, CLASSES]), &device);
        let mask: Tensor<3> = Tensor::from_data(TensorData::new(mask, [symbols, rows, 1]), &device);
        let max = logits.clone().detach().max_dim(2);
        let shifted = logits - max;
        let normaliser = shifted.clone().exp().sum_dim(2).log() * mask;
        normaliser.sum() - (shifted * hot).sum()
    }

    /// `[symbols, rows, classes]`: logits of every symbol, given the true ones before it.
    pub(super) fn logits(&self, batch: &Batch) -> Tensor<3> {
        let known = self.known.forward(self.norm.forward(self.memory(batch)));
        let [rows, hidden] = known.dims();
        let symbols = self.told_offsets.len();
        let device = known.device();
        let values = batch.targets.chunks_exact(symbols);
        let told: Vec<i32> = values
            .flat_map(|row| row.iter().zip(&self.told_offsets))
            .map(|(&value, offset)| (offset + usize::from(value)) as i32)
            .collect();
        let told = Tensor::<1, Int>::from_data(TensorData::new(told, [rows * symbols]), &device);
        let told = self
            .told
            .val()
            .select(0, told)
            .reshape([rows, symbols, hidden]);
        // Each symbol knows those before it.
        let before = told.clone().cumsum(1) - told;
        let hidden_layer = relu(before + known.reshape([rows, 1, hidden])).swap_dims(0, 1);
        let copies = one_hot(&transposed(&batch.copies, symbols), None);
        let copies = TensorData::new(copies, [symbols, rows, CLASSES]);
        let copies: Tensor<3> = Tensor::from_data(copies, &device);
        let padding = TensorData::new(self.padding.clone(), [symbols, 1, CLASSES]);
        let padding: Tensor<3> = Tensor::from_data(padding, &device);
        hidden_layer.matmul(self.heads.val())
            + copies.matmul(self.copying.val())
            + (self.bias.val() + padding)
    }

    /// `[rows, width]`: what is known after each event.
    fn memory(&self, batch: &Batch) -> Tensor<2> {
        let embedding = self.embedding.val();
        let [table_rows, width] = embedding.dims();
        let device = embedding.device();
        let hot = multi_hot(&batch.inputs, &self.offsets, table_rows, &device);
        let x = hot.matmul(embedding);
        let [rows, _] = x.dims();
        let steps = rows / batch.spans;
        let keep = TensorData::new(batch.keep.clone(), [batch.spans, steps, 1]);
        let keep = Tensor::from_data(keep, &device);
        let x = x.reshape([batch.spans, steps, width]);
        let blocks = self.blocks.iter();
        blocks
            .fold(x, |x, block| block.forward(x, &keep))
            .reshape([rows, width])
    }
}

/// Rows of a symbol each, of rows of all symbols.
fn transposed<T: Copy>(values: &[T], symbols: usize) -> Vec<T> {
    let rows = values.len() / symbols;
    (0..symbols)
        .flat_map(|symbol| (0..rows).map(move |row| values[row * symbols + symbol]))
        .collect()
}

/// [`CLASSES`] numbers a value, 0 but for the one at it, which is 1 or the value's weight; all 0 for a value that is none.
fn one_hot(values: &[u8], weights: Option<&[f32]>) -> Vec<f32> {
    let mut hot = vec![0.0; values.len() * CLASSES];
    for (at, &value) in values.iter().enumerate() {
        if usize::from(value) < CLASSES {
            hot[at * CLASSES + usize::from(value)] = weights.map_or(1.0, |weights| weights[at]);
        }
    }
    hot
}
