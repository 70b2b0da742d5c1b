//! The encoder: symbols to tokens to the parameters of a Gaussian latent.

use burn::module::{Module, Param};
use burn::nn::{Linear, RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use super::batch::Batch;
use super::symbols::Symbols;
use super::{CodecConfig, EncoderKind};
use crate::layers::{ResidualBlock, TransformerBlock, linear, table};

/// Initial bias of the log-variance: the posterior starts narrow.
const LOG_VARIANCE: f32 = -6.0;

/// Mean and log-variance of the latents, `[rows, d_latent]` each.
pub(crate) struct Posterior {
    /// Mean.
    pub(crate) mu: Tensor<2>,
    /// Logarithm of the variance.
    pub(crate) log_var: Tensor<2>,
}

/// What reads the tokens of a packet.
#[derive(Module, Debug)]
enum Body {
    /// Attention between tokens, which are then laid side by side.
    Transformer(Vec<TransformerBlock>),
    /// Residual blocks over the tokens' sum.
    ResidualMlp(Vec<ResidualBlock>),
}

/// The encoder.
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    embedding: Param<Tensor<2>>,
    position: Param<Tensor<2>>,
    body: Body,
    norm: RmsNorm,
    posterior: Linear,
    #[module(skip)]
    offsets: Vec<i32>,
    #[module(skip)]
    runs: Vec<usize>,
}

impl Encoder {
    /// An encoder with fresh weights.
    pub(crate) fn new(
        config: &CodecConfig,
        symbols: &Symbols,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let (offsets, rows) = offsets(symbols.all().iter().map(|symbol| symbol.size));
        let (d_model, runs) = match config.encoder {
            EncoderKind::Transformer => (config.d_model, symbols.runs(config.tokens)),
            EncoderKind::ResidualMlp => (config.width, vec![symbols.len()]),
        };
        let scale = 1.0 / (symbols.len() as f32 / runs.len() as f32).sqrt();
        let features = d_model * runs.len();
        Self {
            embedding: table(rows, d_model, scale, rng, device),
            position: table(runs.len(), d_model, 0.1, rng, device),
            body: body(config, rng, device),
            norm: RmsNormConfig::new(features).init(device),
            posterior: posterior(features, config.d_latent, rng, device),
            offsets,
            runs,
        }
    }

    /// The posterior of each packet of a batch.
    pub(crate) fn forward(&self, batch: &Batch) -> Posterior {
        let features = match &self.body {
            Body::Transformer(blocks) => {
                let tokens = blocks
                    .iter()
                    .fold(self.tokens(batch), |x, block| block.forward(x));
                tokens.flatten(1, 2)
            }
            Body::ResidualMlp(blocks) => {
                let sum = self.tokens(batch).flatten(1, 2);
                blocks.iter().fold(sum, |x, block| block.forward(x))
            }
        };
        let packed = self.posterior.forward(self.norm.forward(features));
        let [_, width] = packed.dims();
        Posterior {
            mu: packed.clone().narrow(1, 0, width / 2),
            log_var: packed.narrow(1, width / 2, width / 2).clamp(-20.0, 10.0),
        }
    }

    /// `[rows, tokens, d_model]`: the summed embeddings of each run of symbols, and the token's own vector.
    fn tokens(&self, batch: &Batch) -> Tensor<3> {
        let embedded = embed(&self.embedding, &batch.values, &self.offsets);
        let mut first = 0;
        let tokens = self.runs.iter().map(|&length| {
            let run = embedded.clone().narrow(1, first, length);
            first += length;
            run.sum_dim(1)
        });
        Tensor::cat(tokens.collect(), 1) + self.position.val().unsqueeze()
    }
}

fn body(config: &CodecConfig, rng: &mut impl Rng, device: &Device) -> Body {
    match config.encoder {
        EncoderKind::Transformer => Body::Transformer(
            (0..config.layers)
                .map(|_| TransformerBlock::new(config.d_model, config.heads, rng, device))
                .collect(),
        ),
        EncoderKind::ResidualMlp => Body::ResidualMlp(
            (0..config.encoder_blocks)
                .map(|_| ResidualBlock::new(config.width, 2 * config.width, rng, device))
                .collect(),
        ),
    }
}

fn posterior(features: usize, d_latent: usize, rng: &mut impl Rng, device: &Device) -> Linear {
    let mut layer = linear(features, 2 * d_latent, rng, device);
    let mut bias = vec![0.0; d_latent];
    bias.resize(2 * d_latent, LOG_VARIANCE);
    layer.bias = Some(Param::from_data(
        TensorData::new(bias, [2 * d_latent]),
        device,
    ));
    layer
}

/// First row of each vocabulary in a packed table, and the number of rows.
pub(super) fn offsets(sizes: impl Iterator<Item = usize>) -> (Vec<i32>, usize) {
    let mut rows = 0;
    let offsets = sizes
        .map(|size| {
            rows += size;
            (rows - size) as i32
        })
        .collect();
    (offsets, rows)
}

/// `[rows, symbols, d]`: the rows of a packed table that these values name.
pub(super) fn embed(table: &Param<Tensor<2>>, values: &[u8], offsets: &[i32]) -> Tensor<3> {
    let indices: Vec<i32> = values
        .chunks_exact(offsets.len())
        .flat_map(|row| {
            row.iter()
                .zip(offsets)
                .map(|(&value, offset)| i32::from(value) + offset)
        })
        .collect();
    let rows = indices.len() / offsets.len();
    let table = table.val();
    let [_, d_model] = table.dims();
    let count = indices.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &table.device());
    table
        .select(0, indices)
        .reshape([rows, offsets.len(), d_model])
}
