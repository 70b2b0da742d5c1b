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
    let operands = Operands::new([part(0), part(1), part(2)], packed.shape[0], width, how);
    let (values, shares) = operands.forward(node.is_some(), None);
    let shares = Data::from(shares);
    let (shape, node) = ([operands.rows, width], node.cloned());
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

/// Attention of queries to keys, whose values are averaged: `[sequences · tokens, width]` each, as
/// is the output. `dropout` holds a factor for each score, `[sequences, heads, tokens, tokens]`.
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
    let operands = Operands::new(columns, rows, width, how);
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
    rows: usize,
    width: usize,
    how: Attention,
}

impl Operands {
    fn new(columns: [Columns; 3], rows: usize, width: usize, how: Attention) -> Self {
        assert_eq!((rows % how.sequences, width % how.heads), (0, 0), "{how:?}");
        Self {
            columns,
            rows,
            width,
            how,
        }
    }

    /// Tokens of a sequence.
    fn tokens(&self) -> usize {
        self.rows / self.how.sequences
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
        let (tokens, d_head) = (self.tokens(), self.d_head());
        let start = sequence * tokens * columns.step + columns.start + head * d_head;
        Matrix::with_step(&columns.data[start..], tokens, d_head, columns.step)
    }

    /// Where a head of a sequence begins in a matrix of the output's shape.
    fn place(&self, sequence: usize, head: usize) -> usize {
        sequence * self.tokens() * self.width + head * self.d_head()
    }

    /// The output; and, if they are to be kept, each token's shares of the values before dropout,
    /// `[sequences, heads, tokens, tokens]`.
    fn forward(&self, keeps: bool, dropout: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let tokens = self.tokens();
        let size = tokens * tokens;
        let mut values = pool::any(self.rows * self.width);
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
            product(self.scale(), query, key.t(), 0.0, own, tokens);
            vectorised(
                #[inline(always)]
                || own.chunks_exact_mut(tokens).for_each(softmax),
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
            let place = self.place(sequence, head);
            let factors = Matrix::new(factors, tokens, tokens);
            product(1.0, factors, value, 0.0, &mut values[place..], self.width);
        }
        pool::recycle(dropped);
        (values, shares)
    }

    /// The gradients of query, key and value, each of the output's shape.
    fn backward(&self, gradient: &[f32], shares: &[f32], dropout: Option<&[f32]>) -> [Vec<f32>; 3] {
        let (tokens, width, d_head) = (self.tokens(), self.width, self.d_head());
        let size = tokens * tokens;
        let mut sums = [(); 3].map(|()| pool::any(self.rows * width));
        let (mut factors, mut slopes) = (pool::any(size), pool::any(size));
        for (i, sequence, head) in self.heads() {
            let place = self.place(sequence, head);
            let of_output = Matrix::with_step(&gradient[place..], tokens, d_head, width);
            let shares = &shares[i * size..][..size];
            let masks = dropout.map(|dropout| &dropout[i * size..][..size]);
            factors.copy_from_slice(shares);
            if let Some(masks) = masks {
                factors.iter_mut().zip(masks).for_each(|(p, m)| *p *= m);
            }
            let [query, key, value] = [0, 1, 2].map(|which| self.part(which, sequence, head));
            let by_value = Matrix::new(&factors, tokens, tokens).t();
            product(1.0, by_value, of_output, 0.0, &mut sums[2][place..], width);
            product(1.0, of_output, value.t(), 0.0, &mut slopes, tokens);
            if let Some(masks) = masks {
                slopes.iter_mut().zip(masks).for_each(|(g, m)| *g *= m);
            }
            let rows = slopes
                .chunks_exact_mut(tokens)
                .zip(shares.chunks_exact(tokens));
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
            let slopes = Matrix::new(&slopes, tokens, tokens);
            product(self.scale(), slopes, key, 0.0, &mut sums[0][place..], width);
            product(
                self.scale(),
                slopes.t(),
                query,
                0.0,
                &mut sums[1][place..],
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
    let (tokens, d_head) = (rows / how.sequences, width / how.heads);
    let device = inputs[0].device();
    let [query, key, value] = inputs.map(|x| {
        let x: Gpu<4> = x.reshape([how.sequences, tokens, how.heads, d_head]);
        x.swap_dims(1, 2)
    });
    let mut shares = softmax(query.matmul(key.transpose()) / (d_head as f32).sqrt(), 3);
    if let Some(dropout) = dropout {
        let shape = [how.sequences, how.heads, tokens, tokens];
        shares = shares * Gpu::<4>::from_data(TensorData::new(dropout, shape), &device);
    }
    shares.matmul(value).swap_dims(1, 2).reshape([rows, width])
}
