//! Tensors of other shapes with the same numbers: parts, joins, and other orders of the axes.

use std::array::from_fn;

use crate::tape::Gradients;
use crate::tensor::{Data, Tensor, Value};

impl<const D: usize> Tensor<D> {
    /// The same numbers in another shape.
    ///
    /// # Panics
    /// If the shape has another number of values.
    pub fn reshape<const E: usize>(self, shape: [usize; E]) -> Tensor<E> {
        let count: usize = shape.iter().product();
        assert_eq!(self.shape.iter().product::<usize>(), count, "{shape:?}");
        match self.value {
            Value::Cpu { data, node } => Tensor {
                shape,
                value: Value::Cpu { data, node },
            },
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => Tensor::gpu(tensor.reshape(shape)),
        }
    }

    /// A part of an axis: `length` places from `start` on.
    pub fn narrow(self, axis: usize, start: usize, length: usize) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.narrow(axis, start, length));
        }
        let mut shape = self.shape;
        let whole = std::mem::replace(&mut shape[axis], length);
        assert!(start + length <= whole, "axis {axis} has {whole} places");
        let inner: usize = shape[axis + 1..].iter().product();
        let (data, node) = self.into_cpu();
        let (stride, offset, count) = (whole * inner, start * inner, length * inner);
        let part: Data = if data.len() == stride {
            data.part(offset..offset + count)
        } else {
            let blocks = data.chunks_exact(stride.max(1));
            let parts = blocks.flat_map(|block| block[offset..offset + count].iter().copied());
            parts.collect::<Vec<f32>>().into()
        };
        Self::shared(part, shape, node.is_some(), move |gradient, gradients| {
            let Some(node) = &node else { return };
            let blocks = gradients.sum(node).chunks_exact_mut(stride);
            for (block, gradient) in blocks.zip(gradient.chunks_exact(count)) {
                let part = &mut block[offset..offset + count];
                part.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
            }
        })
    }

    /// Tensors one after the other along an axis.
    ///
    /// # Panics
    /// If there are none.
    pub fn cat(tensors: Vec<Self>, axis: usize) -> Self {
        #[cfg(feature = "gpu")]
        if tensors[0].as_gpu().is_some() {
            let tensors = tensors.iter().filter_map(Self::as_gpu).collect();
            return Self::gpu(burn::tensor::Tensor::cat(tensors, axis));
        }
        let mut shape = tensors[0].shape;
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        shape[axis] = tensors.iter().map(|tensor| tensor.shape[axis]).sum();
        let (widths, parts): (Vec<usize>, Vec<_>) = tensors
            .into_iter()
            .map(|tensor| (tensor.shape[axis] * inner, tensor.into_cpu()))
            .unzip();
        let mut values = Vec::with_capacity(shape.iter().product());
        for block in 0..outer {
            for (width, (data, _)) in widths.iter().zip(&parts) {
                values.extend_from_slice(&data[block * width..(block + 1) * width]);
            }
        }
        let nodes: Vec<_> = parts.into_iter().map(|(_, node)| node).collect();
        let is_tracked = nodes.iter().any(Option::is_some);
        let whole: usize = widths.iter().sum();
        let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
            let mut start = 0;
            for (width, node) in widths.iter().zip(&nodes) {
                if let Some(node) = node {
                    let rows = gradient.chunks_exact(whole);
                    let part = rows.flat_map(|row| row[start..start + width].iter().copied());
                    gradients.give(node, part.collect());
                }
                start += width;
            }
        };
        Self::output(values, shape, is_tracked, backward)
    }

    /// The same numbers with two axes exchanged.
    pub fn swap_axes(self, first: usize, second: usize) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.swap_dims(first, second));
        }
        let from = self.shape;
        let mut shape = from;
        shape.swap(first, second);
        let (data, node) = self.into_cpu();
        let values = swapped(&data, from, first, second);
        Self::output(values, shape, node.is_some(), move |gradient, gradients| {
            if let Some(node) = &node {
                gradients.give(node, swapped(gradient, shape, first, second));
            }
        })
    }

    /// The same numbers with the last two axes exchanged.
    pub fn transpose(self) -> Self {
        self.swap_axes(D - 2, D - 1)
    }
}

/// Numbers of this shape, in the order that they have with two axes exchanged.
fn swapped<const D: usize>(
    values: &[f32],
    shape: [usize; D],
    first: usize,
    second: usize,
) -> Vec<f32> {
    let strides: [usize; D] = from_fn(|axis| shape[axis + 1..].iter().product());
    let (mut to, mut steps) = (shape, strides);
    to.swap(first, second);
    steps.swap(first, second);
    let mut out = Vec::with_capacity(values.len());
    let (length, step) = (to[D - 1], steps[D - 1]);
    let rows: usize = to[..D - 1].iter().product();
    for row in 0..rows {
        let (mut rest, mut from) = (row, 0);
        for axis in (0..D - 1).rev() {
            from += rest % to[axis] * steps[axis];
            rest /= to[axis];
        }
        if step == 1 {
            out.extend_from_slice(&values[from..from + length]);
        } else {
            out.extend((0..length).map(|i| values[from + i * step]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    fn counting<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| i as f32).collect();
        Tensor::new(values, shape, &Device::cpu()).tracked()
    }

    /// The gradient of the sum of each output times its place.
    fn pulled<const D: usize, const E: usize>(leaf: &Tensor<D>, output: Tensor<E>) -> Vec<f32> {
        let places = counting(output.dims()).detach();
        (output * places).sum().backward().of(leaf)
    }

    #[test]
    fn test_narrow_is_a_part_of_each_axis() {
        let x = counting([2, 3, 2]);
        let part = x.clone().narrow(1, 1, 2);
        assert_eq!(part.dims(), [2, 2, 2]);
        assert_eq!(
            part.clone().into_values(),
            [2.0, 3.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0]
        );
        let gradient = pulled(&x, part);
        assert_eq!(
            gradient,
            [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 4.0, 5.0, 6.0, 7.0]
        );
        let first = x.clone().narrow(0, 1, 1);
        assert_eq!(first.into_values(), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn test_cat_undoes_narrow() {
        let x = counting([2, 3, 2]);
        for axis in 0..3 {
            let first = x.clone().narrow(axis, 0, 1);
            let rest = x.clone().narrow(axis, 1, x.dims()[axis] - 1);
            let both = Tensor::cat(vec![first, rest], axis);
            assert_eq!(both.clone().into_values(), x.clone().into_values());
            assert_eq!(pulled(&x, both), x.clone().into_values());
        }
    }

    #[test]
    fn test_exchanged_axes() {
        let x = counting([2, 3]);
        let y = x.clone().transpose();
        assert_eq!(y.dims(), [3, 2]);
        assert_eq!(y.clone().into_values(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(pulled(&x, y), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        let x = counting([2, 3, 4]);
        let there = x.clone().swap_axes(0, 2);
        assert_eq!(there.dims(), [4, 3, 2]);
        assert_eq!(there.swap_axes(2, 0).into_values(), x.into_values());
    }
}
