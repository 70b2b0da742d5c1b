//! Scales: positions of values on an axis, and its ticks.

/// A linear or logarithmic scale between two values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Linear: equal distances are equal differences.
    Linear { low: f64, high: f64 },
    /// Logarithmic: equal distances are equal ratios. Both ends are above zero.
    Log { low: f64, high: f64 },
}

impl Scale {
    /// Linear scale from zero to the first tick at or above `high`; to 1 if `high` is not above
    /// zero.
    pub(crate) fn from_zero(high: f64) -> Self {
        let high = if high > 1e-300 && high < 1e300 {
            high
        } else {
            1.0
        };
        let step = tick_step(high, 5);
        let high = (high / step - 1e-9).ceil().max(1.0) * step;
        Self::Linear { low: 0.0, high }
    }

    /// Logarithmic scale over the whole decades that contain the positive values; one decade if
    /// there are none.
    pub(crate) fn decades(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0 && value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high == 0.0 {
            return Self::Log {
                low: 0.1,
                high: 1.0,
            };
        }
        let first = (low.log10() + 1e-9).floor();
        let last = (high.log10() - 1e-9).ceil().max(first + 1.0);
        Self::Log {
            low: 10_f64.powf(first),
            high: 10_f64.powf(last),
        }
    }

    /// Logarithmic scale whose ends are 1, 2 or 5 times a power of ten and contain the positive
    /// values; [`decades`](Self::decades) if there are none.
    pub(crate) fn ratios(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values
            .filter(|value| *value > 0.0 && value.is_finite())
            .collect();
        let whole = Self::decades(values.iter().copied());
        let (Self::Log { low, high }, false) = (whole, values.is_empty()) else {
            return whole;
        };
        let ends = steps(low, high).into_iter();
        let below = |end: &f64| values.iter().all(|value| *end <= value * (1.0 + 1e-9));
        let above = |end: &f64| values.iter().all(|value| *end >= value * (1.0 - 1e-9));
        let low = ends.clone().take_while(below).last().unwrap_or(low);
        let high = ends.filter(|end| *end > low).find(above).unwrap_or(high);
        Self::Log { low, high }
    }

    /// Position of a value on the scale: 0 at the low end, 1 at the high end.
    pub(crate) fn at(self, value: f64) -> f64 {
        match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value / low).ln() / (high / low).ln(),
        }
    }

    /// Values of the ticks, ascending. On a logarithmic scale of up to `most` decades, there is a
    /// tick at each power of ten; on a longer one, at every second, third and so on; on one below
    /// two decades, at 1, 2 and 5 times each power.
    pub(crate) fn ticks(self, most: usize) -> Vec<f64> {
        match self {
            Self::Linear { low, high } => {
                let step = tick_step(high - low, most);
                let last = ((high - low) / step + 1e-9).floor() as usize;
                let first = (low / step - 1e-9).ceil();
                (0..=last)
                    .map(|index| (first + index as f64) * step)
                    .filter(|tick| *tick <= high * (1.0 + 1e-9))
                    .collect()
            }
            Self::Log { low, high } if high < 99.0 * low => steps(low, high),
            Self::Log { low, high } => {
                let (first, last) = (log_decade(low, f64::ceil), log_decade(high, f64::floor));
                let decades = (last - first).max(0) as usize;
                let every =
                    (decades / most.max(1)) + usize::from(!decades.is_multiple_of(most.max(1)));
                (first..=last)
                    .step_by(every.max(1))
                    .map(|decade| 10_f64.powi(decade))
                    .collect()
            }
        }
    }
}

/// All of 1, 2 and 5 times a power of ten from `low` to `high`.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let decades = log_decade(low, f64::floor)..=log_decade(high, f64::ceil);
    let steps =
        decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(decade)));
    steps
        .filter(|step| *step >= low * (1.0 - 1e-9) && *step <= high * (1.0 + 1e-9))
        .collect()
}

/// Decimal logarithm of an end of a scale, rounded to a whole decade with `round`.
fn log_decade(value: f64, round: fn(f64) -> f64) -> i32 {
    let decade = value.log10();
    if (decade - decade.round()).abs() < 1e-6 {
        decade.round() as i32
    } else {
        round(decade) as i32
    }
}

/// Distance between ticks: 1, 2 or 5 times a power of ten, of which `span` holds about `most` at
/// most.
pub(crate) fn tick_step(span: f64, most: usize) -> f64 {
    let rough = span / most.max(1) as f64;
    let power = 10_f64.powf((rough.log10() - 1e-9).floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let enough = |factor: &f64| factor * power >= rough * (1.0 - 1e-9);
    factors.into_iter().find(enough).unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_linear_ticks() {
        let ticks = Scale::Linear {
            low: 0.0,
            high: 100.0,
        }
        .ticks(5);
        assert_eq!(ticks, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(
            Scale::from_zero(87.0),
            Scale::Linear {
                low: 0.0,
                high: 100.0
            }
        );
        assert_eq!(tick_step(0.7, 5), 0.2);
        let empty = Scale::Linear {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(Scale::from_zero(0.0), empty);
    }

    #[test]
    fn test_decades() {
        let scale = Scale::decades([0.0, 0.003, 40.0].into_iter());
        assert_eq!(scale.ticks(9).len(), 6);
        assert!((scale.at(0.1) - 0.4).abs() < 1e-12);
        let every_second = scale.ticks(3);
        assert_eq!(every_second.len(), 3);
        // A power of ten is an end itself: no decade is added beyond it.
        assert_eq!(Scale::decades([1.0, 100.0].into_iter()).ticks(9).len(), 3);
        // A single decade has ticks at 1, 2, 5 and 10.
        assert_eq!(Scale::decades([5.0].into_iter()).ticks(9).len(), 4);
        assert_eq!(Scale::decades(std::iter::empty()).ticks(9).len(), 4);
    }

    #[test]
    fn test_ratios() {
        let scale = |values: &[f64]| Scale::ratios(values.iter().copied());
        assert_eq!(scale(&[3.76, 0.0, 1.07]).ticks(5), [1.0, 2.0, 5.0]);
        assert_eq!(scale(&[2.0, 2.0]).ticks(5), [2.0, 5.0]);
        assert_eq!(scale(&[0.002, 0.3]).ticks(5).len(), 2);
        assert_eq!(scale(&[0.0]), Scale::decades(std::iter::empty()));
        assert_eq!(scale(&[f64::NAN, 10.0]).ticks(5), [10.0, 20.0]);
    }
}
