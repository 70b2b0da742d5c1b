//! Sums, differences, products and quotients of two tensors, or of a tensor and a number. An axis
//! of length 1 stands for any length, as in NumPy.

use std::array::from_fn;
use std::mem::take;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use crate::functions::vectorised;
use crate::lanes;
use crate::pool;
use crate::tape::{Gradients, Node};
use crate::tensor::Tensor;

impl<const D: usize> Add for Tensor<D> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        #[cfg(feature = "gpu")]
        if let (Some(x), Some(y)) = (self.as_gpu(), other.as_gpu()) {
            return Self::gpu(x + y);
        }
        if self.shape != other.shape {
            return binary(self, other, |x, y| x + y, |g, _, _| g, |g, _, _| g);
        }
        let shape = self.shape;
        let ((x, x_node), (y, y_node)) = (self.into_cpu(), other.into_cpu());
        let nodes = [x_node, y_node];
        let is_tracked = nodes.iter().any(Option::is_some);
        // The sum is written over the operand that nothing else needs, if there is one.
        let (mut sum, rest) = if y.is_unique() {
            (y.into_vec(), x)
        } else {
            (x.into_vec(), y)
        };
        sum.iter_mut().zip(rest.iter()).for_each(|(x, y)| *x += y);
        Self::output(
            sum,
            shape,
            is_tracked,
            move |gradient, gradients| match &nodes {
                [Some(x), Some(y)] => {
                    gradients.give(x, gradient.clone());
                    gradients.give(y, take(gradient));
                }
                [Some(node), None] | [None, Some(node)] => gradients.give(node, take(gradient)),
                [None, None] => {}
            },
        )
    }
}

impl<const D: usize> Sub for Tensor<D> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        #[cfg(feature = "gpu")]
        if let (Some(x), Some(y)) = (self.as_gpu(), other.as_gpu()) {
            return Self::gpu(x - y);
        }
        binary(self, other, |x, y| x - y, |g, _, _| g, |g, _, _| -g)
    }
}

impl<const D: usize> Mul for Tensor<D> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        #[cfg(feature = "gpu")]
        if let (Some(x), Some(y)) = (self.as_gpu(), other.as_gpu()) {
            return Self::gpu(x * y);
        }
        binary(self, other, |x, y| x * y, |g, _, y| g * y, |g, x, _| g * x)
    }
}

impl<const D: usize> Div for Tensor<D> {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        #[cfg(feature = "gpu")]
        if let (Some(x), Some(y)) = (self.as_gpu(), other.as_gpu()) {
            return Self::gpu(x / y);
        }
        binary(
            self,
            other,
            |x, y| x / y,
            |g, _, y| g / y,
            |g, x, y| -g * x / (y * y),
        )
    }
}

impl<const D: usize> Neg for Tensor<D> {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl<const D: usize> Mul<f64> for Tensor<D> {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x * factor);
        }
        self.affine(factor as f32, 0.0)
    }
}

impl<const D: usize> Div<f64> for Tensor<D> {
    type Output = Self;

    fn div(self, divisor: f64) -> Self {
        self * (1.0 / divisor)
    }
}

impl<const D: usize> Add<f64> for Tensor<D> {
    type Output = Self;

    fn add(self, term: f64) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x + term);
        }
        self.affine(1.0, term as f32)
    }
}

impl<const D: usize> Sub<f64> for Tensor<D> {
    type Output = Self;

    fn sub(self, term: f64) -> Self {
        self + -term
    }
}

impl<const D: usize> Tensor<D> {
    /// Each number times a factor plus a term, on the CPU.
    fn affine(self, factor: f32, term: f32) -> Self {
        let shape = self.shape;
        let (data, node) = self.into_cpu();
        let mut values = data.into_vec();
        values.iter_mut().for_each(|x| *x = factor * *x + term);
        Self::output(values, shape, node.is_some(), move |gradient, gradients| {
            gradient.iter_mut().for_each(|g| *g *= factor);
            if let Some(node) = &node {
                gradients.give(node, take(gradient));
            }
        })
    }
}

/// Steps through two operands along the axes of their output: 0 where an operand has length 1.
#[derive(Clone, Copy)]
struct Steps<const D: usize> {
    shape: [usize; D],
    x: [usize; D],
    y: [usize; D],
}

impl<const D: usize> Steps<D> {
    fn new(x: [usize; D], y: [usize; D]) -> Self {
        let shape = from_fn(|axis| {
            let (x, y) = (x[axis], y[axis]);
            assert!(
                x == y || x == 1 || y == 1,
                "axis {axis}: {x} and {y} numbers"
            );
            if x == 1 { y } else { x }
        });
        let steps = |own: [usize; D]| {
            from_fn(|axis| {
                let step: usize = own[axis + 1..].iter().product();
                if own[axis] == 1 { 0 } else { step }
            })
        };
        Self {
            shape,
            x: steps(x),
            y: steps(y),
        }
    }

    /// Calls `visit` with the places of output, x and y at the start of each row of the last axis.
    fn rows(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let last = D - 1;
        let rows: usize = self.shape[..last].iter().product();
        for row in 0..rows {
            let (mut rest, mut x, mut y) = (row, 0, 0);
            for axis in (0..last).rev() {
                let at = rest % self.shape[axis];
                rest /= self.shape[axis];
                x += at * self.x[axis];
                y += at * self.y[axis];
            }
            visit(row * self.shape[last], x, y);
        }
    }

