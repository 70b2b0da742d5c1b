//! TVAE (Xu et al., NeurIPS 2019): a variational autoencoder of one-hot rows.

use rand::Rng;
use tracecodec_tensor::{Device, Linear, Module, Tensor, Visitor};

use super::batch::{EncodedRows, Shape, StepContext};
use super::one_hot::{FACTOR, InputLayer, OutputLayer};
use crate::layers::{Posterior, divergence, linear, sample};
use crate::random::normals;

/// Width of the hidden layers and of the latent.
const WIDTH: usize = 128;

/// The network of TVAE.
#[derive(Debug, Clone)]
pub(crate) struct Tvae {
    input: InputLayer,
    encoder: Linear,
    mu: Linear,
    log_var: Linear,
    decoder: [Linear; 2],
    output: OutputLayer,
}

impl Module for Tvae {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("input", &mut self.input);
        visitor.part("encoder", &mut self.encoder);
        visitor.part("mu", &mut self.mu);
        visitor.part("log_var", &mut self.log_var);
        visitor.part("decoder", &mut self.decoder);
        visitor.part("output", &mut self.output);
    }
}

impl Tvae {
    /// Path of the numbers' σ among the weights; the published training clamps it to [0.01, 1]
    /// after each step.
    pub(crate) const SIGMA: &str = "output.numbers.sigma";

    /// Numbers of a row's latent.
    pub(crate) const D_LATENT: usize = WIDTH;

