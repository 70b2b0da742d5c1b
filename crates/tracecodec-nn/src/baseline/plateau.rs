//! A learning rate that falls when a loss stops falling: `ReduceLROnPlateau` of PyTorch with its
//! defaults (mode `min`, relative threshold 1e-4, no cooldown, no minimum).

/// Share of the best loss so far by which a loss must be below it to be better.
const THRESHOLD: f64 = 1e-4;

/// A rate that would fall by no more than this stays.
const EPSILON: f64 = 1e-8;

/// The learning rate after these losses: `initial`, times `factor` each time that more than
/// `patience` losses in a row were no better than the best.
pub(crate) fn reduced(initial: f64, factor: f64, patience: usize, losses: &[f64]) -> f64 {
    let (mut rate, mut best, mut worse) = (initial, f64::INFINITY, 0);
    for &loss in losses {
        if loss < best * (1.0 - THRESHOLD) {
            (best, worse) = (loss, 0);
        } else {
            worse += 1;
        }
        if worse > patience {
            worse = 0;
            if rate - rate * factor > EPSILON {
                rate *= factor;
            }
        }
    }
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Falls, then two plateaus; a gain of less than a ten-thousandth is none.
    const LOSSES: [f64; 14] = [
        3.0,
        2.0,
        1.9999,
        2.5,
        2.1,
        1.0,
        0.99995,
        1.2,
        f64::NAN,
        1.1,
        1.3,
        0.5,
        0.5,
        0.4,
    ];

    /// The rates are those of `torch.optim.lr_scheduler.ReduceLROnPlateau`,
    /// `tests/baselines_tabsyn_reference.py`.
    #[test]
    fn test_rates_against_torch() {
        let rates = |factor, patience| -> Vec<f64> {
            (1..=LOSSES.len())
                .map(|n| reduced(1e-3, factor, patience, &LOSSES[..n]))
                .collect()
        };
        let times = |rate: f64, times| vec![rate; times];
        let expected = [
            times(0.001, 4),
            times(0.0009000000000000001, 4),
            times(0.0008100000000000001, 6),
        ];
        assert_eq!(rates(0.9, 2), expected.concat());
        let expected = [
            times(0.001, 3),
            times(0.00095, 4),
            times(0.0009025, 2),
            times(0.000857375, 5),
        ];
        assert_eq!(rates(0.95, 1), expected.concat());
        let last = reduced(2e-7, 0.9, 0, &[1.0; 20]);
        assert!((last - 9.565938e-8).abs() < 1e-15, "{last}");
    }
}
