//! `generator curve`: what samples of latents lose if the solver takes fewer steps.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_nn::Device;
use tracecodec_nn::generator::{Curve, CurveConfig, FlowMatching, Method, Solver, curve};

use crate::error::Error;
use crate::model;
use crate::monitor::{Monitor, Progress};

/// Which generator to sample, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Folder of a trained flow-matching generator.
    pub model: PathBuf,
    /// Folder of latent sequences.
    pub sequences: PathBuf,
    /// Windows to sample, spread evenly over the split.
    #[serde(default = "defaults::windows")]
    pub windows: usize,
    /// The split: validation or test.
    #[serde(default = "defaults::split")]
    pub split: Split,
    /// Methods of the solvers.
    #[serde(default = "defaults::methods")]
    pub methods: Vec<Method>,
    /// Numbers of steps of the solvers.
    #[serde(default = "defaults::steps")]
    pub steps: Vec<usize>,
    /// Steps of Heun's method that the others are compared with.
    #[serde(default = "defaults::reference")]
    pub reference: usize,
    /// Seed of the noise.
    #[serde(default)]
    pub seed: u64,
    /// Threads on the CPU; `None`: as many as there are cores. The samples do not depend on them.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Where the network computes.
    #[serde(default)]
    pub device: Device,
}

impl Config {
    /// Measures a generator on sequences with the default settings.
    pub fn new(model: PathBuf, sequences: PathBuf) -> Self {
        Self {
            model,
            sequences,
            windows: defaults::windows(),
            split: defaults::split(),
            methods: defaults::methods(),
            steps: defaults::steps(),
            reference: defaults::reference(),
            seed: 0,
            threads: None,
            device: Device::default(),
        }
    }
}

/// The default settings.
mod defaults {
    use super::{CurveConfig, Method, Split};

    pub(super) fn windows() -> usize {
        CurveConfig::default().windows
    }

    pub(super) fn split() -> Split {
        Split::Test
    }

    pub(super) fn methods() -> Vec<Method> {
        CurveConfig::default().methods
    }

    pub(super) fn steps() -> Vec<usize> {
        CurveConfig::default().steps
    }

    pub(super) fn reference() -> usize {
        CurveConfig::default().reference.steps
    }
}

/// How far the samples of each solver are from those of many steps, and from the truth.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Folder of the generator.
    pub model: String,
    /// Digest of the generator.
    pub model_blake3: String,
    /// Name of the split.
    pub split: &'static str,
    /// Threads that were asked for.
    pub threads: Option<usize>,
    /// A point a solver.
    #[serde(flatten)]
    pub curve: Curve,
}

/// Samples what follows held-out prefixes by every solver, from the same noise.
///
/// # Errors
/// If generator or sequences cannot be read, do not belong together, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let mut generator = FlowMatching::load(&config.model)?.with_device(config.device)?;
    if let Some(threads) = config.threads {
        generator = generator.with_threads(threads);
    }
    let sequences = model::open_sequences(&config.sequences)?;
    if sequences.manifest().representation.digest() != generator.representation().digest() {
        return Err(Error::refused(
            format!(
                "{}: latents of another model than those that {} learned",
                config.sequences.display(),
                config.model.display()
            ),
            "name the sequences that it was trained on, or others by the same codec or baseline",
        ));
    }
    let (prefix, suffix) = (generator.prefix(), generator.suffix());
    let windows = sequences.windows(config.split, prefix, suffix, suffix)?;
    let solvers = CurveConfig {
        windows: config.windows,
        seed: config.seed,
        methods: config.methods.clone(),
        steps: config.steps.clone(),
        reference: Solver {
            method: Method::Heun,
            steps: config.reference,
        },
    };
    let curve = curve(&generator, &windows, &solvers, |done, all| {
        monitor.progress(&Progress {
            stage: "sampling",
            done: done as u64,
            total: Some(all as u64),
            detail: "evaluations of the network",
        })
    })?;
    Ok(Outcome {
        model: config.model.display().to_string(),
        model_blake3: generator.digest(),
        split: config.split.name(),
        threads: config.threads,
        curve,
    })
}
