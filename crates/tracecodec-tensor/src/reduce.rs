//! Sums and means.

use crate::tape::Gradients;
use crate::tensor::Tensor;

impl<const D: usize> Tensor<D> {
    /// The sum of all numbers.
    pub fn sum(self) -> Tensor<1> {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Tensor::gpu(x.sum());
        }
        let (data, node) = self.into_cpu();
        // Partial sums keep the error small, and let the processor add in parallel.
        let sum: f32 = data.chunks(256).map(|part| part.iter().sum::<f32>()).sum();
        let size = data.len();
        Tensor::output(
            vec![sum],
            [1],
            node.is_some(),
            move |gradient, gradients| {
                if let Some(node) = &node {
                    gradients.give(node, vec![gradient[0]; size]);
                }
            },
        )
    }

    /// The mean of all numbers.
    pub fn mean(self) -> Tensor<1> {
        let count: usize = self.shape.iter().product();
        self.sum() / count as f64
    }

    /// The sums along an axis, which then has length 1.
    pub fn sum_axis(self, axis: usize) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.sum_dim(axis));
        }
        let mut shape = self.shape;
        let length = std::mem::replace(&mut shape[axis], 1);
        let inner: usize = shape[axis + 1..].iter().product();
        let (data, node) = self.into_cpu();
        let mut sums = vec![0.0; shape.iter().product()];
        let outer = data.chunks_exact((length * inner).max(1));
        for (block, sums) in outer.zip(sums.chunks_exact_mut(inner.max(1))) {
            for row in block.chunks_exact(inner) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
        let is_tracked = node.is_some();
        let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
            let Some(node) = &node else { return };
            let rows = gradient.chunks_exact(inner);
            let spread = rows.flat_map(|row| std::iter::repeat_n(row, length).flatten().copied());
            gradients.give(node, spread.collect());
        };
        Self::output(sums, shape, is_tracked, backward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn test_sums_along_each_axis() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let x = Tensor::new(values.clone(), [2, 3, 4], &Device::cpu()).tracked();
        for axis in 0..3 {
            let sums = x.clone().sum_axis(axis);
            let mut shape = [2, 3, 4];
            shape[axis] = 1;
            assert_eq!(sums.dims(), shape);
            let sums = sums.into_values();
            for (at, found) in sums.iter().enumerate() {
                let inner: usize = shape[axis + 1..].iter().product();
                let length = [2, 3, 4][axis];
                let expected: f32 = (0..length)
                    .map(|i| values[(at / inner * length + i) * inner + at % inner])
                    .sum();
                assert_eq!(*found, expected);
            }
        }
        let weighted = x.clone().sum_axis(1).square().sum().backward().of(&x);
        let sums = x.clone().sum_axis(1).into_values();
        for (at, gradient) in weighted.iter().enumerate() {
            assert_eq!(*gradient, 2.0 * sums[at / 12 * 4 + at % 4]);
        }
        assert_eq!(x.mean().scalar(), 11.5);
    }
}
