//! The likelihood of classes under many softmaxes side by side.

use std::mem::take;
use std::sync::{Mutex, PoisonError};

use crate::functions::vectorised;
use crate::lanes;
use crate::tape::Gradients;
use crate::tensor::Tensor;

/// Softmaxes side by side in a row of logits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// Classes of each softmax, and the columns that it takes: those beyond the classes are unused.
    segments: Vec<(usize, usize)>,
}

impl Segments {
    /// Softmaxes of so many classes each, one directly after the other.
    pub fn new(classes: &[usize]) -> Self {
        Self::padded(classes.iter().map(|&classes| (classes, classes)).collect())
    }

    /// Softmaxes of so many classes in so many columns each.
    pub fn padded(segments: Vec<(usize, usize)>) -> Self {
        Self { segments }
    }

    /// Number of columns of all softmaxes.
    pub fn width(&self) -> usize {
        self.segments.iter().map(|(_, columns)| columns).sum()
    }

    /// −log p(class) in nats, summed over the softmaxes of all rows with these weights; 1 if there
    /// are none. `logits` is `[rows, columns]`; `classes` and `weights` hold a number for each
    /// softmax of each row. Value and gradient are computed in one walk over the logits.
    ///
    /// # Panics
    /// If a class is beyond those of its softmax.
    pub fn negative_log_likelihood(
        &self,
        logits: Tensor<2>,
        classes: Vec<u32>,
        weights: Option<Vec<f32>>,
    ) -> Tensor<1> {
        let [rows, columns] = logits.shape;
        assert_eq!(columns, self.width(), "columns of all softmaxes");
        assert_eq!(
            classes.len(),
            rows * self.segments.len(),
            "a class for each softmax"
        );
        #[cfg(feature = "gpu")]
        if let Some(logits) = logits.as_gpu() {
            return Tensor::gpu(self.on_gpu(logits, &classes, weights.as_deref()));
        }
        let (data, node) = logits.into_cpu();
        let mut logits = data.into_vec();
        let is_tracked = node.is_some();
        let weights = weights.as_deref();
        let nats = vectorised(
            #[inline(always)]
            || self.walk(&mut logits, &classes, weights, is_tracked),
        );
        // They are scaled in place: there may be thousands to a row, and a loss is walked once.
        let (size, slopes) = (logits.len(), Mutex::new(logits));
        let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
            let Some(node) = &node else { return };
            let mut slopes = take(&mut *slopes.lock().unwrap_or_else(PoisonError::into_inner));
            assert_eq!(slopes.len(), size, "a loss is walked once");
            let factor = gradient[0];
            vectorised(
                #[inline(always)]
                || slopes.iter_mut().for_each(|slope| *slope *= factor),
            );
            gradients.give(node, slopes);
        };
        Tensor::output(vec![nats as f32], [1], is_tracked, backward)
    }

    /// The nats, and the gradient in place of the logits if it is asked for.
    #[inline(always)]
    fn walk(
        &self,
        logits: &mut [f32],
        classes: &[u32],
        weights: Option<&[f32]>,
        has_gradient: bool,
    ) -> f64 {
        let mut sum = 0.0;
        let mut rest = logits;
        let segments = self.segments.iter().cycle().zip(classes).enumerate();
        for (i, (&(count, columns), &class)) in segments {
            let (group, after) = rest.split_at_mut(columns);
            rest = after;
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if weight == 0.0 {
                group.fill(0.0);
                continue;
            }
            let (group, unused) = group.split_at_mut(count);
            unused.fill(0.0);
            let class = class as usize;
            let logit = group[class];
            let (largest, total) = lanes::exponentials(group);
            let target = logit - largest;
            if has_gradient {
                let scale = weight / total;
                group.iter_mut().for_each(|x| *x *= scale);
                group[class] -= weight;
            }
            sum += f64::from(weight) * f64::from(total.ln() - target);
        }
        sum
    }

    #[cfg(feature = "gpu")]
    fn on_gpu(
        &self,
        logits: burn::tensor::Tensor<2>,
        classes: &[u32],
        weights: Option<&[f32]>,
    ) -> burn::tensor::Tensor<1> {
        use burn::tensor::{Int, Tensor as Gpu, TensorData};

        /// Logit of a column that is not used.
        const NEVER: f32 = -1e9;

        let ([rows, columns], device) = (logits.dims(), logits.device());
        let padding: Vec<f32> = self
            .segments
            .iter()
            .flat_map(|&(count, columns)| {
                (0..columns).map(move |column| if column < count { 0.0 } else { NEVER })
            })
            .collect();
        let padding = Gpu::<2>::from_data(TensorData::new(padding, [1, columns]), &device);
        let logits = logits + padding;
        let each = self.segments.len();
        let (mut first, mut column) = (0, 0);
        // Neighbours that are as wide as each other are computed as one.
        let runs = self.segments.chunk_by(|a, b| a.1 == b.1).map(|run| {
            let (heads, size) = (run.len(), run[0].1);
            let part = logits.clone().narrow(1, column, heads * size);
            let part = part.reshape([rows, heads, size]);
            let places =
                (0..rows).flat_map(|row| (first..first + heads).map(move |i| row * each + i));
            let targets: Vec<i32> = places.clone().map(|place| classes[place] as i32).collect();
            let mask: Vec<f32> = places
                .map(|place| weights.map_or(1.0, |weights| weights[place]))
                .collect();
            let shape = [rows, heads, 1];
            let targets = Gpu::<3, Int>::from_data(TensorData::new(targets, shape), &device);
            let mask = Gpu::<3>::from_data(TensorData::new(mask, shape), &device);
            let largest = part.clone().detach().max_dim(2);
            let shifted = part - largest;
            let nats = shifted.clone().exp().sum_dim(2).log() - shifted.gather(2, targets);
            (first, column) = (first + heads, column + heads * size);
            (nats * mask).sum()
        });
        runs.reduce(|a, b| a + b).expect("there are softmaxes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nats(logits: &mut [f32], groups: &[usize], classes: &[u32]) -> f64 {
        Segments::new(groups).walk(logits, classes, None, true)
    }

    #[test]
    fn test_nats_hold_at_extreme_logits() {
        let mut logits = [1e4, -1e4, 0.0, 0.0];
        let sum = nats(&mut logits, &[2, 2], &[1, 0]);
        assert!((sum - 2e4 - 2f64.ln()).abs() < 1e-2, "{sum}");
        assert_eq!(logits, [1.0, -1.0, -0.5, 0.5]);
    }

    #[test]
    fn test_nats_are_not_finite_where_a_logit_is_not() {
        let mut logits = [0.0, f32::NAN];
        assert!(!nats(&mut logits, &[2], &[0]).is_finite());
    }

    #[test]
    fn test_unused_columns_and_softmaxes_without_weight_do_not_count() {
        let segments = Segments::padded(vec![(2, 3), (1, 2)]);
        let mut logits = [0.0, 0.0, 9.0, 5.0, 7.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let weights = [0.5, 1.0, 0.0, 0.0];
        let sum = segments.walk(&mut logits, &[1, 0, 0, 0], Some(&weights), true);
        assert!((sum - 0.5 * 2f64.ln()).abs() < 1e-6, "{sum}");
        assert_eq!(
            logits,
            [0.25, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
    }
}
