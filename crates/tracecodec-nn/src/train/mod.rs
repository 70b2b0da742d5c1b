//! The one training loop.
//!
//! A step takes a batch, cut into micro-batches of a fixed size. Each is computed on a network of its own thread, the
//! gradients are summed in order, clipped and handed to AdamW: the weights do not depend on the number of threads. A GPU
//! computes the same micro-batches as one.

mod adamw;
mod checkpoint;
mod config;
mod data;
mod history;
mod manifest;
mod order;
mod schedule;
mod state;

pub use config::TrainConfig;
pub use data::{Data, Rows};
pub use history::{Validation, read_history};
pub use manifest::Manifest;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use tracecodec::action::Action;

use crate::accuracy::Accuracy;
use crate::codec::batch::Batch;
use crate::codec::loss::Parts;
use crate::codec::{Codec, CodecConfig, Network, Symbols};
use crate::error::Error;
use crate::parallel::{default_threads, ordered};
use crate::random::{Purpose, normals, stream};
use crate::weights::{Weights, gradients};
use adamw::{AdamW, Moments, clip};
use checkpoint::Checkpoints;
use order::Order;
use state::{Standing, State};

/// Packets that a validation computes at a time, on the CPU.
const PIECE: usize = 256;

/// Longest time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Where a training stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Optimiser steps so far.
    pub step: u64,
    /// Share of the budget that is used, 0 to 1.
    pub share: f64,
    /// Objective of the last step's packets, augmentation and noise included.
    pub loss: f64,
    /// The last validation.
    pub validation: Option<Validation>,
    /// Training packets a second since the start, validations aside.
    pub packets_per_second: f64,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Optimiser steps.
    pub steps: u64,
    /// Every validation.
    pub validations: Vec<Validation>,
    /// The validation of the weights that were kept.
    pub best: Validation,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Training packets a second, validations aside.
    pub packets_per_second: f64,
}

/// Trains a codec and leaves the best one in a directory, with `history.jsonl` and `manifest.json`.
///
/// A checkpoint is written at each validation and every minute between; it is gone when the training ends. `progress` is called after each
/// step, and may stop the training: then a checkpoint is written, too. With `resume` a training goes on from the directory's
/// checkpoint, to the same weights as if it had never stopped.
///
/// # Errors
/// If a setting is out of its range, there is no data, a file cannot be read or written, the loss is no longer finite, the training was
/// stopped, or the checkpoint is of other data or settings.
pub fn train(
    config: &TrainConfig,
    shape: &CodecConfig,
    data: &Data,
    directory: &Path,
    resume: bool,
    mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Codec, Report), Error> {
    config.check()?;
    let packets = (data.training_packets(), data.validation_packets());
    for (name, packets) in [("training", packets.0), ("validation", packets.1)] {
        if packets == 0 {
            return Err(Error::NoData(name));
        }
    }
    let mut trainer = Trainer::new(config, shape, data)?;
    let mut checkpoints = Checkpoints::new(directory, config.precision);
    let run = state::run_digest(config, shape, data)?;
    if resume {
        let state = State::read(directory, &run, trainer.weights.values.len())?;
        checkpoints.restore(&state.standing.validations, trainer.best_of(&state))?;
        trainer.restore(state);
    }
    let taken = trainer.steps * config.batch as u64;
    let mut order = Order::after(taken, &data.training, config.seed, config.shuffle_pool);
    let mut written = Instant::now();
    while trainer.share() < 1.0 && checkpoints.since_best() < config.patience {
        let loss = trainer.step(&mut order)?;
        let due =
            (checkpoints.validations().len() + 1) as f64 / f64::from(config.validations.max(1));
        let is_due = trainer.share() >= due.min(1.0);
        if is_due {
            let validation = trainer.validate();
            checkpoints.record(validation, &trainer.codec)?;
        }
        let latest = checkpoints.validations().last().copied();
        let go_on = progress(&trainer.progress(loss, latest));
        if is_due || go_on.is_break() || written.elapsed() > CHECKPOINT_EVERY {
            trainer.state(&run, &checkpoints).write(directory)?;
            written = Instant::now();
        }
        if go_on.is_break() {
            return Err(Error::Interrupted(trainer.steps));
        }
    }
    let stopped_early = trainer.share() < 1.0;
    let validations = checkpoints.validations().to_vec();
    let best = checkpoints.finish(config, &trainer.codec, data, trainer.steps)?;
    let report = Report {
        steps: trainer.steps,
        validations,
        best,
        stopped_early,
        packets_per_second: trainer.packets_per_second(),
    };
    Ok((Codec::load(directory)?.with_device(config.device)?, report))
}

