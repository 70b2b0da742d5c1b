//! TTVAE (Wang & Nguyen, Artificial Intelligence 340, 2025): a Transformer autoencoder of one-hot
//! rows. Its decoder attends to the encoder's output, not to the latents alone.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracecodec_tensor::{Device, Linear, Module, Tensor, Visitor};

use super::batch::{EncodedRows, Shape, StepContext};
use super::one_hot::{FACTOR, InputLayer, OutputLayer};
use super::post_norm::{D_MODEL, DROPPED, DecoderLayer, EncoderLayer, Sequences};
use crate::layers::{Dropout, Posterior, linear, sample};
use crate::random::normals;

/// Width of the latent.
const D_LATENT: usize = 32;

/// Layers of the encoder, and of the decoder.
const LAYERS: usize = 2;

/// The two variants of TTVAE: what its published code does, or what its paper describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As published. The rows of a batch are one sequence, which attention mixes; and the
    /// divergence does not see the posterior's deviation but, in its place, the σ of the last
    /// number: it is of μ + σε, with one ε for all. Of a table without numbers it is of μ + ε log
    /// σ².
    Published,
    /// As intended. Each row is a sequence of its own, and the divergence is that of the decoded
    /// latents.
    Intended,
}

/// The network of TTVAE.
#[derive(Debug, Clone)]
pub(crate) struct Ttvae {
    input: InputLayer,
    encoder: Vec<EncoderLayer>,
    mu: Linear,
    log_var: Linear,
    latent: Linear,
    decoder: Vec<DecoderLayer>,
    output: OutputLayer,
    variant: Variant,
}

impl Module for Ttvae {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("input", &mut self.input);
        visitor.part("encoder", &mut self.encoder);
        visitor.part("mu", &mut self.mu);
        visitor.part("log_var", &mut self.log_var);
        visitor.part("latent", &mut self.latent);
        visitor.part("decoder", &mut self.decoder);
        visitor.part("output", &mut self.output);
    }
}

/// Standard normal numbers for an objective, `[rows, d_latent]` each.
struct Noise {
    /// Noise of the latents.
    latent: Vec<f32>,
    /// Noise of the vectors that the published divergence uses in place of the latents; its first
    /// number is the shared ε.
    divergence: Vec<f32>,
    /// Draws from the prior.
    prior: Vec<f32>,
}

impl Ttvae {
    /// Path of the numbers' σ among the weights; the published training clamps it to [0.01, 1]
    /// after each step.
    pub(crate) const SIGMA: &str = "output.numbers.sigma";

    /// A network with fresh weights. The layers of a stack start alike, as PyTorch copies them.
    pub(crate) fn new(
        shape: &Shape,
        variant: Variant,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let seed = rng.random();
        let alike = || ChaCha8Rng::seed_from_u64(seed);
        Self {
            input: InputLayer::new(shape, D_MODEL, rng, device),
            encoder: (0..LAYERS)
                .map(|_| EncoderLayer::new(&mut alike(), device))
                .collect(),
            mu: linear(D_MODEL, D_LATENT, rng, device),
            log_var: linear(D_MODEL, D_LATENT, rng, device),
            latent: linear(D_LATENT, D_MODEL, rng, device),
            decoder: (0..LAYERS)
                .map(|_| DecoderLayer::new(&mut alike(), device))
                .collect(),
            output: OutputLayer::new(shape, D_MODEL, rng, device),
            variant,
        }
    }

    /// The objective of a step's whole batch: twice the negative log-likelihood at a row, and the
    /// latents' divergence from the prior.
    pub(crate) fn objective(
        &self,
        batch: &EncodedRows,
        context: &StepContext,
        rng: &mut impl Rng,
    ) -> Tensor<1> {
        let mut noise = || normals(rng, batch.rows * D_LATENT);
        let noise = Noise {
            latent: noise(),
            divergence: noise(),
            prior: noise(),
        };
        self.loss(batch, context.total, noise, Dropout::on(DROPPED, rng))
    }

