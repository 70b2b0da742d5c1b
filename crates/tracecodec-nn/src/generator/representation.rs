//! What the rows of a latent sequence hold: the latents of which model, the time beside them, and
//! the scale of each channel.

use serde::{Deserialize, Serialize};
use tracecodec::action::Action;

use crate::latents::Latents;

/// Smallest standard deviation that a channel is divided by. A channel that varies less counts as
/// constant.
const LEAST_DEVIATION: f64 = 1e-6;

/// The model whose latents the rows hold. Only this model decodes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Representation {
    /// Means of a codec's posteriors as its encoder gives them, then the packet's time step
    /// ([`time_of_step`]).
    Codec {
        /// Name of the codec as it was given.
        model: String,
        /// BLAKE3 digest of the codec's weights.
        blake3: String,
        /// Number of dimensions of a latent.
        d_latent: usize,
        /// Dictionary of option layouts that the packets were encoded with, as hexadecimal options
        /// areas.
        option_profiles: Vec<String>,
    },
    /// Means of a baseline's latents. The baseline's latents include the time.
    Baseline {
        /// Name of the published model.
        model: String,
        /// BLAKE3 digest of the baseline's weights.
        blake3: String,
        /// Number of dimensions of a latent.
        d_latent: usize,
    },
}

impl Representation {
    /// Number of channels of a row.
    pub fn channels(&self) -> usize {
        match self {
            Self::Codec { d_latent, .. } => d_latent.saturating_add(1),
            Self::Baseline { d_latent, .. } => *d_latent,
        }
    }

    /// Number of the channel that holds the packet's time step, if there is one.
    pub fn time_channel(&self) -> Option<usize> {
        match self {
            Self::Codec { d_latent, .. } => Some(*d_latent),
            Self::Baseline { .. } => None,
        }
    }

    /// BLAKE3 digest of the model's weights.
    pub fn digest(&self) -> &str {
        match self {
            Self::Codec { blake3, .. } | Self::Baseline { blake3, .. } => blake3,
        }
    }
}

/// Encodes a time step in nanoseconds for a channel: sgn(Δt) ln(1 + |Δt|).
pub fn time_of_step(delta_t: i64) -> f32 {
    let magnitude = (delta_t.unsigned_abs() as f64).ln_1p() as f32;
    magnitude.copysign(delta_t.signum() as f32)
}

/// Decodes the time step in nanoseconds from a channel's value. f32 keeps about a part in a
/// million.
pub fn step_of_time(value: f32) -> i64 {
    let value = f64::from(value);
    // A float beyond the range of integers becomes the nearest integer.
    (value.abs().exp_m1().round() * value.signum()) as i64
}

/// Rows of packets of a codec: the mean of each latent, then the packet's time step.
pub fn rows_of_packets(latents: &Latents, actions: &[Action]) -> Vec<f32> {
    let means = latents.mu.chunks_exact(latents.dim.max(1));
    means
        .zip(actions)
        .flat_map(|(mu, action)| mu.iter().copied().chain([time_of_step(action.delta_t)]))
        .collect()
}

/// Splits rows of a codec into latents and time steps; the last channel is the time.
pub fn latents_and_steps(rows: &[f32], channels: usize) -> (Vec<f32>, Vec<i64>) {
    let time = channels - 1;
    let rows = || rows.chunks_exact(channels);
    let latents = rows().flat_map(|row| &row[..time]).copied().collect();
    (latents, rows().map(|row| step_of_time(row[time])).collect())
}

/// Mean and standard deviation of every channel over the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Means of the channels.
    pub mean: Vec<f32>,
    /// Standard deviations of the channels; 1 for a constant channel.
    pub deviation: Vec<f32>,
}

impl Statistics {
    /// Whether it is a scale of so many channels. The scale of a damaged file may not be.
    pub(super) fn is_sound(&self, channels: usize) -> bool {
        let is_scale = |x: &f32| x.is_finite() && *x > 0.0;
        self.mean.len() == channels
            && self.deviation.len() == channels
            && self.mean.iter().all(|x| x.is_finite())
            && self.deviation.iter().all(is_scale)
    }

