//! Windows that the network reads.

/// Windows at points of their flows.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowBatch {
    /// Clean prefixes, `[windows, prefix, channels]`, padded in front. Padding may hold any values.
    pub(super) prefixes: Vec<f32>,
    /// Number of padding rows of each window.
    pub(super) padding: Vec<usize>,
    /// Suffixes between noise and data, `[windows, suffix, channels]`.
    pub(super) suffixes: Vec<f32>,
    /// Flow time of each suffix, from 0 for noise to 1 for data.
    pub(super) times: Vec<f32>,
    /// Label of each window; 0 for no label.
    pub(super) labels: Vec<usize>,
}

impl WindowBatch {
    /// Number of windows.
    pub(super) fn windows(&self) -> usize {
        self.padding.len()
    }
}

/// Windows on straight paths from noise, xₜ = (1 - t) x₀ + t x₁, and the velocities of the paths,
/// x₁ - x₀.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Windows at their flow times.
    pub(super) batch: WindowBatch,
    /// Velocities of the suffixes, `[windows, suffix, channels]`.
    pub(super) velocities: Vec<f32>,
}

impl Paths {
    /// Appends a window: its prefix, padded by so many rows, its suffix, a flow time, and noise.
    pub(super) fn push(
        &mut self,
        (prefix, padding): (&[f32], usize),
        suffix: &[f32],
        time: f32,
        noise: &[f32],
        label: usize,
    ) {
        let ends = || noise.iter().zip(suffix);
        let batch = &mut self.batch;
        batch.prefixes.extend(prefix);
        let between = ends().map(|(x0, x1)| (1.0 - time) * x0 + time * x1);
        batch.suffixes.extend(between);
        batch.padding.push(padding);
        batch.times.push(time);
        batch.labels.push(label);
        self.velocities.extend(ends().map(|(x0, x1)| x1 - x0));
    }
}
