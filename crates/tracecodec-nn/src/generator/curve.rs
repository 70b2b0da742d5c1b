//! Quality against evaluations: how far a generator's samples deteriorate as its solver takes fewer
//! steps.
//!
//! Distances are on the scale on which every channel has standard deviation 1 over the training
//! rows.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;
use tracecodec::choice::Choice;

use super::flow_matching::{FlowMatching, Method, Request, Solver};
use super::sequences::{Window, Windows};
use crate::error::Error;

/// Settings of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveConfig {
    /// Largest number of windows to sample, spread evenly over the windows with a whole prefix.
    /// Default 64.
    pub windows: usize,
    /// Seed of the noise, which is the same for all solvers. Default 0.
    pub seed: u64,
    /// Methods to compare. Default: all.
    pub methods: Vec<Method>,
    /// Numbers of steps to compare. Default 1, 2, 4, 8, 16 and 32.
    pub steps: Vec<usize>,
    /// Solver with which the others are compared. Default: Heun with 128 steps.
    pub reference: Solver,
}

impl Default for CurveConfig {
    fn default() -> Self {
        Self {
            windows: 64,
            seed: 0,
            methods: Method::all().collect(),
            steps: vec![1, 2, 4, 8, 16, 32],
            reference: Solver {
                method: Method::Heun,
                steps: 128,
            },
        }
    }
}

/// Quality of a generator's samples by solver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// Number of windows that were sampled.
    pub windows: usize,
    /// Number of rows of each suffix.
    pub suffix: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// Distance between the rows just before the suffixes and the rows of the suffixes: the
    /// difference of true neighbours.
    pub neighbours_to_held_out: f64,
    /// Solver with which the others are compared.
    pub reference: Point,
    /// Quality of every solver, by method and steps.
    pub points: Vec<Point>,
}

/// Quality of the samples of one solver.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The solver.
    #[serde(flatten)]
    pub solver: Solver,
    /// Evaluations of the network for each suffix.
    pub evaluations: usize,
    /// Seconds for all suffixes.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Root mean squared difference from the reference's samples of the same noise.
    pub to_reference: f64,
    /// Wasserstein-1 distance between the values of the sampled and of the true suffixes, computed
    /// for each channel, as a mean over the channels.
    pub to_held_out: f64,
}

/// Samples suffixes of windows by every solver. After each evaluation of the network `progress` is
/// called with the number of evaluations so far and of all; if it returns `Break`, sampling stops.
///
/// # Errors
/// If no window has a whole prefix, the file cannot be read, or `progress` breaks.
pub fn curve(
    generator: &FlowMatching,
    windows: &Windows,
    config: &CurveConfig,
    progress: impl FnMut(usize, usize) -> ControlFlow<()> + Send,
) -> Result<Curve, Error> {
    let windows = whole(generator, windows, config.windows)?;
    let channels = generator.channels();
    let normal = |rows: &[f32]| generator.statistics().normalise(rows);
    let held_out: Vec<f32> = windows.iter().flat_map(|w| normal(&w.suffix)).collect();
    let before: Vec<f32> = windows.iter().flat_map(|w| normal(&w.prefix)).collect();
    let held_out = sorted_channels(&held_out, channels);
    let requests: Vec<Request<'_>> = windows
        .iter()
        .zip(0..)
        .map(|(window, place)| Request {
            prefix: &window.prefix,
            label: window.label.as_deref(),
            place,
        })
        .collect();
    let methods = config.methods.iter();
    let solvers: Vec<Solver> = methods
        .flat_map(|&method| {
            config
                .steps
                .iter()
                .map(move |&steps| Solver { method, steps })
        })
        .collect();
    let each = solvers.iter().chain([&config.reference]);
    let all = requests.len() * each.map(|solver| solver.evaluations()).sum::<usize>();
    let state = Mutex::new((0, ControlFlow::Continue(()), progress));
    let step = || {
        let mut state = state.lock().expect("no other thread panicked");
        let (done, flow, progress) = &mut *state;
        // One `Break` ends the work of all threads.
        if flow.is_continue() {
            *done += 1;
            *flow = progress(*done, all);
        }
        if flow.is_break() {
            return Err(Error::Stopped);
        }
        Ok(())
    };
    let sample = |solver: Solver| {
        let start = Instant::now();
        let samples = generator.sample_all_normal(&requests, solver, config.seed, step)?;
        Ok::<_, Error>((samples.concat(), start.elapsed().as_secs_f64()))
    };
    let (reference, seconds) = sample(config.reference)?;
    let point = |solver: Solver, samples: &[f32], seconds: f64| Point {
        solver,
        evaluations: solver.evaluations(),
        seconds,
        rows_per_second: (samples.len() / channels) as f64 / seconds.max(1e-9),
        to_reference: difference(samples, &reference),
        to_held_out: distance(&sorted_channels(samples, channels), &held_out),
    };
    let points = solvers.into_iter().map(|solver| {
        let (samples, seconds) = sample(solver)?;
        Ok(point(solver, &samples, seconds))
    });
    let points = points.collect::<Result<_, Error>>()?;
    Ok(Curve {
        windows: windows.len(),
        suffix: generator.suffix(),
        seed: config.seed,
        neighbours_to_held_out: distance(&sorted_channels(&before, channels), &held_out),
        reference: point(config.reference, &reference, seconds),
        points,
    })
}

