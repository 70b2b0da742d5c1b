//! Dropout (Srivastava et al. 2014) with our own random numbers, so that results do not depend on
//! the number of threads.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tracecodec_tensor::Tensor;

/// Dropout; off without random numbers.
pub(crate) struct Dropout<R> {
    /// Share of the values that is set to 0, less than 1.
    rate: f32,
    rng: Option<R>,
}

impl<R: Rng> Dropout<R> {
    /// Dropout in training.
    pub(crate) fn on(rate: f32, rng: R) -> Self {
        Self {
            rate,
            rng: (rate > 0.0).then_some(rng),
        }
    }

    /// Sets a share of `x` to 0, and scales the rest up so that the mean is kept.
    pub(crate) fn forward<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        match self.mask(x.dims().iter().product()) {
            None => x,
            Some(mask) => {
                let mask = Tensor::new(mask, x.dims(), &x.device());
                x * mask
            }
        }
    }

    /// Factors for so many numbers: 0 for a share of them, and what keeps the mean for the rest;
    /// `None` outside training.
    pub(crate) fn mask(&mut self, count: usize) -> Option<Vec<f32>> {
        let rng = self.rng.as_mut()?;
        let mut bytes = vec![0; 2 * count];
        rng.fill_bytes(&mut bytes);
        let limit = (self.rate * 65536.0) as u16;
        let keep = 1.0 / (1.0 - self.rate);
        let draws = bytes.as_chunks::<2>().0.iter();
        let factor = |draw: &[u8; 2]| {
            if u16::from_le_bytes(*draw) < limit {
                0.0
            } else {
                keep
            }
        };
        Some(draws.map(factor).collect())
    }
}

impl Dropout<ChaCha8Rng> {
    /// No dropout: outside training.
    pub(crate) fn off() -> Self {
        Self {
            rate: 0.0,
            rng: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracecodec_tensor::Device;

    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn test_dropout_keeps_the_mean() {
        let ones = Tensor::full(1.0, [200, 500], &Device::cpu());
        let mut dropout = Dropout::on(0.1, stream(0, Purpose::Batch, 0));
        let dropped = dropout.forward(ones.clone()).into_values();
        let zeros = dropped.iter().filter(|x| **x == 0.0).count() as f32 / dropped.len() as f32;
        assert!((zeros - 0.1).abs() < 0.005, "{zeros}");
        let mean = dropped.iter().sum::<f32>() / dropped.len() as f32;
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        let same = Dropout::off().forward(ones.clone());
        assert_eq!(same.into_values(), ones.into_values());
    }
}