struct Trainer<'a> {
    config: &'a TrainConfig,
    /// The packets of every validation.
    validation: Vec<Action>,
    codec: Codec,
    symbols: Symbols,
    template: Network,
    weights: Weights,
    moments: Moments,
    threads: usize,
    steps: u64,
    seconds: f64,
    running: Parts,
    running_kl_weight: f64,
}

impl<'a> Trainer<'a> {
    fn new(config: &'a TrainConfig, shape: &CodecConfig, data: &Data) -> Result<Self, Error> {
        let threads = config.threads.unwrap_or_else(default_threads);
        let codec = Codec::new(shape, config.seed)?
            .with_profiles(data.profiles.clone())
            .with_threads(threads)
            .with_device(config.device)?;
        let weights = codec.weights();
        Ok(Self {
            config,
            validation: data.validation.spread(config.validation_packets)?,
            symbols: codec.symbols().clone(),
            template: codec.network().clone(),
            moments: Moments::new(weights.values.len()),
            threads: codec.threads(),
            codec,
            weights,
            steps: 0,
            seconds: 0.0,
            running: Parts::default(),
            running_kl_weight: 0.0,
        })
    }

    /// Goes on from where another left off.
    fn restore(&mut self, state: State) {
        let Standing {
            steps,
            seconds,
            running,
            running_kl_weight,
            ..
        } = state.standing;
        (self.steps, self.seconds) = (steps, seconds);
        (self.running, self.running_kl_weight) = (running, running_kl_weight);
        self.weights.values = state.weights;
        self.moments = state.moments;
    }

    /// The best codec of a checkpoint, if it had a validation.
    fn best_of(&mut self, state: &State) -> Option<&Codec> {
        if state.best.is_empty() {
            return None;
        }
        self.weights.values.clone_from(&state.best);
        self.codec.set_weights(&self.weights);
        Some(&self.codec)
    }

    fn state(&self, run: &str, checkpoints: &Checkpoints) -> State {
        State {
            standing: Standing {
                run: run.to_string(),
                steps: self.steps,
                seconds: self.seconds,
                running: self.running,
                running_kl_weight: self.running_kl_weight,
                validations: checkpoints.validations().to_vec(),
            },
            weights: self.weights.values.clone(),
            moments: self.moments.clone(),
            best: checkpoints.best_weights().to_vec(),
        }
    }

    /// Share of the budget that is used.
    fn share(&self) -> f64 {
        match self.config.minutes {
            Some(minutes) => self.seconds / (60.0 * minutes),
            None => self.steps as f64 / self.config.steps as f64,
        }
    }

    fn packets_per_second(&self) -> f64 {
        self.steps as f64 * self.config.batch as f64 / self.seconds.max(1e-9)
    }

    fn progress(&self, loss: f64, validation: Option<Validation>) -> Progress {
        Progress {
            step: self.steps,
            share: self.share().min(1.0),
            loss,
            validation,
            packets_per_second: self.packets_per_second(),
        }
    }

    /// One optimiser step on the next packets; gives back the objective a packet.
    fn step(&mut self, order: &mut Order) -> Result<f64, Error> {
        let start = Instant::now();
        let share = self.share();
        let beta = self.config.beta * schedule::beta(share, self.config.beta_warm_up);
        let packets = order.take(self.config.batch)?;
        let (parts, mut gradient) = self.gradient(&packets, beta);
        let loss = self.objective(&parts, beta);
        if !loss.is_finite() {
            return Err(Error::Diverged {
                step: self.steps,
                loss,
            });
        }
        clip(&mut gradient, self.config.clip);
        let rate = self.config.learning_rate * schedule::learning_rate(share, self.config.warm_up);
        self.optimiser().step(
            &mut self.moments,
            &mut self.weights.values,
            &gradient,
            rate as f32,
        );
        self.steps += 1;
        self.running = self.running.add(parts);
        self.running_kl_weight = beta;
        self.seconds += start.elapsed().as_secs_f64();
        Ok(loss)
    }

    fn optimiser(&self) -> AdamW {
        AdamW {
            betas: self.config.betas,
            epsilon: self.config.epsilon,
            weight_decay: self.config.weight_decay,
        }
    }

