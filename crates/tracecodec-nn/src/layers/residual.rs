//! The residual block of the MLP trunks, and the feed-forward half of a Transformer block.

use burn::module::Module;
use burn::nn::{Linear, RmsNorm, RmsNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::linear;

/// The residual block `x + W₂ relu(W₁ norm(x))`.
#[derive(Module, Debug)]
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
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        Self {
            norm: RmsNormConfig::new(d_model).init(device),
            up: linear(d_model, d_hidden, rng, device),
            down: linear(d_hidden, d_model, rng, device),
        }
    }

    /// Output of the block; `x` and the output are `[rows, d_model]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let branch = self.branch(x.clone());
        x + branch
    }

    /// The term that the block adds to `x`.
    pub(crate) fn branch(&self, x: Tensor<2>) -> Tensor<2> {
        self.down
            .forward(relu(self.up.forward(self.norm.forward(x))))
    }
}
