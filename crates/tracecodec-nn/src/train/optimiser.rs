//! Adam (Kingma and Ba 2015) over one flat weight vector, with either form of weight decay, and the
//! gradient clipped by its global norm.

use std::ops::Range;

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
    /// Moves the weights against the gradient.
    pub(crate) fn apply(&self, moments: &mut Moments, weights: &mut [f32], gradient: &mut [f32]) {
        if let Some(norm) = self.clip {
            clip(gradient, norm);
        }
        let nth = i32::try_from(self.nth).unwrap_or(i32::MAX);
        let (beta_1, beta_2) = self.betas;
        let correction_1 = 1.0 - beta_1.powi(nth);
        let correction_2 = (1.0 - beta_2.powi(nth)).sqrt();
        let (keep, penalty) = match self.decay {
            Decay::Decoupled(share) => (1.0 - self.rate * share, 0.0),
            Decay::Coupled(share) => (1.0, share),
        };
        let rate = self.rate / correction_1;
        let all = 0..weights.len();
        let ranges = self.weights.as_deref();
        for range in ranges.unwrap_or(std::slice::from_ref(&all)) {
            let weights = &mut weights[range.clone()];
            let moment = moments.first[range.clone()]
                .iter_mut()
                .zip(&mut moments.second[range.clone()]);
            for ((weight, &g), (first, second)) in
                weights.iter_mut().zip(&gradient[range.clone()]).zip(moment)
            {
                let g = g + penalty * *weight;
                *first = beta_1 * *first + (1.0 - beta_1) * g;
                *second = beta_2 * *second + (1.0 - beta_2) * g * g;
                *weight =
                    keep * *weight - rate * *first / (second.sqrt() / correction_2 + self.epsilon);
            }
        }
    }
}

/// If a gradient is longer than this norm, scales it down to the norm; returns the norm before.
fn clip(gradient: &mut [f32], norm: f32) -> f32 {
    // Partial sums in f32 lanes, added in f64: fast, and the same on every run.
    let squares: f64 = gradient
        .chunks(256)
        .map(|chunk| f64::from(chunk.iter().map(|g| g * g).sum::<f32>()))
        .sum();
    let length = squares.sqrt() as f32;
    if length > norm {
        let scale = norm / length;
        gradient.iter_mut().for_each(|g| *g *= scale);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECOUPLED: [f32; 4] = [0.795_530_3, -0.829_997_5, 0.5, 1.875_494_5];
    const COUPLED: [f32; 4] = [0.811_972_1, -0.844_585_7, 0.5, 1.879_812_1];

    #[test]
    fn test_clip_keeps_the_direction() {
        let mut gradient = [3.0, 4.0];
        assert_eq!(clip(&mut gradient, 1.0), 5.0);
        assert_eq!(gradient, [0.6, 0.8]);
        assert_eq!(clip(&mut gradient, 2.0), 1.0);
        assert_eq!(gradient, [0.6, 0.8]);
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
            step.apply(&mut moments, &mut weights, &mut [1.0, -2.0, 3.0, 0.5]);
            step.nth = 2;
            step.apply(&mut moments, &mut weights, &mut [0.3, 0.4, 0.5, -0.6]);
            for (weight, expected) in weights.into_iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-6, "{decay:?} {weights:?}");
            }
        }
    }
}
