//! Adam (Kingma and Ba 2015) over one flat weight vector, with either form of weight decay, and the
//! gradient clipped by its global norm.

use std::ops::Range;

use tracecodec_tensor::{recycle, vectorised};

/// One step of the optimiser.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    /// The weights that move; `None` for all.
    pub(crate) weights: Option<Vec<Range<usize>>>,
    /// Number of the update, counted from 1.
    pub(crate) nth: u64,
    /// Learning rate.
    pub(crate) rate: f32,
    /// Decay rates of the two moments.
    pub(crate) betas: (f32, f32),
    /// Added to the root of the second moment.
    pub(crate) epsilon: f32,
    /// Weight decay.
    pub(crate) decay: Decay,
    /// Largest norm of the gradient of all weights; `None` does not clip.
    pub(crate) clip: Option<f32>,
}

/// Form and strength of the weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decay {
    /// AdamW (Loshchilov and Hutter 2019): subtracts a share of each weight, times the learning
    /// rate.
    Decoupled(f32),
    /// The L2 penalty of PyTorch's Adam: adds a share of each weight to its gradient.
    Coupled(f32),
}

/// Running moments of the gradient.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Moments {
    /// Moments before the first gradient.
    pub(crate) fn new(weights: usize) -> Self {
        Self::of(vec![0.0; weights], vec![0.0; weights])
    }

    /// Moments with these values.
    pub(crate) fn of(first: Vec<f32>, second: Vec<f32>) -> Self {
        Self { first, second }
    }

    /// The first and the second moment.
    pub(crate) fn parts(&self) -> (&[f32], &[f32]) {
        (&self.first, &self.second)
    }
}

impl Update {
    /// Moves the weights against the gradient, on so many threads; the result does not depend on
    /// their number.
    pub(crate) fn apply(
        &self,
        threads: usize,
        moments: &mut Moments,
        weights: &mut [f32],
        mut gradient: Gradient,
    ) {
        let scale = self.clip.map_or(1.0, |norm| gradient.clip(norm));
        let nth = i32::try_from(self.nth).unwrap_or(i32::MAX);
        let (beta_1, beta_2) = self.betas;
        let (correction_1, correction_2) = (1.0 - beta_1.powi(nth), 1.0 - beta_2.powi(nth));
        let (keep, penalty) = match self.decay {
            Decay::Decoupled(share) => (1.0 - self.rate * share, 0.0),
            Decay::Coupled(share) => (1.0, share),
        };
        let step = Step {
            scale,
            keep,
            penalty,
            betas: self.betas,
            rate: self.rate / correction_1,
            correction: 1.0 / correction_2.sqrt(),
            epsilon: self.epsilon,
        };
        let all = 0..weights.len();
        let ranges = self.weights.as_deref();
        for range in ranges.unwrap_or(std::slice::from_ref(&all)) {
            let stripe = stripe(threads, range.len());
            let stripes = weights[range.clone()]
                .chunks_mut(stripe)
                .zip(moments.first[range.clone()].chunks_mut(stripe))
                .zip(moments.second[range.clone()].chunks_mut(stripe))
                .zip(gradient.sum[range.clone()].chunks(stripe));
            each(stripes, |(((weights, first), second), gradient)| {
                vectorised(
                    #[inline(always)]
                    || step.take(weights, first, second, gradient),
                );
            });
        }
        recycle(gradient.sum);
    }
}

/// The numbers of one step of Adam.
struct Step {
    /// Factor of the gradient.
    scale: f32,
    /// Factor of the weights.
    keep: f32,
    /// Share of each weight that is added to its gradient.
    penalty: f32,
    betas: (f32, f32),
    /// Learning rate, corrected for the first moment's start at 0.
    rate: f32,
    /// Correction of the second moment's root.
    correction: f32,
    epsilon: f32,
}

impl Step {
    #[inline(always)]
    fn take(&self, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let (beta_1, beta_2) = self.betas;
        let moments = first.iter_mut().zip(second);
        for ((weight, (first, second)), &g) in weights.iter_mut().zip(moments).zip(gradient) {
            let g = self.scale * g + self.penalty * *weight;
            *first = beta_1 * *first + (1.0 - beta_1) * g;
            *second = beta_2 * *second + (1.0 - beta_2) * g * g;
            let root = second.sqrt() * self.correction + self.epsilon;
            *weight = self.keep * *weight - self.rate * *first / root;
        }
    }
}

/// The gradient of a step.
#[derive(Debug)]
pub(crate) struct Gradient {
    sum: Vec<f32>,
    /// Sums of the squares of each block of [`BLOCK`] numbers.
    squares: Vec<f64>,
}

/// Numbers that are added in `f32`, before the sums are added in `f64`.
const BLOCK: usize = 256;