    /// The scale of the first channels.
    pub fn first(&self, channels: usize) -> Self {
        let first = |values: &[f32]| values[..channels.min(values.len())].to_vec();
        Self {
            mean: first(&self.mean),
            deviation: first(&self.deviation),
        }
    }

    /// Transforms rows to the scale on which every channel has mean 0 and standard deviation 1.
    pub fn normalise(&self, rows: &[f32]) -> Vec<f32> {
        let scales = self.mean.iter().zip(&self.deviation).cycle();
        rows.iter()
            .zip(scales)
            .map(|(x, (mean, deviation))| (x - mean) / deviation)
            .collect()
    }

    /// Transforms rows back from the scale of mean 0 and standard deviation 1.
    pub fn restore(&self, rows: &[f32]) -> Vec<f32> {
        let scales = self.mean.iter().zip(&self.deviation).cycle();
        rows.iter()
            .zip(scales)
            .map(|(x, (mean, deviation))| mean + deviation * x)
            .collect()
    }
}

/// Running mean and standard deviation of every channel (Welford 1962).
#[derive(Debug)]
pub(super) struct RunningStatistics {
    rows: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl RunningStatistics {
    /// Statistics of no row.
    pub(super) fn new(channels: usize) -> Self {
        Self {
            rows: 0,
            mean: vec![0.0; channels],
            squares: vec![0.0; channels],
        }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &[f32]) {
        self.rows += 1;
        let rows = self.rows as f64;
        let channels = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), &x) in channels.zip(row) {
            let off = f64::from(x) - *mean;
            *mean += off / rows;
            *squares += off * (f64::from(x) - *mean);
        }
    }

    /// The statistics so far.
    pub(super) fn finish(&self) -> Statistics {
        let rows = self.rows.max(1) as f64;
        let deviation = self.squares.iter().map(|squares| (squares / rows).sqrt());
        let deviation = deviation.map(|deviation| match deviation > LEAST_DEVIATION {
            true => deviation as f32,
            false => 1.0,
        });
        Statistics {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            deviation: deviation.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_time_and_back() {
        assert_eq!(time_of_step(0), 0.0);
        assert!((time_of_step(-1_000_000) + 13.815_512).abs() < 1e-5);
        for delta_t in [0, 1, -1, 999, -67_000_000, 3_600_000_000_000] {
            let back = step_of_time(time_of_step(delta_t));
            let error = (back - delta_t).abs() as f64;
            assert!(error <= 4e-6 * delta_t.abs() as f64, "{delta_t} {back}");
        }
        assert_eq!(step_of_time(f32::INFINITY), i64::MAX);
        assert_eq!(step_of_time(f32::NAN), 0);
    }

    #[test]
    fn test_rows_and_back() {
        let actions = [0, 5_000_000].map(|delta_t| Action {
            delta_t,
            ..Action::default()
        });
        let latents = Latents {
            mu: vec![1.0, 2.0, 3.0, 4.0],
            log_var: vec![0.0; 4],
            dim: 2,
        };
        let rows = rows_of_packets(&latents, &actions);
        assert_eq!(rows[..3], [1.0, 2.0, 0.0]);
        let (back, steps) = latents_and_steps(&rows, 3);
        assert_eq!(back, latents.mu);
        assert!(
            steps[0] == 0 && (steps[1] - 5_000_000).abs() < 20,
            "{steps:?}"
        );
    }

    #[test]
    fn test_statistics_and_the_scale_back() {
        let rows = [1.0, 5.0, 3.0, 5.0, 2.0, 5.0];
        let mut running = RunningStatistics::new(2);
        rows.chunks(2).for_each(|row| running.add(row));
        let statistics = running.finish();
        assert_eq!(statistics.mean, [2.0, 5.0]);
        assert!((statistics.deviation[0] - (2.0_f32 / 3.0).sqrt()).abs() < 1e-6);
        assert_eq!(statistics.deviation[1], 1.0);
        let normal = statistics.normalise(&rows);
        assert_eq!([normal[1], normal[4]], [0.0, 0.0]);
        for (x, back) in rows.iter().zip(statistics.restore(&normal)) {
            assert!((x - back).abs() < 1e-6);
        }
    }
}
