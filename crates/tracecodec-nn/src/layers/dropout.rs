//! Dropout (Srivastava et al. 2014) by random numbers of our own, which do not depend on the number of threads.

use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Drops numbers at random, and scales the others up by as much as is lost.
pub(crate) struct Dropout(Option<(u8, ChaCha8Rng)>);

impl Dropout {
    /// Drops nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Drops this share, to a 256th; less than 1.
    pub(crate) fn new(rate: f64, rng: ChaCha8Rng) -> Self {
        match (256.0 * rate).round() as u8 {
            0 => Self::none(),
            dropped => Self(Some((dropped, rng))),
        }
    }

    /// The tensor without what is dropped.
    pub(crate) fn apply<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let Some((dropped, rng)) = &mut self.0 else {
            return x;
        };
        let shape = x.dims();
        let mut bytes = vec![0; shape.iter().product()];
        rng.fill_bytes(&mut bytes);
        let scale = 256.0 / (256.0 - f32::from(*dropped));
        let kept = bytes.iter().map(|byte| match byte < dropped {
            true => 0.0,
            false => scale,
        });
        let mask = TensorData::new(kept.collect::<Vec<f32>>(), shape);
        let mask = Tensor::from_data(mask, &x.device());
        x * mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use burn::tensor::Device;

    #[test]
    fn test_dropout_keeps_the_mean() {
        let ones = || Tensor::<2>::ones([100, 1_000], &Device::flex());
        let mut dropout = Dropout::new(0.25, stream(0, Purpose::Dropout, 0));
        let values: Vec<f32> = dropout.apply(ones()).into_data().try_into_vec().unwrap();
        let dropped = values.iter().filter(|value| **value == 0.0).count();
        assert!(dropped.abs_diff(25_000) < 600, "{dropped}");
        assert!(values.iter().all(|v| *v == 0.0 || *v == 4.0 / 3.0));
        let kept: Vec<f32> = Dropout::none()
            .apply(ones())
            .into_data()
            .try_into_vec()
            .unwrap();
        assert!(kept.iter().all(|value| *value == 1.0));
    }
}
