//! Transformer layers as in PyTorch (Vaswani et al. 2017): residual, then norm; ReLU; dropout;
//! PyTorch's initial weights.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use crate::layers::{Dropout, linear, uniform};

/// Width of a token.
pub(crate) const D_MODEL: usize = 128;

/// Attention heads.
const HEADS: usize = 8;

/// Width of a head.
const D_HEAD: usize = D_MODEL / HEADS;

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
#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
}

impl Attention {
    fn new(rng: &mut impl Rng, device: &Device) -> Self {
        let mut projection = |bound| Linear {
            weight: uniform([D_MODEL, D_MODEL], bound, rng, device),
            bias: Some(Param::from_data(vec![0.0f32; D_MODEL].as_slice(), device)),
        };
        // Xavier's bound, of query, key and value as one matrix.
        let packed = (6.0 / (4 * D_MODEL) as f32).sqrt();
        Self {
            query: projection(packed),
            key: projection(packed),
            value: projection(packed),
            output: projection(1.0 / (D_MODEL as f32).sqrt()),
            norm: LayerNormConfig::new(D_MODEL).init(device),
        }
    }

    /// Takes tokens `[rows, d_model]` through the block; they attend to a memory of that shape.
    fn forward(
        &self,
        x: Tensor<2>,
        memory: Tensor<2>,
        sequences: Sequences,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let value = heads(self.value.forward(memory.clone()));
        let attended = match sequences {
            Sequences::One => {
                let query = heads(self.query.forward(x.clone()));
                let key = heads(self.key.forward(memory));
                let scores = query.matmul(key.transpose()) / (D_HEAD as f32).sqrt();
                dropout.forward(softmax(scores, 2)).matmul(value)
            }
            // The softmax of a single score is 1.
            Sequences::EachRow => {
                let [heads, rows, _] = value.dims();
                value.clone() * dropout.forward(Tensor::ones([heads, rows, 1], &value.device()))
            }
        };
        let attended = self
            .output
            .forward(attended.swap_dims(0, 1).reshape(x.dims()));
        self.norm.forward(x + dropout.forward(attended))
    }
}

/// Splits `[rows, d_model]` into heads, `[heads, rows, d_head]`.
fn heads(x: Tensor<2>) -> Tensor<3> {
    let [rows, _] = x.dims();
    x.reshape([rows, HEADS, D_HEAD]).swap_dims(0, 1)
}

/// The feed-forward block, `norm(x + dropout(W₂ dropout(relu(W₁ x))))`.
#[derive(Module, Debug)]
struct FeedForward {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl FeedForward {
    fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            up: linear(D_MODEL, D_HIDDEN, rng, device),
            down: linear(D_HIDDEN, D_MODEL, rng, device),
            norm: LayerNormConfig::new(D_MODEL).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>, dropout: &mut Dropout<impl Rng>) -> Tensor<2> {
        let hidden = dropout.forward(relu(self.up.forward(x.clone())));
        let change = dropout.forward(self.down.forward(hidden));
        self.norm.forward(x + change)
    }
}

/// Self-attention, then the feed-forward block.
#[derive(Module, Debug)]
pub(crate) struct EncoderLayer {
    attention: Attention,
    feed_forward: FeedForward,
}

impl EncoderLayer {
    pub(crate) fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            attention: Attention::new(rng, device),
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
        let x = self.attention.forward(x.clone(), x, sequences, dropout);
        self.feed_forward.forward(x, dropout)
    }
}

/// Self-attention, attention to a memory, then the feed-forward block.
#[derive(Module, Debug)]
pub(crate) struct DecoderLayer {
    attention: Attention,
    memory: Attention,
    feed_forward: FeedForward,
}

impl DecoderLayer {
    pub(crate) fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            attention: Attention::new(rng, device),
            memory: Attention::new(rng, device),
            feed_forward: FeedForward::new(rng, device),
        }
    }

    /// Takes tokens `[rows, d_model]` through the layer; the shape stays.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        memory: Tensor<2>,
        sequences: Sequences,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let x = self.attention.forward(x.clone(), x, sequences, dropout);
        let x = self.memory.forward(x, memory, sequences, dropout);
        self.feed_forward.forward(x, dropout)
    }
}
