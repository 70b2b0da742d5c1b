//! A pre-norm Transformer encoder block (Vaswani et al. 2017) over tokens that all attend to each
//! other.

use rand::Rng;
use tracecodec_tensor::{
    Attention, Device, Linear, Module, RmsNorm, Tensor, Visitor, attention_packed,
};

use super::{Dropout, Initial, ResidualBlock, linear};

/// Self-attention, then the feed-forward block, each within a residual connection.
#[derive(Debug, Clone)]
pub(crate) struct TransformerBlock {
    norm: RmsNorm,
    query_key_value: Linear,
    output: Linear,
    feed_forward: ResidualBlock,
    heads: usize,
}

impl TransformerBlock {
    /// A block for tokens of `d_model` numbers, a multiple of `heads`; the feed-forward block is
    /// `d_hidden` wide inside.
    pub(crate) fn new(
        d_model: usize,
        heads: usize,
        d_hidden: usize,
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        Self {
            norm: RmsNorm::new(d_model, device),
            query_key_value: linear(d_model, 3 * d_model, initial, device),
            output: linear(d_model, d_model, initial, device),
            feed_forward: ResidualBlock::new(d_model, d_hidden, initial, device),
            heads,
        }
    }

    /// Output of the block; `x` and the output are `[rows, tokens, d_model]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward_with(x, &mut Dropout::off())
    }

    /// Output of the block, with dropout on the terms that its two halves add.
    pub(crate) fn forward_with(&self, x: Tensor<3>, dropout: &mut Dropout<impl Rng>) -> Tensor<3> {
        let [sequences, tokens, d_model] = x.dims();
        let flat = x.reshape([sequences * tokens, d_model]);
        let packed = self.query_key_value.forward(&self.norm.forward(&flat));
        let heads = self.heads;
        let attended = attention_packed(&packed, Attention { sequences, heads });
        let flat = flat + dropout.forward(self.output.forward(&attended));
        let branch = self.feed_forward.branch(&flat);
        (flat + dropout.forward(branch)).reshape([sequences, tokens, d_model])
    }
}

impl Module for TransformerBlock {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("norm", &mut self.norm);
        visitor.part("query_key_value", &mut self.query_key_value);
        visitor.part("output", &mut self.output);
        visitor.part("feed_forward", &mut self.feed_forward);
    }
}