/// At most `count` windows with a whole prefix, spread evenly.
fn whole(generator: &FlowMatching, windows: &Windows, count: usize) -> Result<Vec<Window>, Error> {
    let numbers =
        (0..windows.len()).filter(|&number| windows.prefix_rows(number) == generator.prefix());
    let numbers: Vec<u64> = numbers.collect();
    let count = count.clamp(1, numbers.len().max(1));
    let chosen = (0..count).filter_map(|i| numbers.get(i * numbers.len() / count));
    let chosen: Vec<Window> = chosen
        .map(|&number| windows.window(number))
        .collect::<Result<_, _>>()?;
    if chosen.is_empty() {
        return Err(Error::NoWindows {
            split: "held-out",
            rows: generator.prefix() + generator.suffix(),
        });
    }
    Ok(chosen)
}

/// Root mean squared difference.
fn difference(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.len().max(1) as f64).sqrt()
}

/// Sorted values of each channel.
fn sorted_channels(rows: &[f32], channels: usize) -> Vec<Vec<f32>> {
    let channel = |channel: usize| {
        let mut values: Vec<f32> = rows
            .iter()
            .skip(channel)
            .step_by(channels)
            .copied()
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    };
    (0..channels).map(channel).collect()
}

/// Mean over the channels of the Wasserstein-1 distances.
fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let distances = a.iter().zip(b).map(|(a, b)| wasserstein(a, b));
    distances.sum::<f64>() / a.len().max(1) as f64
}

/// Wasserstein-1 distance of two sorted samples: the mean distance of their quantiles.
fn wasserstein(a: &[f32], b: &[f32]) -> f64 {
    let (mut i, mut j, mut at, mut sum) = (0, 0, 0.0, 0.0);
    while i < a.len() && j < b.len() {
        // The quantile at which either sample takes its next step.
        let (next_a, next_b) = ((i + 1) * b.len(), (j + 1) * a.len());
        let next = next_a.min(next_b) as f64 / (a.len() * b.len()) as f64;
        sum += (next - at) * f64::from(a[i] - b[j]).abs();
        at = next;
        i += usize::from(next_a <= next_b);
        j += usize::from(next_b <= next_a);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_wasserstein() {
        assert_eq!(wasserstein(&[0.0, 1.0], &[0.0, 1.0]), 0.0);
        assert_eq!(wasserstein(&[0.0, 1.0], &[2.0, 5.0]), 3.0);
        // The quantiles are 0 to 1/3, 1/3 to 1/2, 1/2 to 2/3, and 2/3 to 1.
        let found = wasserstein(&[0.0, 4.0], &[0.0, 3.0, 6.0]);
        assert!(
            (found - (3.0 / 6.0 + 1.0 / 6.0 + 2.0 / 3.0)).abs() < 1e-12,
            "{found}"
        );
    }

    #[test]
    fn test_channels_are_apart() {
        let rows = [3.0, 10.0, 1.0, 30.0];
        assert_eq!(
            sorted_channels(&rows, 2),
            [vec![1.0, 3.0], vec![10.0, 30.0]]
        );
        let other = sorted_channels(&[1.0, 10.0, 3.0, 40.0], 2);
        assert_eq!(distance(&sorted_channels(&rows, 2), &other), 2.5);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 4.0]), 2.0_f64.sqrt());
    }
}
