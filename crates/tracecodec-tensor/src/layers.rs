//! Layers with weights of their own.

use crate::device::Device;
use crate::linear::{linear, linear_relu};
use crate::module::{Module, Visitor};
use crate::norm::{layer_norm, rms_norm};
use crate::tensor::Tensor;

/// A linear layer, `x w + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Tensor<2>,
    /// `[outputs]`.
    pub bias: Tensor<1>,
}

impl Linear {
    /// Takes `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        linear(x, &self.weight, &self.bias)
    }

    /// The layer, then a rectifier.
    pub fn rectified(&self, x: &Tensor<2>) -> Tensor<2> {
        linear_relu(x, &self.weight, &self.bias)
    }
}

impl Module for Linear {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("weight", &mut self.weight);
        visitor.tensor("bias", &mut self.bias);
    }
}

/// Normalisation by the root mean square (Zhang and Sennrich 2019).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    gamma: Tensor<1>,
}

impl RmsNorm {
    /// A norm of rows of this width, with factors 1.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            gamma: Tensor::full(1.0, [width], device),
        }
    }

    /// Normalises rows of `[rows, width]`.
    pub fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        rms_norm(x, &self.gamma)
    }
}

impl Module for RmsNorm {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("gamma", &mut self.gamma);
    }
}

/// Normalisation by mean and deviation (Ba et al. 2016).
#[derive(Debug, Clone)]
pub struct LayerNorm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
}

impl LayerNorm {
    /// A norm of rows of this width, with factors 1 and terms 0.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            gamma: Tensor::full(1.0, [width], device),
            beta: Tensor::zeros([width], device),
        }
    }

    /// Normalises rows of `[rows, width]`.
    pub fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        layer_norm(x, &self.gamma, &self.beta)
    }
}

impl Module for LayerNorm {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("gamma", &mut self.gamma);
        visitor.tensor("beta", &mut self.beta);
    }
}
