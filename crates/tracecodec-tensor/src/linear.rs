//! Products of matrices, and the linear layer.

use std::sync::Arc;

use gemmkit::{Activation, Bias, MatMut, MatRef, Parallelism, gemm, gemm_fused};

use crate::functions::vectorised;
use crate::pool;
use crate::tape::{Gradients, Node};
use crate::tensor::{Data, Tensor};

/// A matrix within a slice: rows, columns, and the steps from row to row and from column to column.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix that fills the slice, row by row.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_step(values, rows, columns, columns)
    }

    /// A matrix whose rows begin `row` places apart.
    pub(crate) fn with_step(values: &'a [f32], rows: usize, columns: usize, row: usize) -> Self {
        Self {
            values,
            rows,
            columns,
            row,
            column: 1,
        }
    }

    /// The transposed matrix.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row: self.column,
            column: self.row,
            ..self
        }
    }

    fn view(self) -> MatRef<'a, f32> {
        let (row, column) = (self.row as isize, self.column as isize);
        MatRef::new(self.values, self.rows, self.columns, row, column)
    }
}

/// Writes `scale · a · b + keep · out` over `out`, whose rows begin `step` places apart. With
/// `keep` 0 it does not matter what `out` holds.
pub(crate) fn product(
    scale: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    keep: f32,
    out: &mut [f32],
    step: usize,
) {
    let out = MatMut::new(out, a.rows, b.columns, step as isize, 1);
    gemm(scale, a.view(), b.view(), keep, out, Parallelism::Serial);
}

/// The sum of each column is added to `sums`.
pub(crate) fn add_column_sums(values: &[f32], sums: &mut [f32]) {
    let rows = values.chunks_exact(sums.len());
    vectorised(
        #[inline(always)]
        || rows.for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x)),
    );
}

/// The linear layer `x w + b`: `[rows, inputs]` to `[rows, outputs]`.
pub fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let (Some(x), Some(weight)) = (x.as_gpu(), weight.as_gpu()) {
        return Tensor::gpu(burn::tensor::module::linear(x, weight, bias.as_gpu()));
    }
    layer(x, weight, bias, false)
}

/// A linear layer and a rectifier, `max(x w + b, 0)`: `[rows, inputs]` to `[rows, outputs]`.
pub fn linear_relu(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if x.as_gpu().is_some() {
        return linear(x, weight, bias).relu();
    }
    layer(x, weight, bias, true)
}

/// The operands of a linear layer.
struct Operands {
    x: Data,
    weight: Data,
    nodes: [Option<Arc<Node>>; 3],
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Operands {
    /// Gives the operands their gradients, given that of the output.
    fn pull(&self, gradient: &[f32], gradients: &mut Gradients) {
        let (rows, inputs, outputs) = (self.rows, self.inputs, self.outputs);
        let gradient_matrix = Matrix::new(gradient, rows, outputs);
        let [x, weight, bias] = &self.nodes;
        if let Some(node) = x {
            let weight = Matrix::new(&self.weight, inputs, outputs).t();
            let (sum, keep) = gradients.sum_or_fresh(node);
            product(1.0, gradient_matrix, weight, keep, sum, inputs);
        }
        if let Some(node) = weight {
            let x = Matrix::new(&self.x, rows, inputs).t();
            let (sum, keep) = gradients.sum_or_fresh(node);
            product(1.0, x, gradient_matrix, keep, sum, outputs);
        }
        if let Some(node) = bias {
            add_column_sums(gradient, gradients.sum(node));
        }
    }
}

fn layer(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>, is_rectified: bool) -> Tensor<2> {
    let ([rows, inputs], [_, outputs]) = (x.shape, weight.shape);
    let (x, weight, bias) = (x.cpu(), weight.cpu(), bias.cpu());
    let mut values = pool::any(rows * outputs);
    gemm_fused(
        1.0,
        Matrix::new(x.0, rows, inputs).view(),
        Matrix::new(weight.0, inputs, outputs).view(),
        0.0,
        MatMut::from_row_major(&mut values, rows, outputs),
        Some(Bias::PerCol(bias.0)),
        is_rectified.then_some(Activation::Relu),
        Parallelism::Serial,
    );
    let nodes = [x.1, weight.1, bias.1].map(|node| node.cloned());
    if nodes.iter().all(Option::is_none) {
        return Tensor::of(values, [rows, outputs], None);
    }
    let operands = Operands {
        x: x.0.clone(),
        weight: weight.0.clone(),
        nodes,
        rows,
        inputs,
        outputs,
    };
    let output: Data = values.into();
    let rectified = is_rectified.then(|| output.clone());
    Tensor::shared(output, [rows, outputs], true, move |gradient, gradients| {
        if let Some(rectified) = &rectified {
            let places = gradient.iter_mut().zip(rectified.iter());
            vectorised(
                #[inline(always)]
                || places.for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 }),
            );
        }
        operands.pull(gradient, gradients);
    })
}

impl Tensor<2> {
    /// The product of two matrices, `[rows, inner]` and `[inner, columns]`.
    pub fn matmul(self, other: Self) -> Self {
        let ([rows, inner], [_, columns]) = (self.shape, other.shape);
        let product = self
            .reshape([1, rows, inner])
            .matmul(other.reshape([1, inner, columns]));
        product.reshape([rows, columns])
    }
}

impl Tensor<3> {
    /// The products of as many pairs of matrices, `[pairs, rows, inner]` and
    /// `[pairs, inner, columns]`.
    pub fn matmul(self, other: Self) -> Self {
        #[cfg(feature = "gpu")]
        if let (Some(x), Some(y)) = (self.as_gpu(), other.as_gpu()) {
            return Self::gpu(x.matmul(y));
        }
        let ([pairs, rows, inner], [_, _, columns]) = (self.shape, other.shape);
        assert_eq!(
            [pairs, inner],
            [other.shape[0], other.shape[1]],
            "pairs, inner"
        );
        let ((x, x_node), (y, y_node)) = (self.into_cpu(), other.into_cpu());
        let mut values = pool::any(pairs * rows * columns);
        let (of_x, of_y, of_out) = (rows * inner, inner * columns, rows * columns);
        for (pair, out) in values.chunks_exact_mut(of_out.max(1)).enumerate() {
            let x = Matrix::new(&x[pair * of_x..][..of_x], rows, inner);
            let y = Matrix::new(&y[pair * of_y..][..of_y], inner, columns);
            product(1.0, x, y, 0.0, out, columns);
        }
        let is_tracked = x_node.is_some() || y_node.is_some();
        let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
            let gradient = |pair| Matrix::new(&gradient[pair * of_out..][..of_out], rows, columns);
            if let Some(node) = &x_node {
                let (sums, keep) = gradients.sum_or_fresh(node);
                for (pair, sum) in sums.chunks_exact_mut(of_x).enumerate() {
                    let y = Matrix::new(&y[pair * of_y..][..of_y], inner, columns);
                    product(1.0, gradient(pair), y.t(), keep, sum, inner);
                }
            }
            if let Some(node) = &y_node {
                let (sums, keep) = gradients.sum_or_fresh(node);
                for (pair, sum) in sums.chunks_exact_mut(of_y).enumerate() {
                    let x = Matrix::new(&x[pair * of_x..][..of_x], rows, inner);
                    product(1.0, x.t(), gradient(pair), keep, sum, columns);
                }
            }
        };
        Self::output(values, [pairs, rows, columns], is_tracked, backward)
    }
}