    /// Calls `visit` with each number of `out`, and those of x and y that it belongs to.
    fn each<'a>(
        &self,
        out: &'a mut [f32],
        x: &'a [f32],
        y: &'a [f32],
        visit: impl Fn(&'a mut f32, f32, f32),
    ) {
        let (length, step_x, step_y) = (self.shape[D - 1], self.x[D - 1], self.y[D - 1]);
        let mut rest = out;
        vectorised(
            #[inline(always)]
            || {
                self.rows(|_, i, j| {
                    let (row, after) = take(&mut rest).split_at_mut(length);
                    rest = after;
                    match (step_x, step_y) {
                        (1, 1) => {
                            let pairs = x[i..i + length].iter().zip(&y[j..j + length]);
                            row.iter_mut()
                                .zip(pairs)
                                .for_each(|(out, (&x, &y))| visit(out, x, y));
                        }
                        (1, _) => {
                            let pairs = row.iter_mut().zip(&x[i..i + length]);
                            pairs.for_each(|(out, &x)| visit(out, x, y[j]));
                        }
                        (_, 1) => {
                            let pairs = row.iter_mut().zip(&y[j..j + length]);
                            pairs.for_each(|(out, &y)| visit(out, x[i], y));
                        }
                        _ => row.iter_mut().for_each(|out| visit(out, x[i], y[j])),
                    }
                });
            },
        );
    }
}

/// A function of pairs of numbers on the CPU; `by_x` and `by_y` are the gradients of its operands
/// at (g, x, y), where the gradient of the output is g.
fn binary<const D: usize>(
    x: Tensor<D>,
    y: Tensor<D>,
    function: impl Fn(f32, f32) -> f32,
    by_x: impl Fn(f32, f32, f32) -> f32 + Send + Sync + 'static,
    by_y: impl Fn(f32, f32, f32) -> f32 + Send + Sync + 'static,
) -> Tensor<D> {
    let steps = Steps::new(x.shape, y.shape);
    let ((x, x_node), (y, y_node)) = (x.into_cpu(), y.into_cpu());
    let mut values = pool::any(steps.shape.iter().product());
    steps.each(&mut values, &x, &y, |out, x, y| *out = function(x, y));
    let is_tracked = x_node.is_some() || y_node.is_some();
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        let mut give = |node: &Arc<Node>, steps_of: [usize; D], slopes: Vec<f32>| {
            let sum = gradients.sum(node);
            if sum.len() == slopes.len() {
                vectorised(
                    #[inline(always)]
                    || {
                        sum.iter_mut()
                            .zip(&slopes)
                            .for_each(|(sum, slope)| *sum += slope)
                    },
                );
            } else {
                // Each number of the operand takes the gradients of all pairs that it is in.
                let (length, step) = (steps.shape[D - 1], steps_of[D - 1]);
                let of_operand = Steps {
                    x: steps_of,
                    ..steps
                };
                of_operand.rows(|at, i, _| {
                    let row = &slopes[at..at + length];
                    if step == 1 {
                        let sum = &mut sum[i..i + length];
                        sum.iter_mut()
                            .zip(row)
                            .for_each(|(sum, slope)| *sum += slope);
                    } else {
                        sum[i] += lanes::sum(row, |slope| slope);
                    }
                });
            }
            pool::recycle(slopes);
        };
        let copy = |gradient: &Vec<f32>| {
            let mut copy = pool::any(gradient.len());
            copy.copy_from_slice(gradient);
            copy
        };
        if let Some(node) = &x_node {
            let mut slopes = copy(gradient);
            steps.each(&mut slopes, &x, &y, |g, x, y| *g = by_x(*g, x, y));
            give(node, steps.x, slopes);
        }
        if let Some(node) = &y_node {
            let mut slopes = take(gradient);
            steps.each(&mut slopes, &x, &y, |g, x, y| *g = by_y(*g, x, y));
            give(node, steps.y, slopes);
        }
    };
    Tensor::output(values, steps.shape, is_tracked, backward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    fn tensor(values: &[f32], shape: [usize; 2]) -> Tensor<2> {
        Tensor::new(values.to_vec(), shape, &Device::cpu())
    }

    #[test]
    fn test_an_axis_of_length_1_stands_for_any() {
        let rows = tensor(&[1.0, 2.0, 3.0], [1, 3]).tracked();
        let columns = tensor(&[10.0, 20.0], [2, 1]).tracked();
        let sum = rows.clone() + columns.clone();
        assert_eq!(sum.dims(), [2, 3]);
        assert_eq!(
            sum.clone().into_values(),
            [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]
        );
        let weights = tensor(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0], [2, 3]);
        let gradients = (sum * weights).sum().backward();
        assert_eq!(gradients.of(&rows), [9.0, 18.0, 36.0]);
        assert_eq!(gradients.of(&columns), [7.0, 56.0]);
    }

    #[test]
    fn test_gradients_of_products_and_quotients() {
        let x = tensor(&[3.0, 5.0], [1, 2]).tracked();
        let y = tensor(&[2.0, 4.0], [1, 2]).tracked();
        let gradients = (x.clone() * y.clone() - x.clone() / y.clone())
            .sum()
            .backward();
        assert_eq!(gradients.of(&x), [1.5, 3.75]);
        assert_eq!(gradients.of(&y), [3.75, 5.3125]);
        let gradients = ((x.clone() - 1.0) * 3.0 / 2.0).sum().backward();
        assert_eq!(gradients.of(&x), [1.5, 1.5]);
    }

    #[test]
    fn test_a_sum_leaves_its_operands_alone() {
        let x = tensor(&[1.0, 2.0], [1, 2]);
        let twice = x.clone() + x.clone();
        assert_eq!(twice.into_values(), [2.0, 4.0]);
        assert_eq!(x.into_values(), [1.0, 2.0]);
    }
}
