//! Training of a flow-matching generator: its task for the training loop.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_tensor::{Device as Tensors, Tensor};

use super::batch::Paths;
use super::network::VelocityNetwork;

use super::{FlowMatching, FlowMatchingConfig, NetworkConfig};
use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::generator::description::Backbone;
use crate::generator::representation::Representation;
use crate::generator::sequences::{Sequences, Window, Windows};
use crate::layers::Dropout;
use crate::model::Kind;
use crate::parallel::{default_threads, ordered_until};
use crate::random::{Purpose, normals, stream};
use crate::train::{
    self, Decay, Position, Progress, Report, Session, Task, Update, Validated, Verdict, rate_hint,
    schedule, spread,
};
use crate::weights::Weights;

/// Which weights were validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The weights of the latest step.
    Raw,
    /// The moving average of the weights.
    Ema,
}

/// One validation of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// Squared error of the velocity under fixed noise and times, with channels weighted as in
    /// training: 2 for a velocity of 0. It is the error of the better of the weights and their
    /// average.
    pub loss: f64,
    /// The better of the two.
    pub source: Source,
    /// Mean training loss since the last validation.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// Formats it as in `velocity error 0.8123 (ema)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Raw => "raw",
            Source::Ema => "ema",
        };
        write!(f, "velocity error {:.4} ({source})", self.loss)
    }
}

impl Validated for Validation {
    fn loss(&self) -> f64 {
        self.loss
    }
}

/// Manifest of the training of a flow-matching generator.
pub type Manifest = train::Manifest<Origin, Validation>;

/// Settings and data of the training of a flow-matching generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The backbone `flow-matching`.
    pub backbone: Backbone,
    /// Settings of the training.
    pub config: FlowMatchingConfig,
    /// Representation of the rows.
    pub representation: Representation,
    /// BLAKE3 digests of the training and the validation rows.
    pub rows_blake3: [String; 2],
    /// Number of windows of an epoch.
    pub training_windows: u64,
    /// Number of validation windows.
    pub validation_windows: u64,
}

/// Trains a generator and leaves the best one in the session's folder, with `history.jsonl` and
/// `manifest.json`. Checkpoints and `progress` are those of the codec's
/// [`train`](crate::codec::training::train).
///
/// # Errors
/// If a setting is out of its range, there are no windows, a file cannot be read or written, the
/// loss is no longer finite, the training was stopped, or the checkpoint is of other data or
/// settings.
pub fn train(
    config: &FlowMatchingConfig,
    sequences: &Sequences,
    session: &Session<'_>,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(FlowMatching, Report<Validation>), Error> {
    config.check()?;
    let training =
        Arc::new(windows(config, sequences, Split::Train)?.with_starts(config.train.starts));
    let validation = windows(config, sequences, Split::Validation)?;
    let origin = Origin {
        backbone: Backbone::FlowMatching,
        config: config.clone(),
        representation: sequences.manifest().representation.clone(),
        rows_blake3: [Split::Train, Split::Validation].map(|split| {
            let part = sequences.manifest().splits.get(&split);
            part.map_or(String::new(), |part| part.blake3.clone())
        }),
        training_windows: training.len(),
        validation_windows: validation.len(),
    };
    let report = train::run(
        &mut FlowTask::new(config, sequences, &validation, session)?,
        &config.train.budget(),
        &training,
        session,
        &run_digest(config, sequences),
        origin,
        progress,
    )?;
    let generator = FlowMatching::load(session.folder)?.with_device(session.device)?;
    Ok((generator, report))
}

/// The windows of a split; an error if there are none.
fn windows(
    config: &FlowMatchingConfig,
    sequences: &Sequences,
    split: Split,
) -> Result<Windows, Error> {
    let (prefix, suffix) = (config.model.prefix, config.model.suffix);
    let windows = sequences.windows(split, prefix, suffix, config.train.stride)?;
    if windows.is_empty() {
        return Err(Error::NoWindows {
            split: split.name(),
            rows: suffix,
        });
    }
    Ok(windows)
}

