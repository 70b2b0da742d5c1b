//! A column on the scale of its own normal scores, the encoding of TabSyn (Zhang et al., ICLR
//! 2024).

use std::f64::consts::{SQRT_2, TAU};

use libm::erfc;
use serde::{Deserialize, Serialize};

use super::ascending;

/// Share of the column that each end of the scale stands for; normal scores end at ±5.199.
const BOUND: f64 = 1e-7;

/// Numbers as the normal scores of their places in the column, as scikit-learn's
/// `QuantileTransformer(output_distribution="normal")` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QuantileTransformer {
    /// Quantiles of the column at even shares from 0 to 1, ascending; at least one.
    quantiles: Vec<f64>,
}

impl QuantileTransformer {
    /// Whether there are quantiles, and in ascending order; in a damaged file they may not be.
    pub(crate) fn is_sound(&self) -> bool {
        !self.quantiles.is_empty() && self.quantiles.is_sorted()
    }

    /// Fits one quantile for each 30 values, but 10 to 1000 of them, and no more than values.
    /// Numbers that are not finite are left out; an empty column is treated as one 0.
    pub(crate) fn fit(values: &[f64]) -> Self {
        let sorted = ascending(values);
        let count = (sorted.len() / 30).clamp(10, 1000).min(sorted.len());
        let quantiles = (0..count).map(|i| quantile(&sorted, share(i, count)));
        Self {
            quantiles: quantiles.collect(),
        }
    }

    /// The normal score of a number. If the number equals several quantiles, the score of the
    /// middle of their shares.
    pub(crate) fn forward(&self, x: f64) -> f32 {
        normal_quantile(self.place(x).clamp(BOUND, 1.0 - BOUND)) as f32
    }

    /// The number of a normal score.
    pub(crate) fn inverse(&self, score: f32) -> f64 {
        let last = self.quantiles.len() - 1;
        let place = normal_cdf(f64::from(score));
        if place - BOUND < 0.0 {
            return self.quantiles[0];
        }
        if place + BOUND > 1.0 {
            return self.quantiles[last];
        }
        interpolate(&self.quantiles, place * last as f64)
    }

    /// The share of the column below a number.
    fn place(&self, x: f64) -> f64 {
        let quantiles = &self.quantiles;
        let count = quantiles.len();
        if x.is_nan() {
            return x;
        }
        if x - BOUND < quantiles[0] {
            return 0.0;
        }
        if x + BOUND > quantiles[count - 1] {
            return 1.0;
        }
        let first = quantiles.partition_point(|&quantile| quantile < x);
        let after = quantiles.partition_point(|&quantile| quantile <= x);
        let (low, high) = (after - 1, first);
        if low >= high {
            return 0.5 * (share(low, count) + share(high, count));
        }
        let within = (x - quantiles[low]) / (quantiles[high] - quantiles[low]);
        share(low, count) + (share(high, count) - share(low, count)) * within
    }
}

/// The share of quantile `i` among the given number of quantiles.
fn share(i: usize, count: usize) -> f64 {
    if i + 1 == count && i > 0 {
        1.0
    } else {
        i as f64 * (1.0 / (count - 1).max(1) as f64)
    }
}

/// The number at a share of ascending values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    // By way of a percentage, which rounds: whether a quantile equals a value that occurs often
    // makes a difference.
    interpolate(sorted, share * 100.0 / 100.0 * (sorted.len() - 1) as f64)
}

/// The value at a place among ascending values, between two of them where the place is not whole.
fn interpolate(ascending: &[f64], at: f64) -> f64 {
    let last = ascending.len() - 1;
    let (below, above) = (ascending[at as usize], ascending[last.min(at as usize + 1)]);
    below + (above - below) * at.fract()
}

/// The share of the standard normal distribution below a score.
fn normal_cdf(score: f64) -> f64 {
    0.5 * erfc(-score / SQRT_2)
}

