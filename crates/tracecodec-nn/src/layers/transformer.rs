//! A pre-norm Transformer encoder block (Vaswani et al. 2017) over tokens that all attend to each
//! other, and to tokens before them.

use rand::Rng;
use tracecodec_tensor::{
    Attention, Device, Linear, Module, RmsNorm, Tensor, Visitor, attention, attention_packed,
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

/// Keys and values of tokens in a block, `[rows, tokens, d_model]` each: all that the tokens after
/// them need.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    key: Tensor<3>,
    value: Tensor<3>,
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
        let packed = self.packed(&x);
        self.output_of(x, &packed, dropout)
    }

    /// Output of the block, and what tokens after these attend to.
    pub(crate) fn forward_remembered(
        &self,
        x: Tensor<3>,
        dropout: &mut Dropout<impl Rng>,
    ) -> (Tensor<3>, Memory) {
        let packed = self.packed(&x);
        let memory = Memory::of(&packed, x.dims());
        (self.output_of(x, &packed, dropout), memory)
    }

    /// What tokens after these attend to.
    pub(crate) fn memory(&self, x: &Tensor<3>) -> Memory {
        Memory::of(&self.packed(x), x.dims())
    }

    /// Output of the block for tokens that attend to those before them as well as to each other.
    pub(crate) fn forward_after(
        &self,
        before: &Memory,
        x: Tensor<3>,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let [sequences, _, d_model] = x.dims();
        let packed = self.packed(&x);
        let own = Memory::of(&packed, x.dims());
        let both = |before: &Tensor<3>, own: Tensor<3>| {
            let both = Tensor::cat(vec![before.clone(), own], 1);
            let [_, keys, _] = both.dims();
            both.reshape([sequences * keys, d_model])
        };
        let attended = attention(
            &packed.narrow(1, 0, d_model),
            &both(&before.key, own.key),
            &both(&before.value, own.value),
            self.attention(sequences),
            None,
        );
        self.finish(x, attended, dropout)
    }

    fn attention(&self, sequences: usize) -> Attention {
        let heads = self.heads;
        Attention { sequences, heads }
    }

    /// Query, key and value of each token, side by side.
    fn packed(&self, x: &Tensor<3>) -> Tensor<2> {
        self.query_key_value
            .forward(&self.norm.forward(&flat(x.clone())))
    }

    fn output_of(
        &self,
        x: Tensor<3>,
        packed: &Tensor<2>,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let [sequences, ..] = x.dims();
        let attended = attention_packed(packed, self.attention(sequences));
        self.finish(x, attended, dropout)
    }

    /// Output of the block, from the tokens and what they attended to.
    fn finish(
        &self,
        x: Tensor<3>,
        attended: Tensor<2>,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let shape = x.dims();
        let x = flat(x) + dropout.forward(self.output.forward(&attended));
        let branch = self.feed_forward.branch(&x);
        (x + dropout.forward(branch)).reshape(shape)
    }
}

impl Memory {
    /// Of packed queries, keys and values of tokens of this shape.
    fn of(packed: &Tensor<2>, shape: [usize; 3]) -> Self {
        let [.., d_model] = shape;
        let part = |i: usize| {
            packed
                .clone()
                .narrow(1, i * d_model, d_model)
                .reshape(shape)
        };
        Self {
            key: part(1),
            value: part(2),
        }
    }
}

/// All tokens one after the other.
fn flat(x: Tensor<3>) -> Tensor<2> {
    let [sequences, tokens, d_model] = x.dims();
    x.reshape([sequences * tokens, d_model])
}

impl Module for TransformerBlock {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("norm", &mut self.norm);
        visitor.part("query_key_value", &mut self.query_key_value);
        visitor.part("output", &mut self.output);
        visitor.part("feed_forward", &mut self.feed_forward);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, normals, stream};

    #[test]
    fn test_tokens_after_others_attend_to_all() {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let block = TransformerBlock::new(8, 2, 16, &mut rng, &device);
        let x = Tensor::new(normals(&mut rng, 2 * 5 * 8), [2, 5, 8], &device);
        let [before, after] =
            [(0, 3), (3, 2)].map(|(first, count)| x.clone().narrow(1, first, count));
        let off = &mut Dropout::off();
        let (own, memory) = block.forward_remembered(before.clone(), off);
        assert_eq!(own.into_values(), block.forward(before).into_values());
        let found = block.forward_after(&memory, after, off).into_values();
        let whole = block.forward(x).narrow(1, 3, 2).into_values();
        for (found, whole) in found.iter().zip(whole) {
            assert!((found - whole).abs() < 1e-5, "{found} {whole}");
        }
    }
}
