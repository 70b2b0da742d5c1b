//! Transformer layers as in PyTorch (Vaswani et al. 2017): residual, then norm; ReLU; dropout; PyTorch's initial weights.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::layers::{linear, uniform};

/// Width of a token.
pub(crate) const D_MODEL: usize = 128;

/// Attention heads.
const HEADS: usize = 8;

/// Width of a head.
const D_HEAD: usize = D_MODEL / HEADS;

/// Width of the feed-forward block.
const D_HIDDEN: usize = 1028;

/// Share of the numbers that dropout takes away.
const DROPPED: f32 = 0.1;

/// How the rows of a batch are laid out as sequences of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequences {
    /// All rows are the tokens of one sequence: attention mixes them.
    One,
    /// Each row is a sequence of one token: it attends to nothing else.
    EachRow,
}

/// Dropout (Srivastava et al. 2014). Off where there are no random numbers.
pub(crate) struct Dropout<R>(Option<R>);

impl<R: Rng> Dropout<R> {
    /// Dropout in training.
    pub(crate) fn on(rng: R) -> Self {
        Self(Some(rng))
    }

    /// `x`, a tenth of it 0 and the rest scaled up to the same mean.
    fn forward<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let Some(rng) = &mut self.0 else { return x };
        let shape = x.dims();
        let mut bytes = vec![0; 2 * shape.iter().product::<usize>()];
        rng.fill_bytes(&mut bytes);
        let limit = (DROPPED * 65536.0) as u16;
        let keep = 1.0 / (1.0 - DROPPED);
        let draws = bytes.as_chunks::<2>().0.iter().copied();
        let mask: Vec<f32> = draws
            .map(|draw| {
                if u16::from_le_bytes(draw) < limit {
                    0.0
                } else {
                    keep
                }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }
}

impl Dropout<ChaCha8Rng> {
    /// No dropout: outside training.
    pub(crate) fn off() -> Self {
        Self(None)
    }
}

/// `norm(x + dropout(attention))`.
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

    /// `[rows, d_model]`, attending to a memory of the same shape.
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

/// `[rows, d_model]` to `[heads, rows, d_head]`.
fn heads(x: Tensor<2>) -> Tensor<3> {
    let [rows, _] = x.dims();
    x.reshape([rows, HEADS, D_HEAD]).swap_dims(0, 1)
}

/// `norm(x + dropout(W₂ dropout(relu(W₁ x))))`.
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

    /// `[rows, d_model]` to the same shape.
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

    /// `[rows, d_model]` to the same shape.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn test_dropout_keeps_the_mean() {
        let ones = Tensor::<2>::ones([200, 500], &Device::flex());
        let dropped = Dropout::on(stream(0, Purpose::Batch, 0)).forward(ones.clone());
        let zeros = dropped.clone().equal_scalar(0.0).float().mean();
        let zeros = zeros.into_scalar::<f32>();
        assert!((zeros - 0.1).abs() < 0.005, "{zeros}");
        let mean = dropped.mean().into_scalar::<f32>();
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        let same = Dropout::off().forward(ones.clone());
        assert_eq!(same.into_data(), ones.into_data());
    }
}