    /// A network with fresh weights.
    pub(crate) fn new(shape: &Shape, rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            input: InputLayer::new(shape, WIDTH, rng, device),
            encoder: linear(WIDTH, WIDTH, rng, device),
            mu: linear(WIDTH, WIDTH, rng, device),
            log_var: linear(WIDTH, WIDTH, rng, device),
            decoder: [(); 2].map(|()| linear(WIDTH, WIDTH, rng, device)),
            output: OutputLayer::new(shape, WIDTH, rng, device),
        }
    }

    /// A batch's share of the objective: twice the rows' negative log-likelihood, and the
    /// divergence, divided by the rows of the step.
    pub(crate) fn objective(
        &self,
        batch: &EncodedRows,
        context: &StepContext,
        rng: &mut impl Rng,
    ) -> Tensor<1> {
        self.loss(batch, normals(rng, batch.rows * WIDTH)) / context.total as f64
    }

    /// The objective summed over the batch's rows.
    fn loss(&self, batch: &EncodedRows, noise: Vec<f32>) -> Tensor<1> {
        let posterior = self.posterior(batch);
        let noise = Tensor::new(noise, posterior.mu.dims(), &posterior.mu.device());
        let z = sample(&posterior, noise);
        self.output.nats(&self.features(z), batch) * FACTOR + divergence(&posterior)
    }

    /// Encodes rows to μ, `[rows, 128]`.
    pub(crate) fn latent(&self, batch: &EncodedRows) -> Tensor<2> {
        self.mu.forward(&self.hidden(batch))
    }

    /// The most likely row of each latent.
    pub(crate) fn decode(&self, z: Tensor<2>) -> EncodedRows {
        self.output.decode(&self.features(z))
    }

    /// Encodes rows and decodes them from μ.
    pub(crate) fn reconstruct(&self, batch: &EncodedRows) -> EncodedRows {
        self.decode(self.latent(batch))
    }

    /// The reconstruction part of the objective with latents at μ, summed over the rows.
    pub(crate) fn nats(&self, batch: &EncodedRows) -> f64 {
        let features = self.features(self.latent(batch));
        let nats = self.output.nats(&features, batch) * FACTOR;
        nats.scalar().into()
    }

    fn posterior(&self, batch: &EncodedRows) -> Posterior {
        let hidden = self.hidden(batch);
        Posterior {
            mu: self.mu.forward(&hidden),
            log_var: self.log_var.forward(&hidden),
        }
    }

    fn hidden(&self, batch: &EncodedRows) -> Tensor<2> {
        self.encoder.rectified(&self.input.forward(batch).relu())
    }

    fn features(&self, z: Tensor<2>) -> Tensor<2> {
        let layers = self.decoder.iter();
        layers.fold(z, |x, layer| layer.rectified(&x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::one_hot::tests::{
        assert_close, categories, measures, mixed, noise, rows, tracked, with_weights,
    };
    use crate::random::{Purpose, stream};
    use crate::weights::Weights;

    fn network(shape: &Shape, device: &Device) -> Tvae {
        Tvae::new(shape, &mut stream(0, Purpose::Weights, 0), device)
    }

    /// The numbers are those of an implementation in PyTorch, `tests/baselines_tvae_reference.py`.
    #[test]
    fn test_loss_and_gradients_against_pytorch() {
        let device = Device::cpu();
        for (shape, expected) in [
            (mixed(), [31.761, 167.127, -57.2237]),
            (categories(), [11.7396, 7.6511, -0.7807]),
        ] {
            let network = with_weights(network(&shape, &device), Tvae::SIGMA, &device);
            let loss = network.loss(&rows(&shape, 4), noise(4, WIDTH, 0)) / 4.0;
            assert_close(&measures(&network, loss), &expected);
        }
    }

    #[test]
    fn test_micro_batches_sum_to_the_batch() {
        let device = Device::cpu();
        let network = with_weights(network(&mixed(), &device), Tvae::SIGMA, &device);
        let (whole, draws) = (rows(&mixed(), 4), noise(4, WIDTH, 0));
        let part = |from: usize, to: usize| EncodedRows {
            rows: to - from,
            numbers: whole.numbers[2 * from..2 * to].to_vec(),
            modes: whole.modes[2 * from..2 * to].to_vec(),
            codes: whole.codes[4 * from..4 * to].to_vec(),
        };
        let loss = |from: usize, to: usize| {
            network.loss(&part(from, to), draws[WIDTH * from..WIDTH * to].to_vec()) / 4.0
        };
        let parts = measures(&network, loss(0, 1) + loss(1, 4));
        assert_close(&parts, &measures(&network, loss(0, 4)));
    }

    #[test]
    fn test_objective_is_a_mean_and_repeatable() {
        let network = tracked(network(&mixed(), &Device::cpu()));
        let batch = rows(&mixed(), 4);
        let objective = |total, seed| {
            let context = StepContext {
                total,
                step: 0,
                beta: 0.0,
            };
            let mut rng = stream(seed, Purpose::Batch, 0);
            measures(&network, network.objective(&batch, &context, &mut rng))
        };
        assert_eq!(objective(4, 1), objective(4, 1));
        assert_ne!(objective(4, 1), objective(4, 2));
        assert_close(&objective(8, 1), &objective(4, 1).map(|x| x / 2.0));
    }

    #[test]
    fn test_without_gradients_the_loss_is_the_same() {
        let device = Device::cpu();
        let tracked = with_weights(network(&mixed(), &device), Tvae::SIGMA, &device);
        let constant = Weights::of(&tracked).load(tracked.clone(), &device);
        let [with, without] = [tracked, constant].map(|network| {
            let loss = network.loss(&rows(&mixed(), 4), noise(4, WIDTH, 0));
            loss.scalar()
        });
        assert_eq!(with, without);
    }

    #[test]
    fn test_reconstruct_decodes_the_mean() {
        let device = Device::cpu();
        let network = network(&mixed(), &device);
        let batch = rows(&mixed(), 3);
        let decoded = network.reconstruct(&batch);
        assert_eq!(network.latent(&batch).dims(), [3, WIDTH]);
        assert_eq!(decoded, network.decode(network.latent(&batch)));
        assert_eq!((decoded.rows, decoded.numbers.len()), (3, 6));
        assert_eq!((decoded.modes.len(), decoded.codes.len()), (6, 12));
    }

    #[test]
    fn test_sigma_is_found_and_starts_at_a_tenth() {
        let device = Device::cpu();
        let weights = Weights::of(&network(&mixed(), &device));
        let range = weights.range(Tvae::SIGMA).unwrap();
        assert_eq!(weights.values[range], [0.1, 0.1]);
        let weights = Weights::of(&network(&categories(), &device));
        assert_eq!(weights.range(Tvae::SIGMA), None);
    }
}
