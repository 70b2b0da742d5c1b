//! Scaled dot-product attention (Vaswani et al. 2017, section 3.2).

use std::sync::Arc;

use crate::functions::vectorised;
use crate::lanes;
use crate::linear::{Matrix, product};
use crate::pool;
use crate::tape::{Gradients, Node};
use crate::tensor::{Data, Tensor};

/// How the rows of queries, keys and values are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Number of sequences that the rows are: tokens attend to those of their sequence.
    pub sequences: usize,
    /// Number of heads; each takes its part of a row's numbers.
    pub heads: usize,
}

/// Attention of packed rows, `[sequences · tokens, 3 width]`: query, key and value side by side.
/// `[sequences · tokens, width]`.
pub fn attention_packed(packed: &Tensor<2>, how: Attention) -> Tensor<2> {
    let [_, wide] = packed.shape;
    let width = wide / 3;
    #[cfg(feature = "gpu")]
    if packed.as_gpu().is_some() {
        let part = |i: usize| packed.clone().narrow(1, i * width, width);
        return attention(&part(0), &part(1), &part(2), how, None);
    }
    let (data, node) = packed.cpu();
    let part = |i: usize| Columns {
        data: data.clone(),
        start: i * width,
        step: wide,
    };
    let operands = Operands::new(
        [part(0), part(1), part(2)],
        [packed.shape[0]; 2],
        width,
        how,
    );
    let (values, shares) = operands.forward(node.is_some(), None);
    let shares = Data::from(shares);
    let (shape, node) = (operands.shape(), node.cloned());
    let is_tracked = node.is_some();
    Tensor::output(values, shape, is_tracked, move |gradient, gradients| {
        let Some(node) = &node else { return };
        let parts = operands.backward(gradient, &shares, None);
        let sums = gradients.sum(node);
        for (row, sum) in sums.chunks_exact_mut(wide).enumerate() {
            for (part, sum) in parts.iter().zip(sum.chunks_exact_mut(width)) {
                let part = &part[row * width..][..width];
                sum.iter_mut().zip(part).for_each(|(sum, g)| *sum += g);
            }
        }
        parts.into_iter().for_each(pool::recycle);
    })
}

/// Attention of queries to keys, whose values are averaged: queries and output are
/// `[sequences · tokens, width]`, keys and values `[sequences · keys, width]`. `dropout` holds a
/// factor for each score, `[sequences, heads, tokens, keys]`.
pub fn attention(
    query: &Tensor<2>,
    key: &Tensor<2>,
    value: &Tensor<2>,
    how: Attention,
    dropout: Option<Vec<f32>>,
) -> Tensor<2> {
    let [rows, width] = query.shape;
    #[cfg(feature = "gpu")]
    if let (Some(query), Some(key), Some(value)) = (query.as_gpu(), key.as_gpu(), value.as_gpu()) {
        return Tensor::gpu(on_gpu([query, key, value], how, dropout));
    }
    let inputs = [query, key, value].map(Tensor::cpu);
    let columns = inputs.map(|(data, _)| Columns {
        data: data.clone(),
        start: 0,
        step: width,
    });
    let nodes: [Option<Arc<Node>>; 3] = inputs.map(|(_, node)| node.cloned());
    let is_tracked = nodes.iter().any(Option::is_some);
    let operands = Operands::new(columns, [rows, key.shape[0]], width, how);
    let (values, shares) = operands.forward(is_tracked, dropout.as_deref());
    let shares = Data::from(shares);
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        let parts = operands.backward(gradient, &shares, dropout.as_deref());
        for (node, part) in nodes.iter().zip(parts) {
            match node {
                Some(node) => gradients.give(node, part),
                None => pool::recycle(part),
            }
        }
    };
    Tensor::output(values, [rows, width], is_tracked, backward)
}

/// Some columns of a matrix.
struct Columns {
    data: Data,
    start: usize,
    step: usize,
}

struct Operands {
    /// Query, key and value.
    columns: [Columns; 3],
    /// Number of queries, and of keys.
    rows: [usize; 2],
    width: usize,
    how: Attention,
}

impl Operands {
    fn new(columns: [Columns; 3], rows: [usize; 2], width: usize, how: Attention) -> Self {
        let rest = rows.map(|rows| rows % how.sequences);
        assert_eq!((rest, width % how.heads), ([0, 0], 0), "{how:?}");
        Self {
            columns,
            rows,
            width,
            how,
        }
    }

    /// Queries of a sequence, and keys.
    fn tokens(&self) -> [usize; 2] {
        self.rows.map(|rows| rows / self.how.sequences)
    }

    /// Shape of the output.
    fn shape(&self) -> [usize; 2] {
        [self.rows[0], self.width]
    }