/// The score below which a share of the standard normal distribution lies; the share is neither 0
/// nor 1.
fn normal_quantile(share: f64) -> f64 {
    if share > 0.5 {
        return -normal_quantile(1.0 - share);
    }
    // To three digits (Abramowitz and Stegun 1964, 26.2.23), each of which becomes two by a step of
    // Newton's method.
    let t = (-2.0 * share.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let mut score = above / below - t;
    for _ in 0..2 {
        let density = (-0.5 * score * score).exp() / TAU.sqrt();
        score -= (normal_cdf(score) - share) / density;
    }
    score
}

#[cfg(test)]
mod tests {
    use super::super::tests::{column, round_trip};
    use super::*;

    #[track_caller]
    fn assert_agrees(name: &str, numbers: &[f64], scores: &[f64], from_scores: &[f64]) {
        let quantiles = QuantileTransformer::fit(&column(name));
        for (&x, &expected) in numbers.iter().zip(scores) {
            let score = f64::from(quantiles.forward(x));
            assert!(
                (score - expected).abs() < 1e-6,
                "{name}: {x} {score} {expected}"
            );
        }
        for (score, &expected) in [-6.0, -1.0, 0.0, 0.5, 6.0].into_iter().zip(from_scores) {
            let x = quantiles.inverse(score);
            assert!(
                (x - expected).abs() <= 1e-8 * expected,
                "{name}: {score} {x} {expected}"
            );
        }
    }

    /// Numbers of scikit-learn, by `tests/encodings_reference.py`.
    #[test]
    fn test_scores_agree_with_scikit_learn() {
        assert_agrees(
            "tied",
            &[0.0, 1.0, 3198.3, 9997.0, 12_345.0],
            &[
                -5.1993375826e+00,
                4.0236652404e-01,
                7.4499103750e-01,
                5.1993375827e+00,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                0.0000000000e+00,
                0.0000000000e+00,
                8.4786934132e+02,
                9.9970000000e+03,
            ],
        );
        assert_agrees(
            "wide",
            &[0.0, 1.0, 1_432_576_090.0, 4e9, 5e9],
            &[
                -5.1993375826e+00,
                -7.7642171624e-01,
                0.0000000000e+00,
                1.6309491251e+00,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                0.0000000000e+00,
                1.4325760900e+09,
                2.5258139740e+09,
                4.2930128430e+09,
            ],
        );
        assert_agrees(
            "times",
            &[0.0, 7274.0, 832_842_000.0, 99.4e9, 1e12],
            &[
                -5.1993375826e+00,
                -8.4143613634e-01,
                7.3786237376e-01,
                5.1993375827e+00,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                3.8635281954e+03,
                4.5500000000e+06,
                1.9718400985e+08,
                9.9400000000e+10,
            ],
        );
        assert_agrees(
            "steps",
            &[0.0, 700.0, 4200.0, 9100.0, 10_000.0],
            &[
                -5.1993375826e+00,
                -1.2112321309e+00,
                -1.2158738275e-01,
                1.6606976106e+00,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                1.3428190103e+03,
                4.5500000000e+03,
                6.6047354096e+03,
                9.8000000000e+03,
            ],
        );
        assert_agrees(
            "few",
            &[0.0, 100.0, 150.0, 200.0, 400.0],
            &[
                -5.1993375826e+00,
                -5.7913216226e-01,
                -1.9709908429e-01,
                1.5731068461e-01,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                1.0000000000e+02,
                2.0000000000e+02,
                2.2535975215e+02,
                4.0000000000e+02,
            ],
        );
        assert_agrees(
            "constant",
            &[0.0, 4e9, 4e9 + 1.0],
            &[-5.1993375826e+00, 0.0000000000e+00, 5.1993375827e+00],
            &[
                4.0000000000e+09,
                4.0000000000e+09,
                4.0000000000e+09,
                4.0000000000e+09,
                4.0000000000e+09,
            ],
        );
        assert_agrees(
            "short",
            &[0.0, 1.0, 7.5, 20.0, 25.0],
            &[
                -5.1993375826e+00,
                -8.4162123357e-01,
                1.0043372051e-01,
                1.2206403488e+00,
                5.1993375827e+00,
            ],
            &[
                0.0000000000e+00,
                7.9327626966e-01,
                6.5000000000e+00,
                1.2201186145e+01,
                2.5000000000e+01,
            ],
        );
    }

    #[test]
    fn test_normal_distribution_to_seven_digits() {
        // Numbers of SciPy's `norm.ppf`.
        for (share, score) in [
            (1e-07, -5.199337582193),
            (0.001, -3.090232306168),
            (0.2, -0.841621233573),
            (0.5, 0.000000000000),
            (0.9, 1.281551565545),
            (0.9999999, 5.199337582291),
        ] {
            let found = normal_quantile(share);
            assert!((found - score).abs() < 1e-9, "{share} {found}");
            let back = normal_cdf(score);
            assert!((back / share - 1.0).abs() < 1e-9, "{score} {back}");
        }
    }

    #[test]
    fn test_numbers_come_back() {
        for name in ["wide", "times", "steps", "few", "short", "constant"] {
            let values = column(name);
            let quantiles = QuantileTransformer::fit(&values);
            let range = quantiles.quantiles[quantiles.quantiles.len() - 1] - quantiles.quantiles[0];
            for &x in &values {
                let back = quantiles.inverse(quantiles.forward(x));
                assert!((back - x).abs() <= 1e-5 * range, "{name}: {x} {back}");
            }
        }
    }

    #[test]
    fn test_inactive_numbers_come_back_exactly() {
        let quantiles = QuantileTransformer::fit(&column("tied"));
        assert_eq!(quantiles.inverse(quantiles.forward(0.0)), 0.0);
    }

    #[test]
    fn test_degenerate_columns() {
        let empty = QuantileTransformer::fit(&[f64::NAN]);
        assert_eq!(empty, QuantileTransformer::fit(&[]));
        assert_eq!(empty.inverse(empty.forward(5.0)), 0.0);
        let single = QuantileTransformer::fit(&[4e12]);
        assert_eq!(single.inverse(single.forward(4e12)), 4e12);
        for quantiles in [&empty, &single, &QuantileTransformer::fit(&column("tied"))] {
            assert!(quantiles.forward(f64::INFINITY) > 5.0);
            assert!(quantiles.forward(f64::NEG_INFINITY) < -5.0);
            assert!(quantiles.forward(f64::NAN).is_nan());
            quantiles.inverse(f32::NAN);
            assert_eq!(&round_trip(quantiles), quantiles);
        }
    }

    #[test]
    fn test_quantiles_by_size() {
        for (values, quantiles) in [(3, 3), (200, 10), (600, 20), (60_000, 1000)] {
            let values: Vec<f64> = (0..values).map(f64::from).collect();
            let found = QuantileTransformer::fit(&values).quantiles;
            assert_eq!(found.len(), quantiles);
            assert!(found.is_sorted());
        }
    }
}
