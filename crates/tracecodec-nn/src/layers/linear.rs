//! Linear layers and embedding tables, with initial weights from our own random numbers.

use rand::{Rng, RngExt};
use tracecodec_tensor::{Device, Linear, Tensor};

use crate::random::normals;

/// A linear layer with bias; weights and bias are uniform in ±1/√`d_input`.
pub(crate) fn linear(
    d_input: usize,
    d_output: usize,
    rng: &mut impl Rng,
    device: &Device,
) -> Linear {
    let bound = 1.0 / (d_input as f32).sqrt();
    Linear {
        weight: uniform([d_input, d_output], bound, rng, device),
        bias: uniform([d_output], bound, rng, device),
    }
}

/// A weight with entries uniform in ±`bound`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Tensor<D> {
    let count = shape.iter().product();
    let values = (0..count).map(|_| rng.random_range(-bound..=bound));
    Tensor::new(values.collect(), shape, device)
}

/// An embedding table with normal entries of standard deviation `scale`.
pub(crate) fn table(
    rows: usize,
    d_model: usize,
    scale: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Tensor<2> {
    let values = normals(rng, rows * d_model).into_iter().map(|x| scale * x);
    Tensor::new(values.collect(), [rows, d_model], device)
}