    /// Width of a head.
    fn d_head(&self) -> usize {
        self.width / self.how.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.d_head() as f32).sqrt()
    }

    /// Sequences and heads, numbered.
    fn heads(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (sequences, heads) = (self.how.sequences, self.how.heads);
        (0..sequences * heads).map(move |i| (i, i / heads, i % heads))
    }

    /// Query, key or value of a head in a sequence.
    fn part(&self, which: usize, sequence: usize, head: usize) -> Matrix<'_> {
        let columns = &self.columns[which];
        let tokens = self.tokens()[usize::from(which > 0)];
        let d_head = self.d_head();
        let start = sequence * tokens * columns.step + columns.start + head * d_head;
        Matrix::with_step(&columns.data[start..], tokens, d_head, columns.step)
    }

    /// Where a head of a sequence begins in a matrix that has so many rows a sequence.
    fn place(&self, tokens: usize, sequence: usize, head: usize) -> usize {
        sequence * tokens * self.width + head * self.d_head()
    }

    /// The output; and, if they are to be kept, each token's shares of the values before dropout,
    /// `[sequences, heads, tokens, keys]`.
    fn forward(&self, keeps: bool, dropout: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let [tokens, keys] = self.tokens();
        let size = tokens * keys;
        let mut values = pool::any(self.rows[0] * self.width);
        let mut shares = pool::any(if keeps {
            self.how.sequences * self.how.heads * size
        } else {
            size
        });
        let mut dropped = pool::any(if dropout.is_some() { size } else { 0 });
        for (i, sequence, head) in self.heads() {
            let at = if keeps { i * size } else { 0 };
            let own = &mut shares[at..at + size];
            let [query, key, value] = [0, 1, 2].map(|which| self.part(which, sequence, head));
            product(self.scale(), query, key.t(), 0.0, own, keys);
            vectorised(
                #[inline(always)]
                || own.chunks_exact_mut(keys).for_each(softmax),
            );
            let factors = match dropout {
                Some(dropout) => {
                    let masks = &dropout[i * size..][..size];
                    let pairs = own.iter().zip(masks);
                    dropped
                        .iter_mut()
                        .zip(pairs)
                        .for_each(|(d, (p, m))| *d = p * m);
                    &dropped[..]
                }
                None => &own[..],
            };
            let place = self.place(tokens, sequence, head);
            let factors = Matrix::new(factors, tokens, keys);
            product(1.0, factors, value, 0.0, &mut values[place..], self.width);
        }
        pool::recycle(dropped);
        (values, shares)
    }

    /// The gradients of query, key and value.
    fn backward(&self, gradient: &[f32], shares: &[f32], dropout: Option<&[f32]>) -> [Vec<f32>; 3] {
        let ([tokens, keys], width) = (self.tokens(), self.width);
        let (size, d_head) = (tokens * keys, self.d_head());
        let [queries, of_keys] = self.rows;
        let mut sums = [queries, of_keys, of_keys].map(|rows| pool::any(rows * width));
        let (mut factors, mut slopes) = (pool::any(size), pool::any(size));
        for (i, sequence, head) in self.heads() {
            let place = self.place(tokens, sequence, head);
            let place_of_key = self.place(keys, sequence, head);
            let of_output = Matrix::with_step(&gradient[place..], tokens, d_head, width);
            let shares = &shares[i * size..][..size];
            let masks = dropout.map(|dropout| &dropout[i * size..][..size]);
            factors.copy_from_slice(shares);
            if let Some(masks) = masks {
                factors.iter_mut().zip(masks).for_each(|(p, m)| *p *= m);
            }
            let [query, key, value] = [0, 1, 2].map(|which| self.part(which, sequence, head));
            let by_value = Matrix::new(&factors, tokens, keys).t();
            product(
                1.0,
                by_value,
                of_output,
                0.0,
                &mut sums[2][place_of_key..],
                width,
            );
            product(1.0, of_output, value.t(), 0.0, &mut slopes, keys);
            if let Some(masks) = masks {
                slopes.iter_mut().zip(masks).for_each(|(g, m)| *g *= m);
            }
            let rows = slopes.chunks_exact_mut(keys).zip(shares.chunks_exact(keys));
            vectorised(
                #[inline(always)]
                || {
                    for (slopes, shares) in rows {
                        let mean = lanes::dot(slopes, shares, |g, p| g * p);
                        let places = slopes.iter_mut().zip(shares);
                        places.for_each(|(g, p)| *g = (*g - mean) * p);
                    }
                },
            );
            let slopes = Matrix::new(&slopes, tokens, keys);
            product(self.scale(), slopes, key, 0.0, &mut sums[0][place..], width);
            product(
                self.scale(),
                slopes.t(),
                query,
                0.0,
                &mut sums[1][place_of_key..],
                width,
            );
        }
        pool::recycle(factors);
        pool::recycle(slopes);
        sums
    }
}

/// Scores to shares that add up to 1.
#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let (_, total) = lanes::exponentials(scores);
    let scale = 1.0 / total;
    scores.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(feature = "gpu")]
fn on_gpu(
    inputs: [burn::tensor::Tensor<2>; 3],
    how: Attention,
    dropout: Option<Vec<f32>>,
) -> burn::tensor::Tensor<2> {
    use burn::tensor::activation::softmax;
    use burn::tensor::{Tensor as Gpu, TensorData};

    let [rows, width] = inputs[0].dims();
    let [keys, _] = inputs[1].dims();
    let device = inputs[0].device();
    let [query, key, value] = inputs.map(|x| {
        let [rows, _] = x.dims();
        let shape = [
            how.sequences,
            rows / how.sequences,
            how.heads,
            width / how.heads,
        ];
        let x: Gpu<4> = x.reshape(shape);
        x.swap_dims(1, 2)
    });
    let d_head = width / how.heads;
    let mut shares = softmax(query.matmul(key.transpose()) / (d_head as f32).sqrt(), 3);
    if let Some(dropout) = dropout {
        let [tokens, keys] = [rows, keys].map(|rows| rows / how.sequences);
        let shape = [how.sequences, how.heads, tokens, keys];
        shares = shares * Gpu::<4>::from_data(TensorData::new(dropout, shape), &device);
    }
    shares.matmul(value).swap_dims(1, 2).reshape([rows, width])
}
