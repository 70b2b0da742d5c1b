//! Training a codec: data, settings, and what the training loop is told of it.

mod config;
mod data;
mod manifest;
mod validation;

pub use config::TrainConfig;
pub use data::{Data, Rows};
pub use manifest::Manifest;
pub use validation::Validation;

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device as Tensors, Tensor};
use tracecodec::action::Action;

use super::batch::Batch;
use super::loss::Parts;
use super::{Codec, CodecConfig, Network};
use crate::accuracy::Accuracy;
use crate::device::Device;
use crate::error::Error;
use crate::parallel::{default_threads, ordered};
use crate::random::{Purpose, normals, stream};
use crate::train::{self, Decay, Moment, Progress, Report, Task, Update, schedule};
use crate::weights::Weights;

/// Packets that a validation computes at a time, on the CPU.
const PIECE: usize = 256;

/// Learning rate at the end, as a share of its peak.
const RATE_FLOOR: f64 = 0.01;

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
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Codec, Report<Validation>), Error> {
    config.check()?;
    if data.validation_packets() == 0 {
        return Err(Error::NoData("validation"));
    }
    let mut task = CodecTask::new(config, shape, data)?;
    let run = run_digest(config, shape, data)?;
    let outcome = train::run(
        &mut task,
        &config.budget(),
        &data.training,
        directory,
        &run,
        resume,
        progress,
    )?;
    Manifest::new(config, &task.codec, data, &outcome).write(directory)?;
    let report = outcome.close()?;
    Ok((Codec::load(directory)?.with_device(config.device)?, report))
}

/// The digest that tells whether a checkpoint belongs to a training.
fn run_digest(config: &TrainConfig, shape: &CodecConfig, data: &Data) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    let settings = serde_json::json!([config, shape, data.profiles.to_hex()]);
    hasher.update(settings.to_string().as_bytes());
    data.training.digest(&mut hasher)?;
    data.validation.digest(&mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A codec in training.
struct CodecTask<'a> {
    config: &'a TrainConfig,
    /// The packets of every validation.
    validation: Vec<Action>,
    codec: Codec,
}

impl<'a> CodecTask<'a> {
    fn new(config: &'a TrainConfig, shape: &CodecConfig, data: &Data) -> Result<Self, Error> {
        let threads = config.threads.unwrap_or_else(default_threads);
        Ok(Self {
            config,
            validation: data.validation.spread(config.validation_packets)?,
            codec: Codec::new(shape, config.seed)?
                .with_profiles(data.profiles.clone())
                .with_threads(threads)
                .with_device(config.device)?,
        })
    }

    /// β at this moment.
    fn beta(&self, at: &Moment<'_, Validation>) -> f64 {
        self.config.beta * schedule::beta(at.share, self.config.beta_warm_up)
    }

    /// One micro-batch, augmented; the noise of its latents is appended. Its random numbers are its own, so that every device draws the
    /// same.
    fn micro_batch(&self, packets: &[Action], place: u64, noise: &mut Vec<f32>) -> Batch {
        let symbols = self.codec.symbols();
        let mut rng = stream(self.config.seed, Purpose::Batch, place);
        let mut batch = Batch::new(symbols, packets.iter());
        batch.augment(symbols, &self.config.augmentation, &mut rng);
        let count = packets.len() * self.codec.config().d_latent;
        noise.extend(normals(&mut rng, count));
        batch
    }

    /// Parts of the objective on the validation packets, without augmentation and noise.
    fn validation_parts(&self) -> Parts {
        let pieces: Vec<&[Action]> = self.validation.chunks(self.codec.piece(PIECE)).collect();
        let (network, symbols) = (self.codec.network(), self.codec.symbols());
        let parts = ordered(
            self.codec.threads(),
            pieces.len(),
            || (),
            |(), i| {
                let batch = Batch::new(symbols, pieces[i].iter());
                let objective = network.objective(&batch, &batch.mask(symbols), None);
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

impl Task for CodecTask<'_> {
    type Example = Action;
    type Network = Network;
    type Validation = Validation;

    fn network(&self) -> &Network {
        self.codec.network()
    }

    fn device(&self) -> Device {
        self.config.device
    }

    fn tensors(&self) -> &Tensors {
        self.codec.tensors()
    }

    /// Nats a packet.
    fn objective(
        &self,
        network: &Network,
        packets: &[Action],
        place: u64,
        at: &Moment<'_, Validation>,
    ) -> Tensor<1> {
        let mut noise = Vec::new();
        let mut batch = Batch::new(self.codec.symbols(), std::iter::empty());
        for (packets, place) in packets.chunks(self.config.micro_batch).zip(place..) {
            batch.append(self.micro_batch(packets, place, &mut noise));
        }
        let mask = batch.mask(self.codec.symbols());
        let parts = network.objective(&batch, &mask, Some(noise));
        let loss = parts.fields + parts.time * self.config.lambda_time + parts.kl * self.beta(at);
        loss / at.batch as f64
    }

    fn update(&self, at: &Moment<'_, Validation>) -> Update {
        let rate = schedule::learning_rate(at.share, self.config.warm_up, RATE_FLOOR);
        Update {
            weights: None,
            nth: at.step + 1,
            rate: (self.config.learning_rate * rate) as f32,
            betas: self.config.betas,
            epsilon: self.config.epsilon,
            decay: Decay::Decoupled(self.config.weight_decay),
            clip: Some(self.config.clip),
        }
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.codec.set_weights(weights);
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Moment<'_, Validation>,
    ) -> Result<Validation, Error> {
        let actions = &self.validation;
        let latents = self.codec.posterior(actions);
        let decoded = self.codec.decode_in_context(&latents.mu, actions);
        let mut accuracy = Accuracy::without(&self.codec.config().omit);
        accuracy.add(actions, &decoded);
        let parts = self.validation_parts();
        let mean = |part: f64| part / parts.packets;
        let (fields, time, kl) = (mean(parts.fields), mean(parts.time), mean(parts.kl));
        Ok(Validation {
            step: at.step,
            loss: fields + self.config.lambda_time * time + self.config.beta * kl,
            fields,
            time,
            kl,
            accuracy: accuracy.mean(),
            exact: accuracy.exact_share(),
            training_loss,
        })
    }

    fn save(&self, directory: &Path) -> Result<String, Error> {
        self.codec.save(directory, self.config.precision)
    }
}

/// The value of a scalar tensor.
fn number(scalar: &Tensor<1>) -> f64 {
    f64::from(scalar.clone().into_scalar::<f32>())
}
