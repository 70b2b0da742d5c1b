//! The residual block of the MLP trunks, and the feed-forward half of a Transformer block.

use tracecodec_tensor::{Device, Linear, Module, RmsNorm, Tensor, Visitor};

use super::{Initial, linear};

/// The residual block `x + W₂ relu(W₁ norm(x))`.
#[derive(Debug, Clone)]
pub(crate) struct ResidualBlock {
    norm: RmsNorm,
    up: Linear,
    down: Linear,
}

impl ResidualBlock {
    /// A block that is `d_model` wide outside and `d_hidden` inside.
    pub(crate) fn new(
        d_model: usize,
        d_hidden: usize,
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        Self {
            norm: RmsNorm::new(d_model, device),
            up: linear(d_model, d_hidden, initial, device),
            down: linear(d_hidden, d_model, initial, device),
        }
    }

    /// Output of the block; `x` and the output are `[rows, d_model]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let branch = self.branch(&x);
        x + branch
    }

    /// The term that the block adds to `x`.
    pub(crate) fn branch(&self, x: &Tensor<2>) -> Tensor<2> {
        self.down.forward(&self.up.rectified(&self.norm.forward(x)))
    }
}

impl Module for ResidualBlock {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("norm", &mut self.norm);
        visitor.part("up", &mut self.up);
        visitor.part("down", &mut self.down);
    }
}
