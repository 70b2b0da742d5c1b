//! Training a codec: data, settings, and the task that the training loop runs.

mod config;
mod data;
mod manifest;
mod validation;

pub use config::{CodecSettings, TrainConfig};
pub use data::{Data, Rows};
pub use manifest::{Manifest, Origin};
pub use validation::Validation;

use std::ops::ControlFlow;
use std::path::Path;

use tracecodec::action::Action;
use tracecodec_tensor::{Device as Tensors, Tensor};

use super::batch::Batch;
use super::loss::Parts;
use super::{Codec, Network};
use crate::accuracy::Accuracy;
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::parallel::{default_threads, ordered_until};
use crate::random::{Purpose, normals, stream};
use crate::train::{
    self, Decay, Position, Progress, Report, Session, Task, Update, Verdict, rate_hint, schedule,
};
use crate::weights::Weights;

/// Packets of a validation that are computed at a time, on the CPU.
const PIECE: usize = 256;

/// Pieces that a validation reconstructs between two looks at whether to stop.
const ASK_EVERY: usize = 4;

/// Learning rate at the end, as a share of its peak.
const RATE_FLOOR: f64 = 0.01;

/// Trains a codec and writes the best one into the session's folder, with `history.jsonl` and
/// `manifest.json`.
///
/// A checkpoint is written at each validation and every minute between, and removed at the end of
/// the training. `progress` is called after each step, and may stop the training; a checkpoint is
/// then written, too.
///
/// # Errors
/// If a setting is out of its range, there is no data, a file cannot be read or written, the loss
/// is no longer finite, the training was stopped, or the checkpoint is of other data or settings.
pub fn train(
    settings: &CodecSettings,
    data: &Data,
    session: &Session<'_>,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Codec, Report<Validation>), Error> {
    settings.check()?;
    if data.validation_packets() == 0 {
        return Err(Error::NoData("validation"));
    }
    let report = train::run(
        &mut CodecTask::new(settings, data, session)?,
        &settings.train.budget(),
        &data.training,
        session,
        &run_digest(settings, data)?,
        Origin::new(settings, data),
        progress,
    )?;
    let codec = Codec::load(session.folder)?.with_device(session.device)?;
    Ok((codec, report))
}

/// Digest of settings and data, by which a checkpoint is matched to its training.
fn run_digest(settings: &CodecSettings, data: &Data) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    let settings = serde_json::json!([settings.train, settings.model, data.profiles.to_hex()]);
    hasher.update(settings.to_string().as_bytes());
    data.training.digest(&mut hasher)?;
    data.validation.digest(&mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A codec in training.
struct CodecTask<'a> {
    settings: &'a CodecSettings,
    config: &'a TrainConfig,
    data: &'a Data,
    /// Packets of every validation.
    validation: Vec<Action>,
    codec: Codec,
}

impl<'a> CodecTask<'a> {
    fn new(
        settings: &'a CodecSettings,
        data: &'a Data,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let threads = session.threads.unwrap_or_else(default_threads);
        Ok(Self {
            settings,
            config: &settings.train,
            data,
            validation: Vec::new(),
            codec: Codec::new(&settings.model, settings.train.seed)?
                .with_profiles(data.profiles.clone())
                .with_threads(threads)
                .with_device(session.device)?,
        })
    }

    /// β at this position.
    fn beta(&self, at: &Position<'_, Validation>) -> f64 {
        self.config.beta * schedule::beta(at.share, self.config.beta_warm_up)
    }

    /// One augmented micro-batch; the noise of its latents is appended to `noise`. Each micro-batch
    /// has a random stream of its own, so that every device draws the same numbers.
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
    fn validation_parts(&self, ask: &mut dyn FnMut() -> Result<(), Error>) -> Result<Parts, Error> {
        let pieces: Vec<&[Action]> = self.validation.chunks(self.codec.piece(PIECE)).collect();
        let (network, symbols) = (self.codec.network(), self.codec.symbols());
        let parts = ordered_until(
            self.codec.threads(),
            pieces.len(),
            || (),
            |(), i| {
                let batch = Batch::new(symbols, pieces[i].iter());
                let objective = network.objective(&batch, &batch.mask(symbols), None);
                Parts {
                    packets: pieces[i].len() as f64,
                    fields: f64::from(objective.fields.scalar()),
                    time: f64::from(objective.time.scalar()),
                    kl: f64::from(objective.kl.scalar()),
                }
            },
            ask,
        )?;
        Ok(parts.into_iter().fold(Parts::default(), Parts::add))
    }
}

impl Task for CodecTask<'_> {
    type Example = Action;
    type Network = Network;
    type Validation = Validation;

    const KIND: Kind = Kind::Codec;

    fn network(&self) -> &Network {
        self.codec.network()
    }

    fn device(&self) -> Device {
        self.codec.device()
    }

    fn tensors(&self) -> &Tensors {
        self.codec.tensors()
    }

    /// The objective, in nats a packet.
    fn objective(
        &self,
        network: &Network,
        packets: &[Action],
        place: u64,
        at: &Position<'_, Validation>,
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

    fn update(&self, at: &Position<'_, Validation>) -> Update {
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

    fn draw_validation(&mut self, count: usize) -> Result<(), Error> {
        self.validation = self.data.validation.spread(count)?;
        Ok(())
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        let mut accuracy = Accuracy::carrying(|field| self.codec.config().carries(field));
        // Whole pieces, so that each batch is the same as if all packets were passed at once.
        for actions in self.validation.chunks(ASK_EVERY * self.codec.piece(PIECE)) {
            ask()?;
            let latents = self.codec.posterior(actions);
            accuracy.add(actions, &self.codec.decode_in_context(&latents.mu, actions));
        }
        let parts = self.validation_parts(ask)?;
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

    fn verdict(&self, best: &Validation) -> Option<Verdict> {
        self.settings.verdict(best)
    }
}

impl CodecSettings {
    /// Why a codec with this validation is of no use: it is no better than a guess, or not one
    /// packet was reproduced. `None` if it is of use.
    fn verdict(&self, best: &Validation) -> Option<Verdict> {
        let guessing = self.model.guessing_nats(self.train.lambda_time);
        let hint = rate_hint(self.train.learning_rate);
        let guess = Verdict::of_loss(best.loss, guessing, " nats a packet", hint.clone());
        let nothing = (best.exact == 0.0).then(|| Verdict {
            reason: "not one packet of the best validation came back whole".to_string(),
            hint,
        });
        guess.or(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::PAPER_SCHEMA;

    #[test]
    fn test_useless_codecs_are_told() {
        let mut settings = CodecSettings::default();
        settings.model.schema_version = PAPER_SCHEMA;
        let told = |loss, exact| {
            let validation = Validation {
                step: 20,
                loss,
                fields: 0.02,
                time: 0.0,
                kl: 78.0,
                accuracy: 0.86,
                exact,
                training_loss: loss,
            };
            let verdict = settings.verdict(&validation);
            verdict.map_or(String::new(), |verdict| verdict.reason)
        };
        assert_eq!(told(1.6, 0.99), "");
        assert_eq!(told(134.0, 0.01), "");
        assert!(told(34.0, 0.0).contains("not one packet"));
        for loss in [136.0, 2e11, f64::NAN] {
            assert!(
                told(loss, 0.0).contains("and guessing 136"),
                "{}",
                told(loss, 0.0)
            );
            assert!(told(loss, 0.5).contains("diverged"));
        }
    }
}
