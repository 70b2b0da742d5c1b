//! Linear layers and embedding tables with initial weights from our own random numbers.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

use crate::random::normals;

/// A linear layer with bias; weights and bias uniform in ±1/√`d_input`.
pub(crate) fn linear(
    d_input: usize,
    d_output: usize,
    rng: &mut impl Rng,
    device: &Device,
) -> Linear {
    let bound = 1.0 / (d_input as f32).sqrt();
    let mut uniform = |count| -> Vec<f32> {
        (0..count)
            .map(|_| rng.random_range(-bound..=bound))
            .collect()
    };
    let weight = TensorData::new(uniform(d_input * d_output), [d_input, d_output]);
    let bias = TensorData::new(uniform(d_output), [d_output]);
    Linear {
        weight: Param::from_data(weight, device),
        bias: Some(Param::from_data(bias, device)),
    }
}

/// An embedding table; entries normal with deviation `scale`.
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

/// A matrix; entries uniform in ±`bound`.
pub(crate) fn uniform(
    shape: [usize; 2],
    bound: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Param<Tensor<2>> {
    let count = shape[0] * shape[1];
    let values: Vec<f32> = (0..count)
        .map(|_| rng.random_range(-bound..=bound))
        .collect();
    Param::from_data(TensorData::new(values, shape), device)
}
