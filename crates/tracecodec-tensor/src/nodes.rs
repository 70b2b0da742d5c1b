//! Features of nodes that have one number each.

use crate::functions::sigmoid;
use crate::lanes;
use crate::pool;
use crate::tape::Gradients;
use crate::tensor::{Data, Tensor};

/// `tanh(x w + b)` with a vector w and a vector b for each column of `x`: `[rows, columns]`, and
/// `[columns, width]` for both, to `[columns, rows, width]`.
pub fn tanh_features(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<2>) -> Tensor<3> {
    let ([rows, columns], [_, width]) = (x.shape, weight.shape);
    assert_eq!(
        (weight.shape, bias.shape),
        ([columns, width], [columns, width])
    );
    #[cfg(feature = "gpu")]
    if let (Some(x), Some(weight), Some(bias)) = (x.as_gpu(), weight.as_gpu(), bias.as_gpu()) {
        let x = x.transpose().reshape([columns, rows, 1]);
        let [weight, bias] = [weight, bias].map(|y| y.reshape([columns, 1, width]));
        return Tensor::gpu((x * weight + bias).tanh());
    }
    let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
        (x.cpu(), weight.cpu(), bias.cpu());
    let mut values = pool::any(columns * rows * width);
    for column in 0..columns {
        let [weight, bias] = [weight, bias].map(|of| &of[column * width..][..width]);
        for row in 0..rows {
            let x = x[row * columns + column];
            let features = &mut values[(column * rows + row) * width..][..width];
            for ((y, w), b) in features.iter_mut().zip(weight).zip(bias) {
                *y = 2.0 * sigmoid(2.0 * (x * w + b)) - 1.0;
            }
        }
    }
    let nodes = [x_node, weight_node, bias_node].map(|node| node.cloned());
    let (x, weight) = (x.clone(), weight.clone());
    let is_tracked = nodes.iter().any(Option::is_some);
    let output: Data = values.into();
    let features = output.clone();
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        for (g, &y) in gradient.iter_mut().zip(features.iter()) {
            *g *= 1.0 - y * y;
        }
        let of_column = |column: usize| {
            let own = &gradient[column * rows * width..][..rows * width];
            own.chunks_exact(width.max(1)).enumerate()
        };
        let [x_node, weight_node, bias_node] = &nodes;
        if let Some(node) = x_node {
            let sums = gradients.sum(node);
            for column in 0..columns {
                let weight = &weight[column * width..][..width];
                for (row, gradient) in of_column(column) {
                    sums[row * columns + column] += lanes::dot(gradient, weight, |g, w| g * w);
                }
            }
        }
        if let Some(node) = weight_node {
            let sums = gradients.sum(node);
            for (column, sums) in sums.chunks_exact_mut(width.max(1)).enumerate() {
                for (row, gradient) in of_column(column) {
                    let x = x[row * columns + column];
                    sums.iter_mut()
                        .zip(gradient)
                        .for_each(|(sum, g)| *sum += x * g);
                }
            }
        }
        if let Some(node) = bias_node {
            let sums = gradients.sum(node);
            for (column, sums) in sums.chunks_exact_mut(width.max(1)).enumerate() {
                for (_, gradient) in of_column(column) {
                    sums.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
                }
            }
        }
    };
    Tensor::shared(output, [columns, rows, width], is_tracked, backward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    const ROWS: usize = 3;
    const COLUMNS: usize = 2;
    const WIDTH: usize = 11;

    fn made_up(count: usize, shift: f32) -> Vec<f32> {
        (0..count)
            .map(|i| 0.8 * (1.3 * i as f32 + shift).sin())
            .collect()
    }

    /// The sum of the features, each times a number of its own.
    fn measure(parts: &[Tensor<2>; 3]) -> Tensor<1> {
        let [x, weight, bias] = parts;
        let features = tanh_features(x, weight, bias);
        let factors = made_up(COLUMNS * ROWS * WIDTH, 0.9);
        (features * Tensor::new(factors, [COLUMNS, ROWS, WIDTH], &Device::cpu())).sum()
    }

    fn parts() -> [Tensor<2>; 3] {
        [[ROWS, COLUMNS], [COLUMNS, WIDTH], [COLUMNS, WIDTH]].map(|shape| {
            let count = shape[0] * shape[1];
            Tensor::new(made_up(count, count as f32), shape, &Device::cpu())
        })
    }

    #[test]
    fn test_features_are_in_the_order_of_columns() {
        let [x, weight, bias] = parts();
        let found = tanh_features(&x, &weight, &bias).into_values();
        let [x, weight, bias] = [x, weight, bias].map(Tensor::into_values);
        let (column, row, i) = (1, 2, 7);
        let at = column * WIDTH + i;
        let expected = (x[row * COLUMNS + column] * weight[at] + bias[at]).tanh();
        assert!((found[(column * ROWS + row) * WIDTH + i] - expected).abs() < 1e-6);
    }

    #[test]
    fn test_gradients_are_those_of_finite_differences() {
        let leaves = parts().map(Tensor::tracked);
        let gradients = measure(&leaves).backward();
        for (part, leaf) in leaves.iter().enumerate() {
            let step = 1e-2;
            for (i, slope) in gradients.of(leaf).into_iter().enumerate() {
                let at = |step: f32| {
                    let mut parts = parts();
                    let shape = parts[part].dims();
                    let mut values = parts[part].clone().into_values();
                    values[i] += step;
                    parts[part] = Tensor::new(values, shape, &Device::cpu());
                    measure(&parts).scalar()
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                assert!(
                    (slope - expected).abs() < 1e-3,
                    "{part} {i} {slope} {expected}"
                );
            }
        }
    }
}
