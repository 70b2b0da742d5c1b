//! A pre-norm Transformer encoder block (Vaswani et al. 2017) over tokens that all attend to each
//! other.

use burn::module::Module;
use burn::nn::{Linear, RmsNorm, RmsNormConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::{Dropout, ResidualBlock, linear};

/// Self-attention, then the feed-forward block, each within a residual connection.
#[derive(Module, Debug)]
pub(crate) struct TransformerBlock {
    norm: RmsNorm,
    query_key_value: Linear,
    output: Linear,
    feed_forward: ResidualBlock,
    #[module(skip)]
    heads: usize,
}

impl TransformerBlock {
    /// A block for tokens of `d_model` numbers, a multiple of `heads`; the feed-forward block is
    /// `d_hidden` wide inside.
    pub(crate) fn new(
        d_model: usize,
        heads: usize,
        d_hidden: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        Self {
            norm: RmsNormConfig::new(d_model).init(device),
            query_key_value: linear(d_model, 3 * d_model, rng, device),
            output: linear(d_model, d_model, rng, device),
            feed_forward: ResidualBlock::new(d_model, d_hidden, rng, device),
            heads,
        }
    }

    /// Output of the block; `x` and the output are `[rows, tokens, d_model]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward_with(x, &mut Dropout::off())
    }

    /// Output of the block, with dropout on the terms that its two halves add.
    pub(crate) fn forward_with(&self, x: Tensor<3>, dropout: &mut Dropout<impl Rng>) -> Tensor<3> {
        let [rows, tokens, d_model] = x.dims();
        let flat = x.reshape([rows * tokens, d_model]);
        let attended = self.attention(self.norm.forward(flat.clone()), rows);
        let flat = flat + dropout.forward(self.output.forward(attended));
        let branch = self.feed_forward.branch(flat.clone());
        (flat + dropout.forward(branch)).reshape([rows, tokens, d_model])
    }

    fn attention(&self, x: Tensor<2>, rows: usize) -> Tensor<2> {
        let [flat, d_model] = x.dims();
        let (tokens, d_head) = (flat / rows, d_model / self.heads);
        let packed = self.query_key_value.forward(x);
        let part = |i: usize| -> Tensor<4> {
            packed
                .clone()
                .narrow(1, i * d_model, d_model)
                .reshape([rows, tokens, self.heads, d_head])
                .swap_dims(1, 2)
        };
        let scores = part(0).matmul(part(1).transpose()) / (d_head as f32).sqrt();
        softmax(scores, 3)
            .matmul(part(2))
            .swap_dims(1, 2)
            .reshape([flat, d_model])
    }
}
