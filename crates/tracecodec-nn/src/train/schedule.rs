//! Learning rate and β over the course of a training.

/// Learning rate as a share of its peak: a linear warm-up, then half a cosine down to `floor`.
pub(crate) fn learning_rate(progress: f64, warm_up: f64, floor: f64) -> f64 {
    if progress < warm_up {
        return (progress / warm_up).max(1e-3);
    }
    let phase = ((progress - warm_up) / (1.0 - warm_up).max(1e-9)).min(1.0);
    floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * phase).cos())
}

/// β as a share of its final value: linear over the warm-up, then 1.
pub(crate) fn beta(progress: f64, warm_up: f64) -> f64 {
    if progress < warm_up {
        progress / warm_up
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_learning_rate_rises_then_falls() {
        let rates: Vec<f64> = [0.0, 0.05, 0.1, 0.55, 1.0]
            .map(|progress| learning_rate(progress, 0.1, 0.01))
            .to_vec();
        assert_eq!(rates[..3], [1e-3, 0.5, 1.0]);
        assert!((rates[3] - 0.505).abs() < 1e-9);
        assert!((rates[4] - 0.01).abs() < 1e-9);
        assert_eq!(learning_rate(1.0, 0.1, 0.2), 0.2);
    }

    #[test]
    fn test_beta_without_warm_up() {
        assert_eq!(beta(0.0, 0.0), 1.0);
        assert_eq!(beta(0.1, 0.2), 0.5);
    }
}
