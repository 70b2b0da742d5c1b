//! Encoder and decoder as one module.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::CodecConfig;
use super::batch::Batch;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::loss::{divergence, sample};
use super::symbols::Symbols;

/// The trainable part of the codec.
#[derive(Module, Debug)]
pub(crate) struct Network {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
}

/// The parts of the objective of one batch, summed over its packets.
pub(crate) struct Objective {
    /// Cross-entropy of the discrete fields.
    pub(crate) fields: Tensor<1>,
    /// Cross-entropy of the time's symbols.
    pub(crate) time: Tensor<1>,
    /// Divergence of the posterior from the unit Gaussian.
    pub(crate) kl: Tensor<1>,
}

impl Network {
    /// A network with fresh weights.
    pub(crate) fn new(
        config: &CodecConfig,
        symbols: &Symbols,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        Self {
            encoder: Encoder::new(config, symbols, rng, device),
            decoder: Decoder::new(config, symbols, rng, device),
        }
    }

    /// The objective of a batch; the latent is the mean, or a draw from the posterior where there is noise.
    pub(crate) fn objective(
        &self,
        batch: &Batch,
        mask: &[f32],
        noise: Option<Vec<f32>>,
    ) -> Objective {
        let posterior = self.encoder.forward(batch);
        let z = match noise {
            Some(noise) => {
                let noise = TensorData::new(noise, posterior.mu.dims());
                let noise = Tensor::from_data(noise, &posterior.mu.device());
                sample(&posterior, noise)
            }
            None => posterior.mu.clone(),
        };
        let surprise = self.decoder.surprise(z, batch, mask);
        Objective {
            fields: surprise.fields,
            time: surprise.time,
            kl: divergence(&posterior),
        }
    }
}
