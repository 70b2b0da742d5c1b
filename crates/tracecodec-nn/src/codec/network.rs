//! Encoder and decoder as one module.

use tracecodec_tensor::{Device, Module, Tensor, Visitor};

use super::CodecConfig;
use super::batch::Batch;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::symbols::Symbols;
use crate::layers::{Initial, divergence, sample};

/// The trainable part of the codec.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
}

impl Module for Network {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("encoder", &mut self.encoder);
        visitor.part("decoder", &mut self.decoder);
    }
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
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        Self {
            encoder: Encoder::new(config, symbols, initial, device),
            decoder: Decoder::new(config, symbols, initial, device),
        }
    }

    /// The objective of a batch. The latent is the mean, or with `noise` a draw from the posterior.
    pub(crate) fn objective(
        &self,
        batch: &Batch,
        mask: &[f32],
        noise: Option<Vec<f32>>,
    ) -> Objective {
        let posterior = self.encoder.forward(batch);
        let z = match noise {
            Some(noise) => {
                let mu = &posterior.mu;
                sample(&posterior, Tensor::new(noise, mu.dims(), &mu.device()))
            }
            None => posterior.mu.clone(),
        };
        let nats = self.decoder.nats(&z, batch, mask);
        Objective {
            fields: nats.fields,
            time: nats.time,
            kl: divergence(&posterior),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{ContextSource, EncoderKind, TokenLayout};
    use crate::device;
    use crate::random::{Purpose, stream};
    use std::sync::Arc;
    use tracecodec::action::PAPER_SCHEMA;

    use crate::weights::Weights;

    const ROWS: usize = 3;

    fn shape(encoder: EncoderKind, context: ContextSource) -> CodecConfig {
        CodecConfig {
            d_latent: 2,
            encoder,
            context,
            tokens: TokenLayout::Group,
            d_model: 4,
            layers: 1,
            heads: 2,
            width: 4,
            encoder_blocks: 1,
            decoder_blocks: 1,
            time_digits: 1,
            schema_version: PAPER_SCHEMA,
            ..CodecConfig::default()
        }
    }

    /// Fields, time, KL, the norm of the gradient and its product with cos(0), cos(1), … at the
    /// weights 0.3 sin(1.3 k + 0.5).
    fn measure(shape: &CodecConfig, device: device::Device) -> [f64; 5] {
        let symbols = Symbols::new(shape);
        let device = device.open().unwrap();
        let mut rng = stream(0, Purpose::Weights, 0);
        let network = Network::new(shape, &symbols, &mut rng, &device);
        let mut weights = Weights::of(&network);
        for (k, weight) in Arc::make_mut(&mut weights.values).iter_mut().enumerate() {
            *weight = (0.3 * (1.3 * k as f64 + 0.5).sin()) as f32;
        }
        let network = weights.load_tracked(network, &device);
        let rows = 0..ROWS;
        let all = |row: usize| {
            symbols
                .all()
                .iter()
                .enumerate()
                .map(move |(i, s)| (row, i, s))
        };
        let values = rows
            .clone()
            .flat_map(all)
            .map(|(row, i, s)| ((7 * i + 3 * row) % s.size) as u8);
        let mask = rows
            .clone()
            .flat_map(all)
            .map(|(row, i, _)| f32::from(u8::from((i + row) % 5 != 0)));
        let noise = rows.flat_map(|row| [2 * row, 2 * row + 1].map(|x| (x % 3) as f32 - 1.0));
        let batch = Batch {
            rows: ROWS,
            values: values.collect(),
        };
        let mask: Vec<f32> = mask.collect();
        let objective = network.objective(&batch, &mask, Some(noise.collect()));
        let parts = [&objective.fields, &objective.time, &objective.kl]
            .map(|part| f64::from(part.scalar()));
        let gradient = (objective.fields + objective.time + objective.kl).gradient(&network);
        let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
        let product = gradient
            .iter()
            .enumerate()
            .map(|(k, &g)| f64::from(g) * (k as f64).cos());
        [parts[0], parts[1], parts[2], square.sqrt(), product.sum()]
    }

    /// Compares with the numbers of an implementation in JAX, `tests/reference.py`.
    fn check_against_jax(device: device::Device) {
        for (encoder, context, expected) in [
            (
                EncoderKind::ResidualMlp,
                ContextSource::Latent,
                [358.1864, 20.0552, 0.1751, 14.3227, 6.8474],
            ),
            (
                EncoderKind::ResidualMlp,
                ContextSource::Flow,
                [332.3567, 19.9397, 0.1751, 14.2552, 4.3773],
            ),
            (
                EncoderKind::Transformer,
                ContextSource::Latent,
                [358.268, 20.119, 0.4047, 18.2475, 2.1245],
            ),
        ] {
            let shape = shape(encoder, context);
            for (found, expected) in measure(&shape, device).into_iter().zip(expected) {
                let tolerance = 1e-4 * f64::max(1.0, f64::abs(expected));
                assert!(
                    (found - expected).abs() < tolerance,
                    "{shape:?}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn test_objective_and_gradients_against_jax() {
        check_against_jax(device::Device::Cpu);
    }

    #[test]
    #[cfg(feature = "wgpu")]
    fn test_device_wgpu_against_jax() {
        check_against_jax(device::Device::Wgpu);
    }
}
