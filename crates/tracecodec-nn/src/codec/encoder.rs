//! The encoder: symbols to tokens to the parameters of a Gaussian latent.

use tracecodec_tensor::{Device, Linear, Module, RmsNorm, Tensor, Visitor, embedding_sum};

use super::batch::Batch;
use super::symbols::Symbols;
use super::{CodecConfig, EncoderKind};
use crate::layers::{Initial, Posterior, ResidualBlock, TransformerBlock, linear, table};

/// Initial bias of the log-variance, so that the posterior starts narrow.
const LOG_VARIANCE: f32 = -6.0;

/// The network that reads the tokens of a packet.
#[derive(Debug, Clone)]
enum Body {
    /// Attention between tokens, which are then concatenated.
    Transformer(Vec<TransformerBlock>),
    /// Residual blocks over the tokens' sum.
    ResidualMlp(Vec<ResidualBlock>),
}

impl Module for Body {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        match self {
            Self::Transformer(blocks) => visitor.part("Transformer", blocks),
            Self::ResidualMlp(blocks) => visitor.part("ResidualMlp", blocks),
        }
    }
}

/// The encoder.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    embedding: Tensor<2>,
    position: Tensor<2>,
    body: Body,
    norm: RmsNorm,
    posterior: Linear,
    /// First row of each symbol in the embedding.
    offsets: Vec<usize>,
    /// Number of symbols of each token.
    runs: Vec<usize>,
}

impl Module for Encoder {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("embedding", &mut self.embedding);
        visitor.tensor("position", &mut self.position);
        visitor.part("body", &mut self.body);
        visitor.part("norm", &mut self.norm);
        visitor.part("posterior", &mut self.posterior);
    }
}

impl Encoder {
    /// An encoder with fresh weights.
    pub(crate) fn new(
        config: &CodecConfig,
        symbols: &Symbols,
        initial: &mut impl Initial,
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
            embedding: table(rows, d_model, scale, initial, device),
            position: table(lengths.len(), d_model, 0.1, initial, device),
            body: body(config, initial, device),
            norm: RmsNorm::new(features, device),
            posterior: posterior(features, config.d_latent, initial, device),
            runs: lengths,
            offsets,
        }
    }

    /// The posterior of each packet of a batch.
    pub(crate) fn forward(&self, batch: &Batch) -> Posterior {
        let tokens = self.tokens(batch);
        let [rows, count, d_model] = tokens.dims();
        let features = match &self.body {
            Body::Transformer(blocks) => {
                let tokens = blocks.iter().fold(tokens, |x, block| block.forward(x));
                tokens.reshape([rows, count * d_model])
            }
            Body::ResidualMlp(blocks) => {
                let sum = tokens.reshape([rows, d_model]);
                blocks.iter().fold(sum, |x, block| block.forward(x))
            }
        };
        let packed = self.posterior.forward(&self.norm.forward(&features));
        let [_, width] = packed.dims();
        Posterior {
            mu: packed.clone().narrow(1, 0, width / 2),
            log_var: packed.narrow(1, width / 2, width / 2).clamp(-20.0, 10.0),
        }
    }

    /// Tokens of a batch, `[rows, tokens, d_model]`: the summed embeddings of each run of symbols
    /// plus the token's own vector.
    fn tokens(&self, batch: &Batch) -> Tensor<3> {
        let places = places(&batch.values, &self.offsets);
        let sums = embedding_sum(&self.embedding, places, &self.runs);
        let [count, d_model] = self.position.dims();
        let position = self.position.clone().reshape([1, count, d_model]);
        sums.reshape([batch.rows, count, d_model]) + position
    }
}

fn body(config: &CodecConfig, initial: &mut impl Initial, device: &Device) -> Body {
    match config.encoder {
        EncoderKind::Transformer => Body::Transformer(
            (0..config.layers)
                .map(|_| {
                    let (d_model, d_hidden) = (config.d_model, 2 * config.d_model);
                    TransformerBlock::new(d_model, config.heads, d_hidden, initial, device)
                })
                .collect(),
        ),
        EncoderKind::ResidualMlp => Body::ResidualMlp(
            (0..config.encoder_blocks)
                .map(|_| ResidualBlock::new(config.width, 2 * config.width, initial, device))
                .collect(),
        ),
    }
}

fn posterior(
    features: usize,
    d_latent: usize,
    initial: &mut impl Initial,
    device: &Device,
) -> Linear {
    let mut layer = linear(features, 2 * d_latent, initial, device);
    let mut bias = vec![0.0; d_latent];
    bias.resize(2 * d_latent, LOG_VARIANCE);
    layer.bias = Tensor::new(bias, [2 * d_latent], device);
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

/// Rows of a packed table that values select: those of as many vocabularies, again and again.
pub(crate) fn places(values: &[u8], offsets: &[usize]) -> Vec<u32> {
    let rows = values.chunks_exact(offsets.len());
    let places = rows.flat_map(|row| row.iter().zip(offsets));
    places
        .map(|(&value, offset)| (offset + usize::from(value)) as u32)
        .collect()
}
