//! The staged decoder (the paper, section 3.4): coarse fields and context from the latent; details
//! from the latent, the context and the coarse fields; the time, and the hosts and services of
//! openings, from the latent by heads of their own.
//! Context that is derived from the flow's past is inserted between the first two stages.

use tracecodec_tensor::{Device, Linear, Module, RmsNorm, Tensor, Visitor, embedding_sum, rows_of};

use super::CodecConfig;
use super::batch::Batch;
use super::encoder::{offsets, places};
use super::heads::{Heads, gather, gather_rows};
use super::symbols::{Stage, Symbols};
use crate::layers::{Initial, ResidualBlock, linear, table};

/// Openings that are decoded at once. Fewer are padded.
const OPENINGS: usize = 32;

/// A trunk of residual blocks with the heads of one stage on top.
#[derive(Debug, Clone)]
struct Trunk {
    input: Linear,
    blocks: Vec<ResidualBlock>,
    norm: RmsNorm,
    heads: Heads,
}

impl Module for Trunk {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("input", &mut self.input);
        visitor.part("blocks", &mut self.blocks);
        visitor.part("norm", &mut self.norm);
        visitor.part("heads", &mut self.heads);
    }
}

impl Trunk {
    fn new(
        stage: Stage,
        config: &CodecConfig,
        symbols: &Symbols,
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        let width = match stage {
            Stage::Coarse | Stage::Given | Stage::Detail | Stage::Opening => config.width,
            Stage::Time => config.width.div_ceil(2),
        };
        Self {
            input: linear(config.d_latent, width, initial, device),
            blocks: (0..config.decoder_blocks)
                .map(|_| ResidualBlock::new(width, 2 * width, initial, device))
                .collect(),
            norm: RmsNorm::new(width, device),
            heads: Heads::new(symbols, stage, width, initial, device),
        }
    }

    /// Logits of the stage from the latent and, if there is one, a condition as wide as the trunk.
    fn forward(&self, z: &Tensor<2>, condition: Option<Tensor<2>>) -> Tensor<2> {
        let input = self.input.forward(z);
        let input = match condition {
            Some(condition) => input + condition,
            None => input,
        };
        let features = self.blocks.iter().fold(input, |x, block| block.forward(x));
        self.heads.forward(&self.norm.forward(&features))
    }
}

/// Summed cross-entropies of a batch, in nats.
pub(crate) struct Nats {
    /// Cross-entropy of all fields.
    pub(crate) fields: Tensor<1>,
    /// Cross-entropy of the time.
    pub(crate) time: Tensor<1>,
}

/// Output of the stages that read the latents alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstStages {
    /// Rows of all symbols, with the most likely coarse fields and times.
    pub(crate) rows: Vec<u8>,
    /// Rows of the logits of the coarse fields.
    pub(crate) logits: Vec<f32>,
}

/// The staged decoder.
#[derive(Debug, Clone)]
pub(crate) struct Decoder {
    coarse: Trunk,
    condition: Tensor<2>,
    detail: Trunk,
    /// Reads openings alone; `None` if the codec carries neither hosts nor services.
    opening: Option<Trunk>,
    time: Trunk,
    /// Symbols that the details are conditioned on.
    conditions: Vec<usize>,
    /// First row of each of these symbols in the table of conditions.
    offsets: Vec<usize>,
    symbols: Symbols,
}

impl Module for Decoder {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("coarse", &mut self.coarse);
        visitor.tensor("condition", &mut self.condition);
        visitor.part("detail", &mut self.detail);
        if let Some(opening) = &mut self.opening {
            visitor.part("opening", opening);
        }
        visitor.part("time", &mut self.time);
    }
}

impl Decoder {
    /// A decoder with fresh weights.
    pub(crate) fn new(
        config: &CodecConfig,
        symbols: &Symbols,
        initial: &mut impl Initial,
        device: &Device,
    ) -> Self {
        let conditions: Vec<usize> = (0..symbols.len())
            .filter(|&i| matches!(symbols.all()[i].stage, Stage::Coarse | Stage::Given))
            .collect();
        let (offsets, rows) = offsets(conditions.iter().map(|&i| symbols.all()[i].size));
        let scale = 1.0 / (conditions.len() as f32).sqrt();
        Self {
            coarse: Trunk::new(Stage::Coarse, config, symbols, initial, device),
            condition: table(rows, config.width, scale, initial, device),
            detail: Trunk::new(Stage::Detail, config, symbols, initial, device),
            opening: symbols
                .has(Stage::Opening)
                .then(|| Trunk::new(Stage::Opening, config, symbols, initial, device)),
            time: Trunk::new(Stage::Time, config, symbols, initial, device),
            conditions,
            offsets,
            symbols: symbols.clone(),
        }
    }

