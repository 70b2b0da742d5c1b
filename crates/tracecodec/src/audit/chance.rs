//! The rule by which something survives beyond chance.

use serde::Serialize;

/// Probability below which what was found is beyond chance. Each row of the audit is a test of its
/// own.
pub const LEVEL: f64 = 1e-3;

/// Identifiers of a kind that were searched for in a decoded capture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survival {
    /// What was searched for.
    pub what: &'static str,
    /// Where it was searched for.
    pub place: &'static str,
    /// Distinct identifiers that were searched for.
    pub searched: u64,
    /// Distinct identifiers that were found.
    pub found: u64,
    /// Number that chance would find.
    pub expected: f64,
    /// Probability that chance finds as many, at most: the tail of a Poisson distribution.
    pub probability: f64,
    /// Whether that probability is below [`LEVEL`].
    pub beyond_chance: bool,
    /// The first identifiers that were found, if there are more than chance would find.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

impl Survival {
    pub(super) fn new(
        what: &'static str,
        place: &'static str,
        [searched, found]: [u64; 2],
        expected: f64,
    ) -> Self {
        let probability = tail(expected, found);
        Self {
            what,
            place,
            searched,
            found,
            expected,
            probability,
            beyond_chance: probability < LEVEL,
            examples: Vec::new(),
        }
    }

    /// The row with a probability that another model gives.
    pub(super) fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability.min(1.0);
        self.beyond_chance = self.probability < LEVEL;
        self
    }

    /// The row with the first three of what was found, if that is beyond chance.
    pub(super) fn with_examples<T: Ord + ToString>(mut self, mut found: Vec<T>) -> Self {
        if self.beyond_chance {
            found.sort();
            self.examples = found.iter().take(3).map(T::to_string).collect();
        }
        self
    }
}

/// Probability that a Poisson distribution with this mean gives `count` or more.
pub(super) fn tail(mean: f64, count: u64) -> f64 {
    if count == 0 || mean >= count as f64 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    // The terms fall from `count` on, since the mean is below it.
    let mut term = (count as f64 * mean.ln() - mean - ln_factorial(count)).exp();
    let mut sum = term;
    let mut k = count as f64;
    while term > sum * 1e-12 {
        k += 1.0;
        term *= mean / k;
        sum += term;
    }
    sum.min(1.0)
}

/// Natural logarithm of `n!`: by sums up to 32, then by Stirling's series.
fn ln_factorial(n: u64) -> f64 {
    if n <= 32 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let x = n as f64;
    x * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI * x).ln() + 1.0 / (12.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_tail_of_poisson() {
        // 1 less the sum of the terms below `count`, in 60 decimal digits.
        for (mean, count, expected) in [
            (0.5, 1, 0.3934693402873666),
            (0.5, 3, 0.01438767796697066),
            (10.0, 25, 4.6949381402814e-5),
            (1000.0, 1100, 0.000962630405866),
        ] {
            let tail = tail(mean, count);
            assert!(
                (tail / expected - 1.0).abs() < 1e-3,
                "{mean} {count} {tail}"
            );
        }
        assert_eq!(tail(3.0, 0), 1.0);
        assert_eq!(tail(0.0, 1), 0.0);
    }
}
