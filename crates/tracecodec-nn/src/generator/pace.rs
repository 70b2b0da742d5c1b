//! The pace of a generated trace: times stretched or shrunk so that packets come at a given rate.

/// Stretches or shrinks times so that packets come at a rate.
///
/// A step is divided by the recent mean step of the model's trace, and corrected by how far the
/// trace is ahead or behind.
#[derive(Debug, Clone)]
pub struct Pace {
    rate: Option<f64>,
    /// Recent mean of the seconds from packet to packet in the model's trace.
    mean_step: Option<f64>,
    /// Packets so far.
    packets: f64,
    /// Seconds of the trace so far, after stretching.
    seconds: f64,
}

/// Packets over which the recent mean is taken.
const LATEST: f64 = 1_000.0;

impl Pace {
    /// A pace of `rate` packets a second, or None to keep times as they are. `of_training` is the
    /// rate of the model's training data, if it is known.
    pub fn new(rate: Option<f64>, of_training: Option<f64>) -> Self {
        Self {
            rate,
            mean_step: of_training.map(|rate| 1.0 / rate),
            packets: 0.0,
            seconds: 0.0,
        }
    }

    /// The time in nanoseconds that the trace's next step takes at the rate.
    pub fn step(&mut self, delta_t: i64) -> i64 {
        let Some(rate) = self.rate else {
            return delta_t;
        };
        let taken = delta_t as f64 / 1e9;
        let step = self.mean_step.get_or_insert(taken);
        *step += (taken - *step) / LATEST.min(self.packets + 10.0);
        // Above 1 if too little time has passed. By the power of 8, a deviation of a percent is
        // made good within some thousand packets.
        let late = (LATEST + self.packets) / (LATEST + self.seconds * rate);
        let late = late.powi(8).clamp(0.25, 4.0);
        let stretched = if *step > 0.0 {
            taken / *step / rate * late
        } else {
            taken
        };
        self.packets += 1.0;
        self.seconds += stretched;
        (stretched * 1e9).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_pace_reaches_the_rate_whatever_the_trace() {
        // A trace that begins slowly, with steps from 0 to twice the mean.
        let steps = (0..20_000_i64).map(|n| {
            let mean = if n < 3_000 { 9_000_000 } else { 100_000 };
            n * 7_919 % 1_000 * mean / 500
        });
        for (rate, of_training) in [(1_000.0, Some(10_000.0)), (50_000.0, None)] {
            let mut pace = Pace::new(Some(rate), of_training);
            let nanoseconds: i64 = steps.clone().map(|step| pace.step(step)).sum();
            let reached = 20_000.0 / (nanoseconds as f64 / 1e9);
            assert!((reached / rate - 1.0).abs() < 0.03, "{reached}");
        }
        assert_eq!(Pace::new(None, None).step(77), 77);
    }
}