    /// Negative log-likelihood of the batch given its latents; details are conditioned on the true
    /// coarse fields and context.
    pub(crate) fn nats(&self, z: &Tensor<2>, batch: &Batch, mask: &[f32]) -> Nats {
        let coarse = self.coarse.forward(z, None);
        let condition = self.condition(&batch.values, batch.rows);
        let detail = self.detail.forward(z, Some(condition));
        let time = self.time.forward(z, None);
        let values = &batch.values;
        let fields = self.coarse.heads.cross_entropy(coarse, values, mask)
            + self.detail.heads.cross_entropy(detail, values, mask);
        Nats {
            fields: match self.opening_nats(z, values, mask) {
                Some(opening) => fields + opening,
                None => fields,
            },
            time: self.time.heads.cross_entropy(time, values, mask),
        }
    }

    /// Cross-entropy of the hosts and services of the openings in a batch. A small batch is
    /// computed whole, so that the gradient of a packet does not depend on how many openings are
    /// beside it.
    fn opening_nats(&self, z: &Tensor<2>, values: &[u8], mask: &[f32]) -> Option<Tensor<1>> {
        let trunk = self.opening.as_ref()?;
        let mut openings = self.openings(values);
        if openings.is_empty() {
            return None;
        }
        let width = self.symbols.len();
        let rows = values.len() / width;
        if rows <= OPENINGS {
            openings = (0..rows).collect();
        }
        let values = gather_rows(values, width, &openings);
        let mask = gather_rows(mask, width, &openings);
        let logits = trunk.forward(&latents_of(z, openings), None);
        Some(trunk.heads.cross_entropy(logits, &values, &mask))
    }

    /// Numbers of the rows that open a flow.
    fn openings(&self, rows: &[u8]) -> Vec<usize> {
        let rows = rows.chunks_exact(self.symbols.len()).enumerate();
        rows.filter(|(_, row)| self.symbols.is_opening(row))
            .map(|(number, _)| number)
            .collect()
    }

    /// The most likely coarse fields and times, from the latents alone.
    pub(crate) fn decode_first(&self, z: &Tensor<2>) -> FirstStages {
        let [rows, _] = z.dims();
        let width = self.symbols.len();
        let mut values = vec![0; rows * width];
        let coarse = self.coarse.forward(z, None);
        let logits = self.coarse.heads.argmax(coarse, width, &mut values);
        let time = self.time.forward(z, None);
        self.time.heads.argmax(time, width, &mut values);
        FirstStages {
            rows: values,
            logits,
        }
    }

    /// The heads of the coarse fields.
    pub(crate) fn coarse_heads(&self) -> &Heads {
        &self.coarse.heads
    }

    /// The heads of the details.
    pub(crate) fn detail_heads(&self) -> &Heads {
        &self.detail.heads
    }

    /// Writes the most likely details, and hosts and services of openings, into the rows, given the
    /// coarse fields and the context in them, and returns the logits of the details.
    pub(crate) fn decode_details(&self, z: &Tensor<2>, values: &mut [u8]) -> Vec<f32> {
        let [rows, _] = z.dims();
        let condition = self.condition(values, rows);
        let detail = self.detail.forward(z, Some(condition));
        self.decode_openings(z, values);
        self.detail.heads.argmax(detail, self.symbols.len(), values)
    }

    /// Writes the most likely hosts and services into the rows that open a flow. They are decoded a
    /// fixed number at a time, so that a packet's result does not depend on how many there are.
    fn decode_openings(&self, z: &Tensor<2>, values: &mut [u8]) {
        let Some(trunk) = &self.opening else { return };
        let width = self.symbols.len();
        for openings in self.openings(values).chunks(OPENINGS) {
            let mut places = openings.to_vec();
            places.resize(OPENINGS, 0);
            let logits = trunk.forward(&latents_of(z, places), None);
            let [_, columns] = logits.dims();
            let logits = logits.into_values();
            for (&row, logits) in openings.iter().zip(logits.chunks_exact(columns)) {
                let row = &mut values[row * width..][..width];
                trunk.heads.most_likely(logits, row);
            }
        }
    }

    /// Condition of the details, `[rows, width]`: the summed embeddings of the coarse fields and
    /// the context.
    fn condition(&self, values: &[u8], rows: usize) -> Tensor<2> {
        let values = gather(values, rows, &self.conditions, |x| x);
        let places = places(&values, &self.offsets);
        embedding_sum(&self.condition, places, &[self.conditions.len()])
    }
}

/// The latents of some packets.
fn latents_of(z: &Tensor<2>, packets: Vec<usize>) -> Tensor<2> {
    rows_of(z, packets.into_iter().map(|packet| packet as u32).collect())
}
