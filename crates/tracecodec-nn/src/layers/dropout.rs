//! Dropout (Srivastava et al. 2014) with our own random numbers, so that results do not depend on
//! the number of threads.

use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

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
        let Some(rng) = &mut self.rng else { return x };
        let shape = x.dims();
        let mut bytes = vec![0; 2 * shape.iter().product::<usize>()];
        rng.fill_bytes(&mut bytes);
        let limit = (self.rate * 65536.0) as u16;
        let keep = 1.0 / (1.0 - self.rate);
        let draws = bytes.as_chunks::<2>().0.iter().copied();
        let mask: Vec<f32> = draws
            .map(|draw| {
                if u16::from_le_bytes(draw) < limit {
                    0.0
                } else {
                    keep
                }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
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
    use burn::tensor::Device;

    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn test_dropout_keeps_the_mean() {
        let ones = Tensor::<2>::ones([200, 500], &Device::flex());
        let dropped = Dropout::on(0.1, stream(0, Purpose::Batch, 0)).forward(ones.clone());
        let zeros = dropped
            .clone()
            .equal_scalar(0.0)
            .float()
            .mean()
            .into_scalar::<f32>();
        assert!((zeros - 0.1).abs() < 0.005, "{zeros}");
        let mean = dropped.mean().into_scalar::<f32>();
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        let same = Dropout::off().forward(ones.clone());
        assert_eq!(same.into_data(), ones.into_data());
    }
}
