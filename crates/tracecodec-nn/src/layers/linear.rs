//! Linear layers and embedding tables, and where their initial weights come from.

use rand::{Rng, RngExt};
use tracecodec_tensor::{Device, Linear, Tensor};

use crate::random::normals;

/// Source of initial weights: our own random numbers, or [`Zeros`].
pub(crate) trait Initial {
    /// Numbers uniform in ±`bound`.
    fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32>;

    /// Normal numbers of standard deviation `scale`.
    fn normals(&mut self, count: usize, scale: f32) -> Vec<f32>;
}

impl<R: Rng> Initial for R {
    fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        (0..count)
            .map(|_| self.random_range(-bound..=bound))
            .collect()
    }

    fn normals(&mut self, count: usize, scale: f32) -> Vec<f32> {
        normals(self, count)
            .into_iter()
            .map(|x| scale * x)
            .collect()
    }
}

/// Zeros, for a network whose weights are read from a file: they take no time.
pub(crate) struct Zeros;

impl Initial for Zeros {
    fn uniform(&mut self, count: usize, _bound: f32) -> Vec<f32> {
        vec![0.0; count]
    }

    fn normals(&mut self, count: usize, _scale: f32) -> Vec<f32> {
        vec![0.0; count]
    }
}

/// A linear layer with bias; weights and bias are uniform in ±1/√`d_input`.
pub(crate) fn linear(
    d_input: usize,
    d_output: usize,
    initial: &mut impl Initial,
    device: &Device,
) -> Linear {
    let bound = 1.0 / (d_input as f32).sqrt();
    Linear {
        weight: uniform([d_input, d_output], bound, initial, device),
        bias: uniform([d_output], bound, initial, device),
    }
}

/// A weight with entries uniform in ±`bound`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    initial: &mut impl Initial,
    device: &Device,
) -> Tensor<D> {
    let values = initial.uniform(shape.iter().product(), bound);
    Tensor::new(values, shape, device)
}

/// An embedding table with normal entries of standard deviation `scale`.
pub(crate) fn table(
    rows: usize,
    d_model: usize,
    scale: f32,
    initial: &mut impl Initial,
    device: &Device,
) -> Tensor<2> {
    let values = initial.normals(rows * d_model, scale);
    Tensor::new(values, [rows, d_model], device)
}
