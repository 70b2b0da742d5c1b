//! The exponential moving average (EMA) of the weights, in which the noise of the last steps
//! cancels.

/// An exponential moving average of weights.
#[derive(Debug)]
pub(super) struct Average {
    decay: f64,
    /// Averaged weights.
    pub(super) values: Vec<f32>,
}

impl Average {
    /// An average that starts at these weights.
    pub(super) fn new(decay: f64, weights: &[f32]) -> Self {
        Self {
            decay,
            values: weights.to_vec(),
        }
    }

    /// Adds the weights after step `nth`, counted from 1.
    pub(super) fn add(&mut self, weights: &[f32], nth: u64) {
        let keep = decay_at(self.decay, nth) as f32;
        for (average, weight) in self.values.iter_mut().zip(weights) {
            *average = keep * *average + (1.0 - keep) * weight;
        }
    }
}

/// Decay rate at a step, at most (1 + n) / (10 + n) as in TensorFlow's `ExponentialMovingAverage`:
/// it is lower early on, so that the initial weights are soon forgotten.
fn decay_at(decay: f64, nth: u64) -> f64 {
    let nth = nth as f64;
    decay.min((1.0 + nth) / (10.0 + nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_average_follows_the_weights() {
        let mut average = Average::new(0.5, &[1.0, -1.0]);
        // After the first step 2/11 of the initial weights remain.
        average.add(&[2.0, 10.0], 1);
        let expected = [2.0 / 11.0 + 18.0 / 11.0, -2.0 / 11.0 + 90.0 / 11.0];
        for (value, expected) in average.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
        // From step 8 on, the decay rate is 1/2.
        average.values = vec![4.0, 0.0];
        average.add(&[2.0, 1.0], 8);
        assert_eq!(average.values, [3.0, 0.5]);
    }

    #[test]
    fn test_decay_reaches_its_rate() {
        assert_eq!(decay_at(0.9999, 1), 2.0 / 11.0);
        assert!(decay_at(0.9999, 80_000) < 0.9999);
        assert_eq!(decay_at(0.9999, 100_000), 0.9999);
        assert_eq!(decay_at(0.9, 1_000), 0.9);
    }
}
