//! The encoder: symbols to tokens to the parameters of a Gaussian latent.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::{Linear, RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::batch::Batch;
use super::symbols::Symbols;
use super::{CodecConfig, EncoderKind};
use crate::layers::{Posterior, ResidualBlock, TransformerBlock, linear, table};

/// Initial bias of the log-variance, so that the posterior starts narrow.
const LOG_VARIANCE: f32 = -6.0;

/// The network that reads the tokens of a packet.
#[derive(Module, Debug)]
enum Body {
    /// Attention between tokens, which are then concatenated.
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
    offsets: Vec<usize>,
    #[module(skip)]
    runs: Vec<Range<usize>>,
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
        let (d_model, lengths) = match config.encoder {
            EncoderKind::Transformer => (config.d_model, symbols.runs(config.tokens)),
            EncoderKind::ResidualMlp => (config.width, vec![symbols.len()]),
        };
        let scale = 1.0 / (symbols.len() as f32 / lengths.len() as f32).sqrt();
        let features = d_model * lengths.len();
        Self {
            embedding: table(rows, d_model, scale, rng, device),
            position: table(lengths.len(), d_model, 0.1, rng, device),
            body: body(config, rng, device),
            norm: RmsNormConfig::new(features).init(device),
            posterior: posterior(features, config.d_latent, rng, device),
            runs: runs(&lengths, &offsets, rows),
            offsets,
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

    /// Tokens of a batch, `[rows, tokens, d_model]`: the summed embeddings of each run of symbols
    /// plus the token's own vector.
    fn tokens(&self, batch: &Batch) -> Tensor<3> {
        let table = self.embedding.val();
        let [rows, d_model] = table.dims();
        let hot = multi_hot(&batch.values, &self.offsets, rows, &table.device());
        let tokens = self.runs.iter().map(|run| {
            let hot = hot.clone().narrow(1, run.start, run.len());
            let table = table.clone().narrow(0, run.start, run.len());
            hot.matmul(table).reshape([batch.rows, 1, d_model])
        });
        Tensor::cat(tokens.collect(), 1) + self.position.val().unsqueeze()
    }
}

/// The rows of the packed table that each token sums over.
fn runs(lengths: &[usize], offsets: &[usize], rows: usize) -> Vec<Range<usize>> {
    let mut symbol = 0;
    let starts = lengths.iter().map(|length| {
        symbol += length;
        let end = offsets.get(symbol).copied().unwrap_or(rows);
        offsets[symbol - length]..end
    });
    starts.collect()
}

fn body(config: &CodecConfig, rng: &mut impl Rng, device: &Device) -> Body {
    match config.encoder {
        EncoderKind::Transformer => Body::Transformer(
            (0..config.layers)
                .map(|_| {
                    let (d_model, d_hidden) = (config.d_model, 2 * config.d_model);
                    TransformerBlock::new(d_model, config.heads, d_hidden, rng, device)
                })
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
pub(crate) fn offsets(sizes: impl Iterator<Item = usize>) -> (Vec<usize>, usize) {
    let mut rows = 0;
    let offsets = sizes
        .map(|size| {
            rows += size;
            rows - size
        })
        .collect();
    (offsets, rows)
}

/// Matrix of `[packets, rows]` with 1 at the rows of a packed table that a packet's values select.
/// Multiplied with the table it sums the embeddings, faster than gathering them one by one.
pub(crate) fn multi_hot(
    values: &[u8],
    offsets: &[usize],
    rows: usize,
    device: &Device,
) -> Tensor<2> {
    let packets = values.len() / offsets.len();
    let mut hot = vec![0.0f32; packets * rows];
    for (values, hot) in values
        .chunks_exact(offsets.len())
        .zip(hot.chunks_exact_mut(rows))
    {
        for (&value, offset) in values.iter().zip(offsets) {
            hot[offset + usize::from(value)] = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(hot, [packets, rows]), device)
}
