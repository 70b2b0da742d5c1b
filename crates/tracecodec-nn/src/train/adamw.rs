//! AdamW (Loshchilov and Hutter 2019) over one flat weight vector, with the gradient clipped by its global norm.

/// Rates of the optimiser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamW {
    /// Decay rates of the two moments.
    pub(crate) betas: (f32, f32),
    /// Added to the root of the second moment.
    pub(crate) epsilon: f32,
    /// Decoupled weight decay.
    pub(crate) weight_decay: f32,
}

/// Running moments of the gradient.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Moments {
    /// No gradient seen yet.
    pub(crate) fn new(weights: usize) -> Self {
        Self {
            first: vec![0.0; weights],
            second: vec![0.0; weights],
            steps: 0,
        }
    }

    /// Moments after so many steps.
    pub(crate) fn of(first: Vec<f32>, second: Vec<f32>, steps: u64) -> Self {
        Self {
            first,
            second,
            steps: i32::try_from(steps).unwrap_or(i32::MAX),
        }
    }

    /// The first and the second moment.
    pub(crate) fn parts(&self) -> (&[f32], &[f32]) {
        (&self.first, &self.second)
    }
}

impl AdamW {
    /// Moves the weights one step against the gradient.
    pub(crate) fn step(
        &self,
        moments: &mut Moments,
        weights: &mut [f32],
        gradient: &[f32],
        rate: f32,
    ) {
        moments.steps += 1;
        let (beta_1, beta_2) = self.betas;
        let correction_1 = 1.0 - beta_1.powi(moments.steps);
        let correction_2 = (1.0 - beta_2.powi(moments.steps)).sqrt();
        let decay = 1.0 - rate * self.weight_decay;
        let rate = rate / correction_1;
        let moment = moments.first.iter_mut().zip(&mut moments.second);
        for ((weight, &g), (first, second)) in weights.iter_mut().zip(gradient).zip(moment) {
            *first = beta_1 * *first + (1.0 - beta_1) * g;
            *second = beta_2 * *second + (1.0 - beta_2) * g * g;
            *weight =
                decay * *weight - rate * *first / (second.sqrt() / correction_2 + self.epsilon);
        }
    }
}

/// Scales a gradient down to this norm where it is longer, and returns the norm it had.
pub(crate) fn clip(gradient: &mut [f32], norm: f32) -> f32 {
    // Partial sums in f32 lanes, joined in f64: fast, and the same on every run.
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

    #[test]
    fn test_clip_keeps_the_direction() {
        let mut gradient = [3.0, 4.0];
        assert_eq!(clip(&mut gradient, 1.0), 5.0);
        assert_eq!(gradient, [0.6, 0.8]);
        assert_eq!(clip(&mut gradient, 2.0), 1.0);
        assert_eq!(gradient, [0.6, 0.8]);
    }
}
