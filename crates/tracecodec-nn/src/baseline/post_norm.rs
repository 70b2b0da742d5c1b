//! Transformer layers as in PyTorch (Vaswani et al. 2017): residual, then norm; ReLU; dropout;
//! PyTorch's initial weights.

use rand::Rng;
use tracecodec_tensor::{Attention, Device, LayerNorm, Linear, Module, Tensor, Visitor, attention};

use crate::layers::{Dropout, linear, uniform};

/// Width of a token.
pub(crate) const D_MODEL: usize = 128;

/// Attention heads.
const HEADS: usize = 8;

/// Width of the feed-forward block.
const D_HIDDEN: usize = 1028;

/// Share of the numbers that dropout sets to 0.
pub(crate) const DROPPED: f32 = 0.1;

/// How the rows of a batch are laid out as sequences of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequences {
    /// All rows are the tokens of one sequence: attention mixes them.
    One,
    /// Each row is a sequence of one token: it attends to nothing else.
    EachRow,
}

/// The attention block, `norm(x + dropout(attention))`.
#[derive(Debug, Clone)]
struct AttentionBlock {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
}

impl Module for AttentionBlock {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("query", &mut self.query);
        visitor.part("key", &mut self.key);
        visitor.part("value", &mut self.value);
        visitor.part("output", &mut self.output);
        visitor.part("norm", &mut self.norm);
    }
}

impl AttentionBlock {
    fn new(rng: &mut impl Rng, device: &Device) -> Self {
        let mut projection = |bound| Linear {
            weight: uniform([D_MODEL, D_MODEL], bound, rng, device),
            bias: Tensor::zeros([D_MODEL], device),
        };
        // Xavier's bound, of query, key and value as one matrix.
        let packed = (6.0 / (4 * D_MODEL) as f32).sqrt();
        Self {
            query: projection(packed),
            key: projection(packed),
            value: projection(packed),
            output: projection(1.0 / (D_MODEL as f32).sqrt()),
            norm: LayerNorm::new(D_MODEL, device),
        }
    }

    /// Takes tokens `[rows, d_model]` through the block; they attend to a memory of that shape.
    fn forward(
        &self,
        x: Tensor<2>,
        memory: &Tensor<2>,
        sequences: Sequences,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let value = self.value.forward(memory);
        let [rows, _] = x.dims();
        let attended = match sequences {
            Sequences::One => {
                let (query, key) = (self.query.forward(&x), self.key.forward(memory));
                let how = Attention {
                    sequences: 1,
                    heads: HEADS,
                };
                attention(&query, &key, &value, how, dropout.mask(HEADS * rows * rows))
            }
            // The softmax of a single score is 1.
            Sequences::EachRow => match dropout.mask(HEADS * rows) {
                Some(mask) => {
                    let mask = Tensor::new(spread(&mask, rows), value.dims(), &value.device());
                    value * mask
                }
                None => value,
            },
        };
        let attended = self.output.forward(&attended);
        self.norm.forward(&(x + dropout.forward(attended)))
    }
}

/// Spreads a factor for each head and row, `[heads, rows]`, over the numbers of the heads:
/// `[rows, d_model]`.
fn spread(factors: &[f32], rows: usize) -> Vec<f32> {
    let places = (0..rows).flat_map(|row| (0..D_MODEL).map(move |i| (i / (D_MODEL / HEADS), row)));
    places
        .map(|(head, row)| factors[head * rows + row])
        .collect()
}

/// The feed-forward block, `norm(x + dropout(W₂ dropout(relu(W₁ x))))`.
#[derive(Debug, Clone)]
struct FeedForward {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl Module for FeedForward {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("up", &mut self.up);
        visitor.part("down", &mut self.down);
        visitor.part("norm", &mut self.norm);
    }
}

impl FeedForward {
    fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            up: linear(D_MODEL, D_HIDDEN, rng, device),
            down: linear(D_HIDDEN, D_MODEL, rng, device),
            norm: LayerNorm::new(D_MODEL, device),
        }
    }

    fn forward(&self, x: Tensor<2>, dropout: &mut Dropout<impl Rng>) -> Tensor<2> {
        let hidden = dropout.forward(self.up.rectified(&x));
        let change = dropout.forward(self.down.forward(&hidden));
        self.norm.forward(&(x + change))
    }
}

/// Self-attention, then the feed-forward block.
#[derive(Debug, Clone)]
pub(crate) struct EncoderLayer {
    attention: AttentionBlock,
    feed_forward: FeedForward,
}

impl Module for EncoderLayer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("attention", &mut self.attention);
        visitor.part("feed_forward", &mut self.feed_forward);
    }
}

impl EncoderLayer {
    pub(crate) fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            attention: AttentionBlock::new(rng, device),
            feed_forward: FeedForward::new(rng, device),
        }
    }

    /// Takes tokens `[rows, d_model]` through the layer; the shape stays.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        sequences: Sequences,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let x = self.attention.forward(x.clone(), &x, sequences, dropout);
        self.feed_forward.forward(x, dropout)
    }
}

/// Self-attention, attention to a memory, then the feed-forward block.
#[derive(Debug, Clone)]
pub(crate) struct DecoderLayer {
    attention: AttentionBlock,
    memory: AttentionBlock,
    feed_forward: FeedForward,
}

impl Module for DecoderLayer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("attention", &mut self.attention);
        visitor.part("memory", &mut self.memory);
        visitor.part("feed_forward", &mut self.feed_forward);
    }
}

impl DecoderLayer {
    pub(crate) fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            attention: AttentionBlock::new(rng, device),
            memory: AttentionBlock::new(rng, device),
            feed_forward: FeedForward::new(rng, device),
        }
    }

    /// Takes tokens `[rows, d_model]` through the layer; the shape stays.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        memory: &Tensor<2>,
        sequences: Sequences,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let x = self.attention.forward(x.clone(), &x, sequences, dropout);
        let x = self.memory.forward(x, memory, sequences, dropout);
        self.feed_forward.forward(x, dropout)
    }
}
