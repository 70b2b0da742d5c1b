//! Standardisation of a column to mean 0 and deviation 1, the encoding of GOGGLE (Liu et al., ICLR
//! 2023).

use serde::{Deserialize, Serialize};

/// Numbers in deviations from the mean, as in scikit-learn's `StandardScaler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standardizer {
    /// Mean of the column; 0 without values.
    mean: f64,
    /// Population deviation of the column; 1 if no value differs from the mean by more than
    /// rounding.
    deviation: f64,
}

impl Standardizer {
    /// Whether mean and deviation can standardise; those of a damaged file may be unable to.
    pub(crate) fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.deviation > 0.0
    }

    /// Mean and deviation of finite values.
    pub(crate) fn fit(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        // What the mean's own rounding makes of a constant column (Chan, Golub and LeVeque 1983).
        let rounding = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
        let deviation = if variance <= rounding {
            1.0
        } else {
            variance.sqrt()
        };
        Self { mean, deviation }
    }

    /// A number in deviations from the mean.
    pub(crate) fn forward(&self, x: f64) -> f32 {
        ((x - self.mean) / self.deviation) as f32
    }

    /// The number that lies the given deviations from the mean.
    pub(crate) fn inverse(&self, z: f32) -> f64 {
        self.mean + self.deviation * f64::from(z)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{column, round_trip};
    use super::*;

    /// Numbers of scikit-learn, by `tests/encodings_reference.py`.
    #[test]
    fn test_scaler_agrees_with_scikit_learn() {
        let scaler = Standardizer::fit(&column("tied"));
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * b.abs(), "{a} {b}");
        near(scaler.mean, 1.6875490000e+03);
        near(scaler.deviation, 2.9096906570e+03);
        for (x, z) in [(0.0, -0.579975), (12_345.0, 3.662744)] {
            assert!((scaler.forward(x) - z).abs() < 1e-6);
            assert!((scaler.inverse(z) - x).abs() < 1e-2);
        }
        assert_eq!(round_trip(&scaler), scaler);
    }

    #[test]
    fn test_constant_and_empty_columns_have_deviation_1() {
        assert_eq!(Standardizer::fit(&[]).forward(3.0), 3.0);
        assert_eq!(Standardizer::fit(&[7.0]).forward(8.0), 1.0);
        let constant = Standardizer::fit(&[0.1 + 4e9; 1001]);
        assert_eq!(constant.deviation, 1.0);
        assert!((constant.inverse(0.0) - 0.1 - 4e9).abs() < 1e-3);
    }
}
