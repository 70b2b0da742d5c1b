//! Linear layers and embedding tables, with initial weights from our own random numbers.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

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
        bias: Some(uniform([d_output], bound, rng, device)),
    }
}

/// A weight with entries uniform in ±`bound`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| rng.random_range(-bound..=bound))
        .collect();
    Param::from_data(TensorData::new(values, shape), device)
}

/// An embedding table with normal entries of standard deviation `scale`.
pub(crate) fn table(
    rows: usize,
    d_model: usize,
    scale: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Param<Tensor<2>> {
    let values: Vec<f32> = normals(rng, rows * d_model)
        .into_iter()
        .map(|x| scale * x)
        .collect();
    Param::from_data(TensorData::new(values, [rows, d_model]), device)
}
