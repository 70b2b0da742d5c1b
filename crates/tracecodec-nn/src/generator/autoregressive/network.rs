//! The network of a marked point process: it reads the events of a sequence and predicts the next
//! one, symbol by symbol.
//!
//! Its memory is a gated linear recurrence (a state-space model whose decay depends on the input:
//! "Were RNNs all we needed?", Feng et al. 2024), one number for each channel and layer: a flow
//! needs so little memory that thousands can be open at once. The symbols of the next event are
//! predicted one after the other, each given those before it (NADE, Larochelle and Murray 2011).

use rand::Rng;
use tracecodec_tensor::{
    Device, Linear, Module, RmsNorm, Segments, Tensor, Visitor, embedding_sum,
    rectified_prefix_sums, recurrence, rows_of,
};

use super::config::Shape;
use super::events::CLASSES;
use crate::codec::encoder::offsets;
use crate::layers::{ResidualBlock, linear, table, uniform};

/// Values that a symbol may repeat: one of its classes, or none.
const REPEATED: usize = CLASSES + 1;

/// A layer of gated recurrence, followed by a feed-forward layer.
#[derive(Clone, Debug)]
pub(super) struct RecurrentBlock {
    norm: RmsNorm,
    /// Input gate, candidate, and output gate.
    gates: Linear,
    output: Linear,
    feed_forward: ResidualBlock,
}

