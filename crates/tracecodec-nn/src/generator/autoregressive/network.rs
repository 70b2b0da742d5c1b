//! The network of a marked point process: it reads the events of a sequence and predicts the next
//! one, symbol by symbol.
//!
//! Its memory is a gated linear recurrence (a state-space model whose decay depends on the input:
//! "Were RNNs all we needed?", Feng et al. 2024), one number for each channel and layer: a flow
//! needs so little memory that thousands can be open at once. The symbols of the next event are
//! predicted one after the other, each given those before it (NADE, Larochelle and Murray 2011).

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

/// Logit of a class beyond the values of a symbol.
const NEVER: f32 = -1e9;

/// A layer of gated recurrence, followed by a feed-forward layer.
#[derive(Module, Debug)]
pub(super) struct RecurrentBlock {
    norm: RmsNorm,
    /// Input gate, candidate, and output gate.
    gates: Linear,
    output: Linear,
    feed_forward: ResidualBlock,
}

impl RecurrentBlock {
    fn new(width: usize, rng: &mut impl Rng, device: &Device) -> Self {
        let mut gates = linear(width, 3 * width, rng, device);
        // Memories that decay over 1 to 100 events: training spans are long enough for all of them.
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

    /// Maps `[sequences, steps, width]` to the same shape; `keep`, `[sequences, steps, 1]`, is 0 at
    /// the start of a sequence.
    fn forward(&self, x: Tensor<3>, keep: &Tensor<3>) -> Tensor<3> {
        let [sequences, steps, width] = x.dims();
        let flat = x.reshape([sequences * steps, width]);
        let gates = self.gates.forward(self.norm.forward(flat.clone()));
        let part = |i: usize| gates.clone().narrow(1, i * width, width);
        let gate = sigmoid(part(0)).reshape([sequences, steps, width]);
        let candidate = part(1).reshape([sequences, steps, width]);
        let memory = scan((1.0 - gate.clone()) * keep.clone(), gate * candidate);
        let memory = memory.reshape([sequences * steps, width]) * silu(part(2));
        let flat = flat + self.output.forward(memory);
        self.feed_forward
            .forward(flat)
            .reshape([sequences, steps, width])
    }
}

/// Events of some spans, and the targets after each event.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanBatch {
    /// Number of spans.
    pub(super) spans: usize,
    /// Rows that the process reads, spans times steps.
    pub(super) inputs: Vec<u8>,
    /// 0 at the start of a sequence, 1 elsewhere.
    pub(super) keep: Vec<f32>,
    /// Rows of the events that follow.
    pub(super) targets: Vec<u8>,
    /// 1 for a symbol of a target that counts, else 0.
    pub(super) mask: Vec<f32>,
    /// For each target, the row of the values that it may repeat: those of the latest event of the
    /// same direction. [`CLASSES`] is no value.
    pub(super) copies: Vec<u8>,
}

/// The network of a process.
#[derive(Module, Debug)]
pub(super) struct Process {
    embedding: Param<Tensor<2>>,
    blocks: Vec<RecurrentBlock>,
    norm: RmsNorm,
    /// From the memory to the hidden layer from which each symbol is predicted.
    known: Linear,
    /// Added to the hidden layer for each value of each earlier symbol.
    told: Param<Tensor<2>>,
    /// Weights of the heads, `[symbols, hidden, classes]`.
    heads: Param<Tensor<3>>,
    /// Biases of the heads, `[symbols, 1, classes]`.
    bias: Param<Tensor<3>>,
    /// Added to the logits for the value that may be repeated, `[symbols, classes, classes]`.
    copying: Param<Tensor<3>>,
    #[module(skip)]
    offsets: Vec<usize>,
    #[module(skip)]
    told_offsets: Vec<usize>,
    /// 0 for a class of the symbol, [`NEVER`] for padding; `[symbols, 1, classes]`.
    #[module(skip)]
    padding: Vec<f32>,
}

impl Process {
    /// A network with fresh weights, which reads symbols of `inputs` values and predicts symbols of
    /// `sizes` values.
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

    /// Negative log-likelihood of the targets that count, in nats, summed.
    pub(super) fn nats(&self, batch: &SpanBatch) -> Tensor<1> {
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

    /// Logits of every symbol, given the true symbols before it: `[symbols, rows, classes]`.
    pub(super) fn logits(&self, batch: &SpanBatch) -> Tensor<3> {
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
        // Each symbol depends on those before it.
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

    /// The memory after each event, `[rows, width]`.
    fn memory(&self, batch: &SpanBatch) -> Tensor<2> {
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

/// Transposes rows of all symbols to rows of one symbol each.
fn transposed<T: Copy>(values: &[T], symbols: usize) -> Vec<T> {
    let rows = values.len() / symbols;
    (0..symbols)
        .flat_map(|symbol| (0..rows).map(move |row| values[row * symbols + symbol]))
        .collect()
}

/// One-hot vectors of [`CLASSES`] numbers: 1, or the weight of the value, at the value, and 0
/// elsewhere. All 0 for [`CLASSES`].
fn one_hot(values: &[u8], weights: Option<&[f32]>) -> Vec<f32> {
    let mut hot = vec![0.0; values.len() * CLASSES];
    for (at, &value) in values.iter().enumerate() {
        if usize::from(value) < CLASSES {
            hot[at * CLASSES + usize::from(value)] = weights.map_or(1.0, |weights| weights[at]);
        }
    }
    hot
}