    fn loss(
        &self,
        batch: &EncodedRows,
        total: usize,
        noise: Noise,
        mut dropout: Dropout<impl Rng>,
    ) -> Tensor<1> {
        let (memory, posterior) = self.encode(batch, &mut dropout);
        let device = memory.device();
        let tensor = |noise| Tensor::new(noise, posterior.mu.dims(), &device);
        let z = sample(&posterior, tensor(noise.latent));
        let features = self.features(&z, &memory, &mut dropout);
        let nats = self.output.nats(&features, batch) * (FACTOR / total as f64);
        let compared = match (self.variant, self.output.last_sigma()) {
            (Variant::Intended, _) => z,
            (Variant::Published, Some(sigma)) => {
                let shared = noise.divergence.first().copied().unwrap_or_default();
                posterior.mu.clone() + (sigma * f64::from(shared)).reshape([1, 1])
            }
            (Variant::Published, None) => {
                posterior.mu.clone() + posterior.log_var.clone() * tensor(noise.divergence)
            }
        };
        nats + discrepancy(compared, tensor(noise.prior))
    }

    /// Encodes rows and decodes them from μ and the encoder's output. As published, a decoded row
    /// depends on its batch, which should be as large as in training.
    pub(crate) fn reconstruct(&self, batch: &EncodedRows) -> EncodedRows {
        let mut dropout = Dropout::off();
        let (memory, posterior) = self.encode(batch, &mut dropout);
        let features = self.features(&posterior.mu, &memory, &mut dropout);
        self.output.decode(&features)
    }

    /// The reconstruction part of the objective with latents at μ, summed over the rows.
    pub(crate) fn nats(&self, batch: &EncodedRows) -> f64 {
        let mut dropout = Dropout::off();
        let (memory, posterior) = self.encode(batch, &mut dropout);
        let features = self.features(&posterior.mu, &memory, &mut dropout);
        let nats = self.output.nats(&features, batch) * FACTOR;
        nats.scalar().into()
    }

    /// The encoder's output, to which the decoder attends, and the latents' posterior.
    fn encode(
        &self,
        batch: &EncodedRows,
        dropout: &mut Dropout<impl Rng>,
    ) -> (Tensor<2>, Posterior) {
        let mut x = self.input.forward(batch);
        for layer in &self.encoder {
            x = layer.forward(x, self.sequences(), dropout);
        }
        let posterior = Posterior {
            mu: self.mu.forward(&x),
            log_var: self.log_var.forward(&x),
        };
        (x, posterior)
    }