impl Module for RecurrentBlock {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("norm", &mut self.norm);
        visitor.part("gates", &mut self.gates);
        visitor.part("output", &mut self.output);
        visitor.part("feed_forward", &mut self.feed_forward);
    }
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
        gates.bias = Tensor::new(bias, [3 * width], device);
        Self {
            norm: RmsNorm::new(width, device),
            gates,
            output: linear(width, width, rng, device),
            feed_forward: ResidualBlock::new(width, 2 * width, rng, device),
        }
    }

    /// Maps rows of `[sequences · steps, width]` to the same shape; `keep`, `[sequences, steps,
    /// 1]`, is 0 at the start of a sequence.
    fn forward(&self, x: Tensor<2>, keep: &Tensor<3>) -> Tensor<2> {
        let ([rows, width], [sequences, steps, _]) = (x.dims(), keep.dims());
        let gates = self.gates.forward(&self.norm.forward(&x));
        let part = |i: usize| gates.clone().narrow(1, i * width, width);
        let gate = part(0).sigmoid().reshape([sequences, steps, width]);
        let candidate = part(1).reshape([sequences, steps, width]);
        let memory = recurrence((-gate.clone() + 1.0) * keep.clone(), gate * candidate);
        let memory = memory.reshape([rows, width]) * part(2).silu();
        self.feed_forward.forward(x + self.output.forward(&memory))
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
#[derive(Clone, Debug)]
pub(super) struct Process {
    embedding: Tensor<2>,
    blocks: Vec<RecurrentBlock>,
    norm: RmsNorm,
    /// From the memory to the hidden layer from which each symbol is predicted.
    known: Linear,
    /// Added to the hidden layer for each value of each earlier symbol.
    earlier: Tensor<2>,
    /// Weights of the heads, `[symbols, hidden, classes]`.
    heads: Tensor<3>,
    /// Biases of the heads, `[symbols, 1, classes]`.
    bias: Tensor<3>,
    /// Added to the logits for the value that may be repeated, `[symbols, classes, classes]`.
    copying: Tensor<3>,
    /// First row of each symbol in the embedding.
    offsets: Vec<usize>,
    /// First row of each symbol in `earlier`.
    earlier_offsets: Vec<usize>,
    /// Number of values of each symbol that is predicted.
    sizes: Vec<usize>,
}

impl Module for Process {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("embedding", &mut self.embedding);
        visitor.part("blocks", &mut self.blocks);
        visitor.part("norm", &mut self.norm);
        visitor.part("known", &mut self.known);
        visitor.tensor("told", &mut self.earlier);
        visitor.tensor("heads", &mut self.heads);
        visitor.tensor("bias", &mut self.bias);
        visitor.tensor("copying", &mut self.copying);
    }
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
        let (earlier_offsets, earlier_rows) = offsets(sizes.iter().copied());
        let scale = 1.0 / (inputs.len() as f32).sqrt();
        let bound = 1.0 / (hidden as f32).sqrt();
        Self {
            embedding: table(rows, width, scale, rng, device),
            blocks: (0..shape.layers)
                .map(|_| RecurrentBlock::new(width, rng, device))
                .collect(),
            norm: RmsNorm::new(width, device),
            known: linear(width, hidden, rng, device),
            earlier: table(
                earlier_rows,
                hidden,
                1.0 / (symbols as f32).sqrt(),
                rng,
                device,
            ),
            heads: uniform([symbols, hidden, CLASSES], bound, rng, device),
            bias: Tensor::zeros([symbols, 1, CLASSES], device),
            copying: Tensor::zeros([symbols, CLASSES, CLASSES], device),
            offsets: offsets_in,
            earlier_offsets,
            sizes: sizes.to_vec(),
        }
    }

    /// Negative log-likelihood of the targets that count, in nats, summed.
    pub(super) fn nats(&self, batch: &SpanBatch) -> Tensor<1> {
        let logits = self.logits(batch);
        let [symbols, rows, _] = logits.dims();
        // Each symbol of each row is a softmax; columns beyond the symbol's values are unused.
        let sizes = self.sizes.iter();
        let softmaxes = sizes.flat_map(|&size| std::iter::repeat_n((size, CLASSES), rows));
        let targets = transposed(&batch.targets, symbols).map(u32::from);
        Segments::padded(softmaxes.collect()).negative_log_likelihood(
            logits.reshape([1, symbols * rows * CLASSES]),
            targets.collect(),
            Some(transposed(&batch.mask, symbols).collect()),
        )
    }

    /// Logits of every symbol, given the true symbols before it: `[symbols, rows, classes]`.
    pub(super) fn logits(&self, batch: &SpanBatch) -> Tensor<3> {
        let known = self.known.forward(&self.norm.forward(&self.memory(batch)));
        let symbols = self.sizes.len();
        let values = places(&batch.targets, &self.earlier_offsets);
        let hidden = rectified_prefix_sums(&known, &self.earlier, values);
        let [_, rows, _] = hidden.dims();
        // The biases, with what is added for each value that may be repeated, and for none.
        let copying = self.copying.clone() + self.bias.clone();
        let terms = Tensor::cat(vec![copying, self.bias.clone()], 1);
        let terms = terms.reshape([symbols * REPEATED, CLASSES]);
        let repeated = transposed(&batch.copies, symbols).enumerate();
        let repeated = repeated.map(|(at, value)| (at / rows * REPEATED) as u32 + u32::from(value));
        let terms = rows_of(&terms, repeated.collect()).reshape([symbols, rows, CLASSES]);
        hidden.matmul(self.heads.clone()) + terms
    }

    /// The memory after each event, `[rows, width]`.
    fn memory(&self, batch: &SpanBatch) -> Tensor<2> {
        let symbols = self.offsets.len();
        let values = places(&batch.inputs, &self.offsets);
        let x = embedding_sum(&self.embedding, values, &[symbols]);
        let steps = batch.keep.len() / batch.spans;
        let keep = Tensor::new(batch.keep.clone(), [batch.spans, steps, 1], &x.device());
        let blocks = self.blocks.iter();
        blocks.fold(x, |x, block| block.forward(x, &keep))
    }
}

/// Places of the values in a table that holds each symbol's values from its offset on.
fn places(values: &[u8], offsets: &[usize]) -> Vec<u32> {
    let offsets = offsets.iter().cycle();
    let pairs = values.iter().zip(offsets);
    pairs
        .map(|(&value, &offset)| offset as u32 + u32::from(value))
        .collect()
}

/// Transposes rows of all symbols to rows of one symbol each.
fn transposed<T: Copy>(values: &[T], symbols: usize) -> impl Iterator<Item = T> {
    let of = move |symbol: usize| values[symbol..].iter().step_by(symbols).copied();
    (0..symbols).flat_map(of)
}