impl Gradient {
    /// The sum of the gradients of micro-batches, added in order on so many threads; the result
    /// does not depend on their number.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn sum(threads: usize, mut pieces: Vec<Vec<f32>>) -> Self {
        let others = pieces.split_off(1);
        let mut sum = pieces.pop().expect("a step has micro-batches");
        let mut squares = vec![0.0; sum.len().div_ceil(BLOCK)];
        let stripe = stripe(threads, sum.len());
        let stripes = sum
            .chunks_mut(stripe)
            .zip(squares.chunks_mut(stripe / BLOCK));
        each(stripes.enumerate(), |(i, (sum, squares))| {
            let blocks = sum.chunks_mut(BLOCK).zip(squares);
            for (block, (sum, square)) in blocks.enumerate() {
                let start = i * stripe + block * BLOCK;
                for other in &others {
                    let other = &other[start..start + sum.len()];
                    sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
                }
                let (eights, rest) = sum.as_chunks::<8>();
                let mut lanes = [0.0_f32; 8];
                for eight in eights {
                    lanes
                        .iter_mut()
                        .zip(eight)
                        .for_each(|(lane, g)| *lane += g * g);
                }
                let rest = rest.iter().map(|g| g * g);
                *square = f64::from(lanes.into_iter().chain(rest).sum::<f32>());
            }
        });
        others.into_iter().for_each(recycle);
        Self { sum, squares }
    }

    /// The factor that shortens the gradient to this norm; 1 if it is no longer.
    fn clip(&mut self, norm: f32) -> f32 {
        let length = self.squares.iter().sum::<f64>().sqrt() as f32;
        if length > norm { norm / length } else { 1.0 }
    }
}

/// Numbers that each of so many threads takes out of `length`: whole blocks.
fn stripe(threads: usize, length: usize) -> usize {
    length
        .div_ceil(threads.max(1))
        .next_multiple_of(BLOCK)
        .max(BLOCK)
}

/// Works on all stripes at once.
fn each<S: Send>(stripes: impl Iterator<Item = S>, work: impl Fn(S) + Sync) {
    let mut stripes = stripes;
    let own = stripes.next();
    std::thread::scope(|scope| {
        for stripe in stripes {
            scope.spawn(|| work(stripe));
        }
        own.into_iter().for_each(&work);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECOUPLED: [f32; 4] = [0.795_530_3, -0.829_997_5, 0.5, 1.875_494_5];
    const COUPLED: [f32; 4] = [0.811_972_1, -0.844_585_7, 0.5, 1.879_812_1];

    #[test]
    fn test_clip_shortens_long_gradients_alone() {
        let mut gradient = Gradient::sum(1, vec![vec![1.0, 4.5], vec![2.0, -0.5]]);
        assert_eq!(gradient.sum, [3.0, 4.0]);
        assert_eq!(gradient.clip(1.0), 0.2);
        assert_eq!(gradient.clip(6.0), 1.0);
    }

    #[test]
    fn test_steps_do_not_depend_on_the_threads() {
        let wave = |k: usize| {
            (0..1_000)
                .map(|i| ((i * k) as f32).sin())
                .collect::<Vec<f32>>()
        };
        let step = |threads: usize| {
            let mut update = update(Decay::Decoupled(0.1));
            (update.weights, update.clip) = (Some(vec![3..700, 800..1_000]), Some(1.0));
            let (mut moments, mut weights) = (Moments::new(1_000), wave(7));
            let gradient = Gradient::sum(threads, vec![wave(1), wave(2), wave(3)]);
            update.apply(threads, &mut moments, &mut weights, gradient);
            weights
        };
        let one = step(1);
        assert_ne!(one, wave(7));
        for threads in 2..6 {
            assert_eq!(step(threads), one, "{threads} threads");
        }
    }

    fn update(decay: Decay) -> Update {
        Update {
            weights: Some(vec![0..2, 3..4]),
            nth: 1,
            rate: 0.1,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            decay,
            clip: None,
        }
    }

    /// Two steps with gradients (1, -2, 3, 0.5) and (0.3, 0.4, 0.5, -0.6) from weights (1, -1, 0.5,
    /// 2). Expected: torch.optim.AdamW and Adam with lr 0.1 and weight_decay 0.1 on weights 0, 1
    /// and 3.
    #[test]
    fn test_steps_against_torch() {
        for (decay, expected) in [
            (Decay::Decoupled(0.1), DECOUPLED),
            (Decay::Coupled(0.1), COUPLED),
        ] {
            let mut weights = [1.0, -1.0, 0.5, 2.0];
            let mut moments = Moments::new(4);
            let mut step = update(decay);
            let gradient = |numbers: [f32; 4]| Gradient::sum(1, vec![numbers.to_vec()]);
            let first = gradient([1.0, -2.0, 3.0, 0.5]);
            step.apply(1, &mut moments, &mut weights, first);
            step.nth = 2;
            let second = gradient([0.3, 0.4, 0.5, -0.6]);
            step.apply(1, &mut moments, &mut weights, second);
            for (weight, expected) in weights.into_iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-6, "{decay:?} {weights:?}");
            }
        }
    }
}