    fn features(
        &self,
        z: &Tensor<2>,
        memory: &Tensor<2>,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<2> {
        let mut x = self.latent.forward(z);
        for layer in &self.decoder {
            x = layer.forward(x, memory, self.sequences(), dropout);
        }
        x
    }

    fn sequences(&self) -> Sequences {
        match self.variant {
            Variant::Published => Sequences::One,
            Variant::Intended => Sequences::EachRow,
        }
    }
}

/// The maximum mean discrepancy between two samples of the same size (Gretton et al. 2012, equation
/// 3); as published, the cross term takes in the diagonal. A sample of one row has no term within
/// itself.
fn discrepancy(z: Tensor<2>, prior: Tensor<2>) -> Tensor<1> {
    let [rows, _] = z.dims();
    let pairs = (rows * rows.saturating_sub(1)).max(1) as f64;
    let within = |x: &Tensor<2>| (kernel(x, x).sum() - rows as f64) / pairs;
    within(&z) + within(&prior) - kernel(&z, &prior).mean() * 2.0
}

/// The kernel matrix, `[rows of a, rows of b]`: exp(−‖a − b‖² / (2 d_latent)).
fn kernel(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let square = |x: &Tensor<2>| x.clone().square().sum_axis(1);
    let product = a.clone().matmul(b.clone().transpose());
    let distance = square(a) + square(b).transpose() - product * 2.0;
    (distance / (-2.0 * D_LATENT as f64)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::one_hot::tests::{
        assert_close, categories, largest_difference, measures, mixed, noise, rows, tracked,
        with_weights,
    };
    use crate::random::{Purpose, stream};
    use crate::weights::Weights;

    fn network(shape: &Shape, variant: Variant, device: &Device) -> Ttvae {
        Ttvae::new(shape, variant, &mut stream(0, Purpose::Weights, 0), device)
    }

    /// The numbers are those of an implementation in PyTorch, `tests/baselines_tvae_reference.py`.
    #[test]
    fn test_loss_and_gradients_against_pytorch() {
        let device = Device::cpu();
        for (variant, shape, expected) in [
            (Variant::Published, mixed(), [44.7952, 227.4124, -112.1303]),
            (Variant::Intended, mixed(), [44.5681, 226.9928, -111.8798]),
            (Variant::Published, categories(), [11.3635, 2.2705, -0.0408]),
            (Variant::Intended, categories(), [11.1405, 2.2758, -0.0542]),
        ] {
            let network = network(&shape, variant, &device);
            let network = with_weights(network, Ttvae::SIGMA, &device);
            let noise = Noise {
                latent: noise(4, D_LATENT, 0),
                divergence: noise(4, D_LATENT, 1),
                prior: noise(4, D_LATENT, 2),
            };
            let loss = network.loss(&rows(&shape, 4), 4, noise, Dropout::off());
            assert_close(&measures(&network, loss), &expected);
        }
    }

    #[test]
    fn test_rows_mix_as_published_only() {
        let device = Device::cpu();
        let distance = |variant| {
            let network = network(&mixed(), variant, &device);
            let alone = network.encode(&rows(&mixed(), 1), &mut Dropout::off()).1.mu;
            let among = network
                .encode(&rows(&mixed(), 3), &mut Dropout::off())
                .1
                .mu
                .narrow(0, 0, 1);
            largest_difference(alone, among)
        };
        assert!(distance(Variant::Published) > 1e-2);
        assert!(distance(Variant::Intended) < 1e-6);
    }

    #[test]
    fn test_objective_is_repeatable() {
        let device = Device::cpu();
        let batch = rows(&mixed(), 4);
        let context = StepContext {
            total: 4,
            step: 0,
            beta: 0.0,
        };
        for variant in [Variant::Published, Variant::Intended] {
            let network = tracked(network(&mixed(), variant, &device));
            let objective = |seed| {
                let mut rng = stream(seed, Purpose::Batch, 0);
                measures(&network, network.objective(&batch, &context, &mut rng))
            };
            assert_eq!(objective(1), objective(1));
            assert_ne!(objective(1), objective(2));
        }
    }

    #[test]
    fn test_reconstruct_is_repeatable_and_whole() {
        let device = Device::cpu();
        for variant in [Variant::Published, Variant::Intended] {
            let network = network(&mixed(), variant, &device);
            let batch = rows(&mixed(), 3);
            let decoded = network.reconstruct(&batch);
            assert_eq!(
                network.encode(&batch, &mut Dropout::off()).1.mu.dims(),
                [3, D_LATENT]
            );
            assert_eq!(decoded, network.reconstruct(&batch));
            assert_eq!((decoded.rows, decoded.numbers.len()), (3, 6));
            assert_eq!((decoded.modes.len(), decoded.codes.len()), (6, 12));
        }
    }

    #[test]
    fn test_layers_start_alike() {
        let device = Device::cpu();
        let weights = Weights::of(&network(&mixed(), Variant::Published, &device));
        for (stack, tensor) in [
            ("encoder", "attention.query.weight"),
            ("decoder", "memory.output.weight"),
            ("decoder", "feed_forward.up.bias"),
        ] {
            let [first, second] = [0, 1].map(|layer| {
                let range = weights.range(&format!("{stack}.{layer}.{tensor}"));
                &weights.values[range.unwrap()]
            });
            assert_eq!(first, second);
            assert!(first.iter().any(|&x| x != 0.0));
        }
        let sigma = weights.range(Ttvae::SIGMA).unwrap();
        assert_eq!(weights.values[sigma], [0.1, 0.1]);
    }

    #[test]
    fn test_discrepancy_of_like_and_unlike_samples() {
        let sample = |seed, shift: f64| {
            let values = normals(&mut stream(seed, Purpose::Sample, 0), 400 * D_LATENT);
            Tensor::new(values, [400, D_LATENT], &Device::cpu()) + shift
        };
        let of = |shift| discrepancy(sample(1, shift), sample(2, 0.0)).scalar();
        assert!(of(0.0).abs() < 1e-2, "{}", of(0.0));
        assert!(of(1.0) > 0.1, "{}", of(1.0));
        let one = sample(3, 0.0).narrow(0, 0, 1);
        let of_one = discrepancy(one.clone(), one).scalar();
        assert_eq!(of_one, -2.0);
    }
}