/// Digest of settings and data, by which a checkpoint is recognised.
fn run_digest(config: &FlowMatchingConfig, sequences: &Sequences) -> String {
    let settings = serde_json::json!([Backbone::FlowMatching, config, sequences.manifest()]);
    files::digest(settings.to_string().as_bytes())
}

/// A generator in training.
struct FlowTask<'a> {
    config: &'a FlowMatchingConfig,
    /// Validation windows, and the numbers of those that a validation computes.
    windows: &'a Windows,
    validation: Vec<Window>,
    /// Weights of the channels in the loss, with sum 1.
    channel_weights: Vec<f32>,
    generator: FlowMatching,
}

impl<'a> FlowTask<'a> {
    fn new(
        config: &'a FlowMatchingConfig,
        sequences: &Sequences,
        windows: &'a Windows,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let manifest = sequences.manifest();
        let settings = &config.train;
        let generator = FlowMatching::new(
            &config.model,
            &manifest.representation,
            &manifest.statistics,
            sequences.labels(),
            settings.seed,
        )?;
        Ok(Self {
            config,
            windows,
            validation: Vec::new(),
            channel_weights: channel_weights(&manifest.representation, settings.time_weight),
            generator: generator
                .with_threads(session.threads.unwrap_or_else(default_threads))
                .with_device(session.device)?,
        })
    }

    /// Appends a window at a random flow time t = σ(n), with n standard normal.
    fn push(&self, paths: &mut Paths, window: &Window, label: Option<&str>, rng: &mut impl Rng) {
        let (prefix, padding) = self.generator.frame(&window.prefix);
        let suffix = self.generator.statistics.normalise(&window.suffix);
        let time = 1.0 / (1.0 + (-normals(rng, 1)[0]).exp());
        let noise = normals(rng, suffix.len());
        let label = self.generator.label(label);
        paths.push((&prefix, padding), &suffix, time, &noise, label);
    }