    /// The objective in nats a packet.
    fn objective(&self, parts: &Parts, beta: f64) -> f64 {
        (parts.fields + self.config.lambda_time * parts.time + beta * parts.kl)
            / parts.packets.max(1.0)
    }

    /// The mean gradient of a batch, summed over its micro-batches in order.
    fn gradient(&self, packets: &[Action], beta: f64) -> (Parts, Vec<f32>) {
        let device = self.codec.tensors().clone().autodiff();
        let size = self.codec.piece(self.config.micro_batch);
        let pieces: Vec<&[Action]> = packets.chunks(size).collect();
        let before = self.steps as usize * packets.len();
        let results = ordered(
            self.threads,
            pieces.len(),
            || self.weights.load(self.template.clone(), &device),
            |network, piece| {
                let place = (before + piece * size) / self.config.micro_batch;
                self.piece(network, pieces[piece], place as u64, beta, packets.len())
            },
        );
        results
            .into_iter()
            .reduce(|(parts, mut sum), (more, gradient)| {
                sum.iter_mut().zip(gradient).for_each(|(a, b)| *a += b);
                (parts.add(more), sum)
            })
            .expect("a batch has micro-batches")
    }

    /// Micro-batches that are computed at once; `place` is that of the first.
    fn piece(
        &self,
        network: &Network,
        packets: &[Action],
        place: u64,
        beta: f64,
        total: usize,
    ) -> (Parts, Vec<f32>) {
        let mut noise = Vec::new();
        let mut batch = Batch::new(&self.symbols, std::iter::empty());
        for (packets, place) in packets.chunks(self.config.micro_batch).zip(place..) {
            batch.append(self.micro_batch(packets, place, &mut noise));
        }
        let mask = batch.mask(&self.symbols);
        let objective = network.objective(&batch, &mask, Some(noise));
        let parts = Parts {
            packets: packets.len() as f64,
            fields: number(&objective.fields),
            time: number(&objective.time),
            kl: number(&objective.kl),
        };
        let loss =
            objective.fields + objective.time * self.config.lambda_time + objective.kl * beta;
        let backward = (loss / total as f64).backward();
        let gradient = gradients(network, backward);
        (parts, gradient)
    }

    /// One micro-batch, augmented; the noise of its latents is appended. Its random numbers are its own, so that every device draws the
    /// same.
    fn micro_batch(&self, packets: &[Action], place: u64, noise: &mut Vec<f32>) -> Batch {
        let mut rng = stream(self.config.seed, Purpose::Batch, place);
        let mut batch = Batch::new(&self.symbols, packets.iter());
        batch.augment(&self.symbols, &self.config.augmentation, &mut rng);
        let count = packets.len() * self.codec.config().d_latent;
        noise.extend(normals(&mut rng, count));
        batch
    }

    /// Puts the weights into the codec and measures it on the validation packets.
    fn validate(&mut self) -> Validation {
        self.codec.set_weights(&self.weights);
        let actions = &self.validation;
        let latents = self.codec.posterior(actions);
        let decoded = self.codec.decode_in_context(&latents.mu, actions);
        let mut accuracy = Accuracy::without(&self.codec.config().omit);
        accuracy.add(actions, &decoded);
        let parts = self.validation_parts();
        let training_loss = self.objective(&self.running, self.running_kl_weight);
        self.running = Parts::default();
        Validation {
            step: self.steps,
            loss: self.objective(&parts, self.config.beta),
            fields: parts.fields / parts.packets,
            time: parts.time / parts.packets,
            kl: parts.kl / parts.packets,
            accuracy: accuracy.mean(),
            exact: accuracy.exact_share(),
            training_loss,
        }
    }

    fn validation_parts(&self) -> Parts {
        let pieces: Vec<&[Action]> = self.validation.chunks(self.codec.piece(PIECE)).collect();
        let network = self.codec.network();
        let parts = ordered(
            self.threads,
            pieces.len(),
            || (),
            |(), i| {
                let batch = Batch::new(&self.symbols, pieces[i].iter());
                let objective = network.objective(&batch, &batch.mask(&self.symbols), None);
                Parts {
                    packets: pieces[i].len() as f64,
                    fields: number(&objective.fields),
                    time: number(&objective.time),
                    kl: number(&objective.kl),
                }
            },
        );
        parts.into_iter().fold(Parts::default(), Parts::add)
    }
}

/// The value of a scalar tensor.
fn number(scalar: &Tensor<1>) -> f64 {
    f64::from(scalar.clone().into_scalar::<f32>())
}
