//! Normalisation of rows.

use std::mem::take;

use crate::functions::vectorised;
use crate::lanes;
use crate::pool;
use crate::tape::Gradients;
use crate::tensor::Tensor;

/// Added to the mean square, or to the variance, of a row.
const EPSILON: f32 = 1e-5;

/// Divides each row of `[rows, width]` by its root mean square, and multiplies it with `gamma`
/// (Zhang and Sennrich 2019).
pub fn rms_norm(x: &Tensor<2>, gamma: &Tensor<1>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let (Some(x), Some(gamma)) = (x.as_gpu(), gamma.as_gpu()) {
        let square = (x.clone() * x.clone()).mean_dim(1);
        return Tensor::gpu(x / (square + EPSILON).sqrt() * gamma.unsqueeze());
    }
    norm(x, gamma, None)
}

/// Subtracts the mean of each row of `[rows, width]`, divides by the deviation, multiplies with
/// `gamma` and adds `beta` (Ba et al. 2016).
pub fn layer_norm(x: &Tensor<2>, gamma: &Tensor<1>, beta: &Tensor<1>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let (Some(x), Some(gamma), Some(beta)) = (x.as_gpu(), gamma.as_gpu(), beta.as_gpu()) {
        let x = x.clone() - x.mean_dim(1);
        let variance = (x.clone() * x.clone()).mean_dim(1);
        let normed = x / (variance + EPSILON).sqrt();
        return Tensor::gpu(normed * gamma.unsqueeze() + beta.unsqueeze());
    }
    norm(x, gamma, Some(beta))
}

/// Either norm: with `beta` the layer norm.
fn norm(x: &Tensor<2>, gamma: &Tensor<1>, beta: Option<&Tensor<1>>) -> Tensor<2> {
    let [rows, width] = x.shape;
    let is_centred = beta.is_some();
    let (x, gamma) = (x.cpu(), gamma.cpu());
    let (beta_data, beta_node) = beta.map_or((None, None), |beta| {
        let (data, node) = beta.cpu();
        (Some(data), node.cloned())
    });
    let mut values = pool::any(rows * width);
    // Mean and scale of each row.
    let mut moments = Vec::with_capacity(rows);
    let pairs = x.0.chunks_exact(width).zip(values.chunks_exact_mut(width));
    let mut norm = |x: &[f32], y: &mut [f32]| {
        let mean = if is_centred {
            lanes::sum(x, |x| x) / width as f32
        } else {
            0.0
        };
        let variance = lanes::sum(x, |x| (x - mean) * (x - mean)) / width as f32;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        for ((y, x), gamma) in y.iter_mut().zip(x).zip(gamma.0.iter()) {
            *y = (x - mean) * scale * gamma;
        }
        if let Some(beta) = beta_data {
            y.iter_mut()
                .zip(beta.iter())
                .for_each(|(y, beta)| *y += beta);
        }
        moments.push((mean, scale));
    };
    vectorised(
        #[inline(always)]
        || pairs.for_each(|(x, y)| norm(x, y)),
    );
    let is_tracked = x.1.is_some() || gamma.1.is_some() || beta_node.is_some();
    let ((x, x_node), (gamma, gamma_node)) = (
        (x.0.clone(), x.1.cloned()),
        (gamma.0.clone(), gamma.1.cloned()),
    );
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        if let Some(node) = &beta_node {
            crate::linear::add_column_sums(gradient, gradients.sum(node));
        }
        if let Some(node) = &gamma_node {
            let sums = gradients.sum(node);
            let rows = gradient.chunks_exact(width).zip(x.chunks_exact(width));
            vectorised(
                #[inline(always)]
                || {
                    for ((gradient, x), &(mean, scale)) in rows.zip(&moments) {
                        for ((sum, g), x) in sums.iter_mut().zip(gradient).zip(x) {
                            *sum += g * (x - mean) * scale;
                        }
                    }
                },
            );
        }
        let Some(node) = &x_node else { return };
        let rows = gradient.chunks_exact_mut(width).zip(x.chunks_exact(width));
        vectorised(
            #[inline(always)]
            || {
                for ((gradient, x), &(mean, scale)) in rows.zip(&moments) {
                    for (g, gamma) in gradient.iter_mut().zip(gamma.iter()) {
                        *g *= gamma;
                    }
                    let along = lanes::dot(gradient, x, |g, x| g * (x - mean)) * scale * scale
                        / width as f32;
                    let shift = if is_centred {
                        lanes::sum(gradient, |g| g) / width as f32
                    } else {
                        0.0
                    };
                    for (g, x) in gradient.iter_mut().zip(x) {
                        *g = (*g - shift - (x - mean) * along) * scale;
                    }
                }
            },
        );
        gradients.give(node, take(gradient));
    };
    Tensor::output(values, [rows, width], is_tracked, backward)
}