    /// Weighted squared error of the velocity of a row and channel, summed over windows.
    fn error(
        &self,
        network: &VelocityNetwork,
        paths: &Paths,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<1> {
        let velocity = network.forward(&paths.batch, dropout);
        let [windows, suffix, channels] = velocity.dims();
        let device = velocity.device();
        let shape = [windows, suffix, channels];
        let off = velocity - Tensor::new(paths.velocities.clone(), shape, &device);
        let weights = Tensor::new(self.channel_weights.clone(), [1, 1, channels], &device);
        (off.square() * weights).sum() / suffix as f64
    }
}

/// Largest number of attention weights of a block that a GPU computes at once, unless a micro-batch
/// has more. A training keeps several tensors of that size for each block.
const GPU_ATTENTION: usize = 1 << 26;

/// Windows that a device computes at once. Attention grows with the square of a window's rows, so
/// fewer large windows fit into a GPU's memory.
fn piece(network: &NetworkConfig, device: Device, micro_batch: usize) -> usize {
    let most = device.piece(micro_batch) / micro_batch;
    let fitting = GPU_ATTENTION / network.attention_weights() / micro_batch;
    fitting.clamp(1, most) * micro_batch
}

/// Weights of the channels in the loss, with sum 1.
fn channel_weights(representation: &Representation, time_weight: f64) -> Vec<f32> {
    let mut weights = vec![1.0; representation.channels()];
    if let Some(time) = representation.time_channel() {
        weights[time] = time_weight;
    }
    let sum: f64 = weights.iter().sum::<f64>().max(1e-9);
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

impl Task for FlowTask<'_> {
    type Example = Window;
    type Network = VelocityNetwork;
    type Validation = Validation;

    const KIND: Kind = Kind::Generator;

    fn network(&self) -> &VelocityNetwork {
        &self.generator.placed.network
    }

    fn device(&self) -> Device {
        self.generator.placed.device
    }

    fn tensors(&self) -> &Tensors {
        &self.generator.placed.tensors
    }

    fn piece(&self, micro_batch: usize) -> usize {
        piece(&self.config.model, self.device(), micro_batch)
    }

    /// Each micro-batch has its own random numbers, so that every device draws the same. Only
    /// dropout is drawn for everything that is computed at once.
    fn objective(
        &self,
        network: &VelocityNetwork,
        windows: &[Window],
        place: u64,
        at: &Position<'_, Validation>,
    ) -> Tensor<1> {
        let settings = &self.config.train;
        let mut paths = Paths::default();
        for (windows, place) in windows.chunks(settings.micro_batch).zip(place..) {
            let mut rng = stream(settings.seed, Purpose::Batch, place);
            for window in windows {
                let is_labelled = rng.random::<f64>() >= settings.label_dropout;
                let label = window.label.as_deref().filter(|_| is_labelled);
                self.push(&mut paths, window, label, &mut rng);
            }
        }
        let rng = stream(settings.seed, Purpose::Dropout, place);
        let mut dropout = Dropout::on(settings.dropout, rng);
        self.error(network, &paths, &mut dropout) / at.batch as f64
    }

    fn update(&self, at: &Position<'_, Validation>) -> Update {
        let settings = &self.config.train;
        let rate = schedule::learning_rate(at.share, settings.warm_up, settings.rate_floor);
        Update {
            weights: None,
            nth: at.step + 1,
            rate: (settings.learning_rate * rate) as f32,
            betas: settings.betas,
            epsilon: settings.epsilon,
            decay: Decay::Decoupled(settings.weight_decay),
            clip: Some(settings.clip),
        }
    }

    fn averaging(&self) -> Option<f64> {
        self.config.train.ema_decay
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.generator.set_weights(weights);
    }

    fn draw_validation(&mut self, count: usize) -> Result<(), Error> {
        let runs = spread(self.windows.len(), count as u64);
        self.validation = self.windows.read(&runs)?;
        Ok(())
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        let (settings, windows) = (&self.config.train, &self.validation);
        let size = self.piece(settings.micro_batch);
        let pieces: Vec<&[Window]> = windows.chunks(size).collect();
        let errors = ordered_until(
            self.generator.placed.threads(),
            pieces.len(),
            || (),
            |(), i| {
                let mut paths = Paths::default();
                for (window, number) in pieces[i].iter().zip(i * size..) {
                    let mut rng = stream(settings.seed, Purpose::Judgement, number as u64);
                    self.push(&mut paths, window, window.label.as_deref(), &mut rng);
                }
                let error = self.error(&self.generator.placed.network, &paths, &mut Dropout::off());
                f64::from(error.scalar())
            },
            ask,
        )?;
        Ok(Validation {
            step: at.step,
            loss: errors.iter().sum::<f64>() / windows.len() as f64,
            source: if at.averaged {
                Source::Ema
            } else {
                Source::Raw
            },
            training_loss,
        })
    }

    fn save(&self, directory: &Path) -> Result<String, Error> {
        self.generator.save(directory)
    }

    fn verdict(&self, best: &Validation) -> Option<Verdict> {
        let hint = rate_hint(self.config.train.learning_rate);
        Verdict::of_loss(best.loss, gaussian_error(), "", hint)
    }
}

/// Squared error of the best velocity that depends only on mean and deviation of a channel: the
/// variance of x₁ - x₀ given xₜ if both are standard normal, 1 / ((1 - t)² + t²), as a mean over
/// the random times t = σ(n).
fn gaussian_error() -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for n in -600..=600 {
        let n = f64::from(n) / 100.0;
        let density = (-0.5 * n * n).exp();
        let t = 1.0 / (1.0 + (-n).exp());
        sum += density / ((1.0 - t).powi(2) + t * t);
        total += density;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::super::{Method, PrefixSees, Request, Solver, TrainConfig};
    use super::*;
    use crate::generator::sequences::tests::write;

    /// A sine with a period of 16 rows around 5, and a constant.
    fn wave(row: u64, channel: usize) -> f32 {
        match channel {
            0 => 5.0 + 2.0 * (std::f32::consts::TAU * row as f32 / 16.0).sin(),
            _ => 3.0,
        }
    }

    fn sequences(folder: &Path) -> Sequences {
        let splits = [
            (Split::Train, 160, Some("up")),
            (Split::Train, 160, Some("down")),
            (Split::Validation, 96, Some("up")),
        ];
        write(folder, 2, &splits, wave);
        Sequences::open(folder).unwrap()
    }

    fn config() -> FlowMatchingConfig {
        FlowMatchingConfig {
            model: NetworkConfig {
                layers: 1,
                width: 32,
                heads: 2,
                ratio: 2,
                prefix: 8,
                suffix: 8,
                prefix_sees: PrefixSees::Prefix,
            },
            train: TrainConfig {
                steps: 400,
                batch: 16,
                micro_batch: 8,
                stride: 3,
                dropout: 0.02,
                learning_rate: 5e-3,
                ema_decay: Some(0.98),
                validations: 4,
                validation_windows: 24,
                ..TrainConfig::default()
            },
        }
    }

    /// No step.
    const NEVER: u64 = u64::MAX;

    /// Stops the training at this step.
    fn until(step: u64) -> impl Fn(&Progress<'_, Validation>) -> ControlFlow<()> {
        move |progress| {
            if progress.step == step {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    }

    #[test]
    fn test_training_learns_a_wave() {
        learns_a_wave(PrefixSees::Prefix);
    }

    #[test]
    fn test_training_learns_a_wave_if_a_prefix_sees_the_window() {
        learns_a_wave(PrefixSees::Window);
    }

    fn learns_a_wave(prefix_sees: PrefixSees) {
        let folder = tempfile::tempdir().unwrap();
        let sequences = sequences(&folder.path().join("sequences"));
        let model = folder.path().join("model");
        let mut config = config();
        config.model.prefix_sees = prefix_sees;
        let session = Session::new(&model);
        let (generator, report) = train(&config, &sequences, &session, until(NEVER)).unwrap();
        // A velocity of 0 has an error of 2 in the wave, and of 1 in the constant, whose rows are
        // all 0 on the network's scale. The best velocity without a prefix has an error of 1 in the
        // wave.
        assert!(report.best.loss < 0.35, "{:?}", report.validations);
        assert!(report.validations[0].loss > report.best.loss);
        assert!(report.best.training_loss < 0.6, "{:?}", report.best);
        let solver = Solver::default();
        let prefix: Vec<f32> = (16..24).flat_map(|row| [wave(row, 0), 3.0]).collect();
        let next = generator.sample(&prefix, Some("up"), &solver, 0, 0);
        for (row, found) in (24..32).zip(next.chunks(2)) {
            let off = (found[0] - wave(row, 0)).abs();
            assert!(off < 0.9 && (found[1] - 3.0).abs() < 0.3, "{row} {found:?}");
        }
        // A sample without a prefix has the mean and the deviation of the wave.
        let starts: Vec<_> = (0..64)
            .map(|place| Request {
                prefix: &[],
                label: None,
                place,
            })
            .collect();
        let drawn = generator.sample_all(&starts, &solver, 1).concat();
        let wave: Vec<f32> = drawn.iter().step_by(2).copied().collect();
        let mean = wave.iter().sum::<f32>() / wave.len() as f32;
        let square = wave.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / wave.len() as f32;
        assert!(
            (mean - 5.0).abs() < 1.5 && square.sqrt() > 0.5 && square.sqrt() < 2.5,
            "{mean} {square}"
        );
    }

    #[test]
    fn test_sampling_several_at_once_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let sequences = sequences(&folder.path().join("sequences"));
        let mut config = config();
        config.train.steps = 3;
        let model = folder.path().join("model");
        let (generator, _) =
            train(&config, &sequences, &Session::new(&model), until(NEVER)).unwrap();
        let rows: Vec<f32> = (0..30).map(|i| (i as f32).sin()).collect();
        let requests: Vec<_> = [0, 6, 30, 16, 17]
            .iter()
            .zip(0..)
            .map(|(&end, place)| Request {
                prefix: &rows[..end],
                label: Some("down"),
                place,
            })
            .collect();
        let solver = Solver {
            method: Method::Midpoint,
            steps: 3,
        };
        let one_by_one: Vec<_> = requests
            .iter()
            .map(|r| generator.sample(r.prefix, r.label, &solver, 7, r.place))
            .collect();
        for threads in [1, 3] {
            let loaded = FlowMatching::load(&model).unwrap().with_threads(threads);
            assert_eq!(loaded.sample_all(&requests, &solver, 7), one_by_one);
        }
        assert_ne!(
            one_by_one[0],
            generator.sample(&[], Some("down"), &solver, 8, 0)
        );
        // Rows beyond the prefix are never read, and neither is an incomplete row; an unknown label
        // counts as no label.
        let sample = |prefix: &[f32], label| generator.sample(prefix, label, &solver, 7, 0);
        assert_eq!(sample(&rows, None), sample(&rows[14..], None));
        assert_eq!(sample(&rows[..17], None), sample(&rows[..16], None));
        assert_eq!(sample(&rows, Some("sideways")), sample(&rows, None));
    }

    fn session(folder: &Path, threads: usize, resume: bool) -> Session<'_> {
        Session {
            threads: Some(threads),
            resume,
            ..Session::new(folder)
        }
    }

    #[test]
    fn test_a_guess_of_the_velocity() {
        // It is 2 at t = 1/2, and 1 at both ends.
        let guess = gaussian_error();
        assert!((1.6..1.8).contains(&guess), "{guess}");
    }

    #[test]
    fn test_resuming_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let sequences = sequences(&folder.path().join("sequences"));
        let mut config = config();
        config.train.steps = 12;
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        train(
            &config,
            &sequences,
            &session(&whole, 1, false),
            until(NEVER),
        )
        .unwrap();
        let stopped = train(&config, &sequences, &session(&parts, 2, false), until(5));
        assert!(matches!(stopped, Err(Error::Interrupted(5))));
        let stopped = train(&config, &sequences, &session(&parts, 2, true), until(9));
        assert!(matches!(stopped, Err(Error::Interrupted(9))));
        let mut other = config.clone();
        other.train.ema_decay = Some(0.5);
        let refused = train(&other, &sequences, &session(&parts, 2, true), until(NEVER));
        assert!(matches!(refused, Err(Error::OtherRun(_))));
        train(&config, &sequences, &session(&parts, 2, true), until(NEVER)).unwrap();
        for name in [
            "weights.safetensors",
            "generator.json",
            "history.jsonl",
            "manifest.json",
        ] {
            let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
            assert_eq!(read(&whole), read(&parts), "{name}");
        }
        assert!(!parts.join("checkpoint.safetensors").exists());
    }

    #[test]
    fn test_a_gpu_computes_fewer_windows_where_they_are_large() {
        let (small, paper) = (FlowMatchingConfig::small(), FlowMatchingConfig::paper());
        for (config, on_gpu) in [(&small, 64), (&paper, 1)] {
            let micro_batch = config.train.micro_batch;
            let of = |device| piece(&config.model, device, micro_batch);
            assert_eq!(of(Device::Wgpu), on_gpu);
            assert_eq!(of(Device::Cpu), micro_batch);
        }
        // A micro-batch is never cut.
        assert_eq!(piece(&paper.model, Device::Wgpu, 8), 8);
    }

    #[test]
    fn test_time_has_its_weight() {
        let representation = Representation::Codec {
            model: "built in".to_string(),
            blake3: String::new(),
            d_latent: 2,
            option_profiles: Vec::new(),
        };
        let weights = channel_weights(&representation, 0.5);
        assert_eq!(weights, [0.4, 0.4, 0.2]);
    }

    #[test]
    fn test_sequences_that_are_too_short_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let splits = [(Split::Train, 20, None), (Split::Validation, 7, None)];
        write(folder.path(), 2, &splits, wave);
        let sequences = Sequences::open(folder.path()).unwrap();
        let refused = train(
            &config(),
            &sequences,
            &Session::new(folder.path()),
            until(NEVER),
        );
        let Err(error) = refused else {
            panic!("no window has 8 rows")
        };
        assert!(
            error
                .to_string()
                .contains("no sequence of the validation split has 8 rows"),
            "{error}"
        );
    }
}
