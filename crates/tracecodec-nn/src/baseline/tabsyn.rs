//! TabSyn-VAE (Zhang et al., ICLR 2024, arXiv 2310.09656): a token for each column, and a
//! Transformer on either side of a Gaussian latent for each token.
//!
//! ```text
//! numbers, codes → tokens, the first of them CLS → μ, log σ² → z without CLS → tokens
//!                → numbers, logits of the codes
//! ```

use std::iter;

use rand::Rng;
use tracecodec_tensor::{
    self as tensor, Attention, Device, LayerNorm, Linear, Module, Segments, Tensor, Visitor,
    attention_packed, rows_of,
};

use super::batch::{EncodedRows, Shape, StepContext};
use super::one_hot::largest;
use crate::layers::{linear, uniform};
use crate::random::normals;

/// Width of a token, and of its latent.
const D_TOKEN: usize = 4;

/// Width of the hidden layer between tokens.
const D_HIDDEN: usize = 32 * D_TOKEN;

/// Layers of each Transformer.
const LAYERS: usize = 2;

/// Initial weight of the divergence.
const BETA: f64 = 1e-2;

/// Lower limit of the weight of the divergence.
const BETA_MIN: f64 = 1e-5;

/// Factor by which the weight of the divergence falls.
const BETA_FACTOR: f64 = 0.7;

/// Validations without a new best loss after which the weight of the divergence falls.
const BETA_PATIENCE: usize = 10;

/// The weight of the divergence after these validation losses. It falls once in a run of losses
/// that are no better than the best, however long the run.
pub(crate) fn beta(losses: &[f64]) -> f64 {
    let (mut beta, mut best, mut worse) = (BETA, f64::INFINITY, 0);
    for &loss in losses {
        if loss < best {
            (best, worse) = (loss, 0);
        } else {
            worse += 1;
            if worse == BETA_PATIENCE && beta > BETA_MIN {
                beta *= BETA_FACTOR;
            }
        }
    }
    beta
}

/// One layer of a Transformer: attention with one head and no output projection, then the
/// feed-forward part, each around a residual connection.
#[derive(Debug, Clone)]
struct Layer {
    /// The first layer has none.
    norm_0: Option<LayerNorm>,
    query_key_value: Linear,
    norm_1: LayerNorm,
    linear_0: Linear,
    linear_1: Linear,
}

impl Module for Layer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if let Some(norm) = &mut self.norm_0 {
            visitor.part("norm_0", norm);
        }
        visitor.part("query_key_value", &mut self.query_key_value);
        visitor.part("norm_1", &mut self.norm_1);
        visitor.part("linear_0", &mut self.linear_0);
        visitor.part("linear_1", &mut self.linear_1);
    }
}

impl Layer {
    fn new(is_first: bool, rng: &mut impl Rng, device: &Device) -> Self {
        let norm = || LayerNorm::new(D_TOKEN, device);
        let mut query_key_value = linear(D_TOKEN, 3 * D_TOKEN, rng, device);
        query_key_value.bias = Tensor::zeros([3 * D_TOKEN], device);
        Self {
            norm_0: (!is_first).then(norm),
            query_key_value,
            norm_1: norm(),
            linear_0: linear(D_TOKEN, D_HIDDEN, rng, device),
            linear_1: linear(D_HIDDEN, D_TOKEN, rng, device),
        }
    }

    /// Takes tokens `[rows · tokens, D_TOKEN]` through the layer; the shape stays.
    fn forward(&self, x: Tensor<2>, rows: usize) -> Tensor<2> {
        let packed = match &self.norm_0 {
            Some(norm) => self.query_key_value.forward(&norm.forward(&x)),
            None => self.query_key_value.forward(&x),
        };
        let how = Attention {
            sequences: rows,
            heads: 1,
        };
        let x = x + attention_packed(&packed, how);
        let hidden = self.linear_0.rectified(&self.norm_1.forward(&x));
        x + self.linear_1.forward(&hidden)
    }
}

/// A Transformer without a last norm.
#[derive(Debug, Clone)]
struct Transformer {
    layers: Vec<Layer>,
}

impl Module for Transformer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("layers", &mut self.layers);
    }
}

impl Transformer {
    fn new(rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            layers: (0..LAYERS)
                .map(|layer| Layer::new(layer == 0, rng, device))
                .collect(),
        }
    }

    /// Takes tokens `[rows, tokens, D_TOKEN]` through all layers; the shape stays.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, tokens, _] = x.dims();
        let flat = x.reshape([rows * tokens, D_TOKEN]);
        let layers = self.layers.iter();
        let flat = layers.fold(flat, |x, layer| layer.forward(x, rows));
        flat.reshape([rows, tokens, D_TOKEN])
    }
}

/// Columns to tokens.
#[derive(Debug, Clone)]
struct Tokenizer {
    /// `[1 + numeric columns, D_TOKEN]`: the token CLS, then the vector that each number is
    /// multiplied by.
    weight: Tensor<2>,
    /// `[codes of all columns, D_TOKEN]`: the embedding of each code.
    embedding: Tensor<2>,
    /// `[columns, D_TOKEN]`: of all but CLS.
    bias: Tensor<2>,
    /// First code of each column in the embedding.
    offsets: Vec<usize>,
}

impl Module for Tokenizer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("weight", &mut self.weight);
        visitor.tensor("embedding", &mut self.embedding);
        visitor.tensor("bias", &mut self.bias);
    }
}

impl Tokenizer {
    fn new(shape: &Shape, rng: &mut impl Rng, device: &Device) -> Self {
        let (numbers, columns) = (shape.modes.len(), shape.codes.len());
        // Kaiming's uniform distribution with a = √5 of rows as wide as a token.
        let bound = 1.0 / (D_TOKEN as f32).sqrt();
        let mut rows = |rows| uniform([rows, D_TOKEN], bound, rng, device);
        Self {
            weight: rows(1 + numbers),
            embedding: rows(shape.codes.iter().sum()),
            bias: rows(numbers + columns),
            offsets: offsets(&shape.codes),
        }
    }

    /// The tokens of rows, `[rows, 1 + columns, D_TOKEN]`.
    fn forward(&self, batch: &EncodedRows) -> Tensor<3> {
        let (rows, device) = (batch.rows, self.weight.device());
        let ([wide, _], [columns, _]) = (self.weight.dims(), self.bias.dims());
        let factors = batch.numbers.chunks_exact((wide - 1).max(1));
        let factors = factors.flat_map(|row| iter::once(1.0).chain(row.iter().copied()));
        let factors = Tensor::new(factors.collect(), [rows, wide, 1], &device);
        let weighted = factors * self.weight.clone().reshape([1, wide, D_TOKEN]);
        let codes = batch.codes.iter().zip(self.offsets.iter().cycle());
        let entries = codes.map(|(&code, &offset)| offset as u32 + code).collect();
        let embedded = rows_of(&self.embedding, entries);
        // The tokens of a row side by side.
        let weighted = weighted.reshape([rows, wide * D_TOKEN]);
        let embedded = embedded.reshape([rows, self.offsets.len() * D_TOKEN]);
        let tokens = Tensor::cat(vec![weighted, embedded], 1);
        let bias = vec![Tensor::zeros([1, D_TOKEN], &device), self.bias.clone()];
        let bias = Tensor::cat(bias, 0).reshape([1, (1 + columns) * D_TOKEN]);
        (tokens + bias).reshape([rows, 1 + columns, D_TOKEN])
    }
}

/// Number of each column's first code, the codes of all columns being numbered consecutively.
fn offsets(codes: &[usize]) -> Vec<usize> {
    let ends = codes.iter().scan(0, |end, codes| {
        *end += codes;
        Some(*end)
    });
    ends.zip(codes).map(|(end, codes)| end - codes).collect()
}

/// The numbers of rows as a tensor, `[rows, numeric columns]`.
fn numbers(batch: &EncodedRows, device: &Device) -> Tensor<2> {
    let width = batch.numbers.len() / batch.rows.max(1);
    Tensor::new(batch.numbers.clone(), [batch.rows, width], device)
}

/// Tokens to columns.
#[derive(Debug, Clone)]
struct Detokenizer {
    /// `[numeric columns, D_TOKEN]`.
    weight: Tensor<2>,
    /// `[D_TOKEN + 1, codes of all columns]`: the weights of every column's linear layer side by
    /// side, and below them the biases.
    heads: Tensor<2>,
    /// Codes of each column.
    codes: Vec<usize>,
}

impl Module for Detokenizer {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("weight", &mut self.weight);
        visitor.tensor("heads", &mut self.heads);
    }
}

impl Detokenizer {
    fn new(shape: &Shape, rng: &mut impl Rng, device: &Device) -> Self {
        // Xavier's uniform distribution with gain 1/√2; biases as those of any linear layer.
        let xavier = |outputs: usize| (3.0 / (D_TOKEN + outputs) as f32).sqrt();
        let numbers = shape.modes.len();
        let weight = uniform([numbers, D_TOKEN], xavier(numbers), rng, device);
        let heads = shape.codes.iter().map(|&codes| {
            let weight = uniform([D_TOKEN, codes], xavier(codes), rng, device);
            let bias = uniform([1, codes], 1.0 / (D_TOKEN as f32).sqrt(), rng, device);
            Tensor::cat(vec![weight, bias], 0)
        });
        Self {
            weight,
            heads: Tensor::cat(heads.collect(), 1),
            codes: shape.codes.clone(),
        }
    }

    /// The numbers, `[rows, numeric columns]`, decoded from the tokens of all columns.
    fn numbers(&self, tokens: Tensor<3>) -> Tensor<2> {
        let ([rows, _, _], [numbers, _]) = (tokens.dims(), self.weight.dims());
        let weight = self.weight.clone().reshape([1, numbers, D_TOKEN]);
        let products = tokens.narrow(1, 0, numbers) * weight;
        products.sum_axis(2).reshape([rows, numbers])
    }

    /// The cross-entropy of the codes in nats, summed over rows and categorical columns. Columns
    /// have up to thousands of codes, and this is half of a step's work.
    fn cross_entropy(&self, tokens: Tensor<3>, batch: &EncodedRows) -> Tensor<1> {
        let columns = self.logits(tokens).enumerate().map(|(column, logits)| {
            let codes = batch.codes.iter().skip(column).step_by(self.codes.len());
            let segments = Segments::new(&self.codes[column..=column]);
            segments.negative_log_likelihood(logits, codes.copied().collect(), None)
        });
        let nats: Vec<_> = columns.collect();
        Tensor::cat(nats, 0).sum()
    }

    /// The most likely codes, `[rows, categorical columns]`.
    fn codes(&self, tokens: Tensor<3>) -> Vec<u32> {
        let [rows, _, _] = tokens.dims();
        let mut codes = vec![0; rows * self.codes.len()];
        for (column, logits) in self.logits(tokens).enumerate() {
            let logits = logits.into_values();
            let of_column = codes.iter_mut().skip(column).step_by(self.codes.len());
            for (code, logits) in of_column.zip(logits.chunks_exact(self.codes[column])) {
                *code = largest(logits);
            }
        }
        codes
    }

    /// The logits of each categorical column, `[rows, codes]`.
    fn logits(&self, tokens: Tensor<3>) -> impl Iterator<Item = Tensor<2>> {
        let columns = self.codes.len();
        let [rows, all, _] = tokens.dims();
        let tokens = tokens.narrow(1, all - columns, columns).swap_axes(0, 1);
        let offsets = offsets(&self.codes).into_iter().zip(&self.codes);
        offsets.enumerate().map(move |(column, (offset, &codes))| {
            let token = tokens.clone().narrow(0, column, 1).reshape([rows, D_TOKEN]);
            let head = self.heads.clone().narrow(1, offset, codes);
            let weight = head.clone().narrow(0, 0, D_TOKEN);
            let bias = head.narrow(0, D_TOKEN, 1).reshape([codes]);
            tensor::linear(&token, &weight, &bias)
        })
    }
}

/// Squared error and cross-entropy of rows reconstructed from the means of their latents, each the
/// sum over rows of the mean over columns.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Nats {
    /// Squared error of the numbers.
    pub(crate) mse: f64,
    /// Cross-entropy of the codes in nats. Its mean over rows is the published validation loss.
    pub(crate) ce: f64,
}

/// The network of TabSyn-VAE.
#[derive(Debug, Clone)]
pub(crate) struct TabSyn {
    tokenizer: Tokenizer,
    encoder_mu: Transformer,
    encoder_log_var: Transformer,
    decoder: Transformer,
    detokenizer: Detokenizer,
}

impl Module for TabSyn {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("tokenizer", &mut self.tokenizer);
        visitor.part("encoder_mu", &mut self.encoder_mu);
        visitor.part("encoder_log_var", &mut self.encoder_log_var);
        visitor.part("decoder", &mut self.decoder);
        visitor.part("detokenizer", &mut self.detokenizer);
    }
}

impl TabSyn {
    /// A network with fresh weights. The shape must have numeric and categorical columns, at least
    /// one of each.
    pub(crate) fn new(shape: &Shape, rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            tokenizer: Tokenizer::new(shape, rng, device),
            encoder_mu: Transformer::new(rng, device),
            encoder_log_var: Transformer::new(rng, device),
            decoder: Transformer::new(rng, device),
            detokenizer: Detokenizer::new(shape, rng, device),
        }
    }

    /// The share of the rows in the loss of a step, with drawn latents. The shares of a step's
    /// batches add up to the step's loss.
    pub(crate) fn objective(
        &self,
        batch: &EncodedRows,
        context: &StepContext,
        rng: &mut impl Rng,
    ) -> Tensor<1> {
        let columns = self.tokenizer.bias.dims()[0];
        let noise = normals(rng, batch.rows * columns * D_TOKEN);
        let shape = [batch.rows, columns, D_TOKEN];
        let noise = Tensor::new(noise, shape, &self.tokenizer.bias.device());
        self.loss(batch, context, noise)
    }

    /// The objective with given noise of the latents, `[rows, columns, D_TOKEN]`; CLS has none,
    /// since the decoder does not read it.
    fn loss(&self, batch: &EncodedRows, context: &StepContext, noise: Tensor<3>) -> Tensor<1> {
        let tokens = self.tokenizer.forward(batch);
        let mu = self.encoder_mu.forward(tokens.clone());
        let log_var = self.encoder_log_var.forward(tokens);
        let deviation = without_cls(log_var.clone() * 0.5).exp();
        let z = without_cls(mu.clone()) + deviation * noise;
        let [_, tokens, _] = mu.dims();
        let divergence = (mu.square() + log_var.clone().exp() - log_var - 1.0).sum() * 0.5;
        let divergence = divergence / (tokens * D_TOKEN) as f64;
        let (mse, ce) = self.nats_of(z, batch);
        (mse + ce + divergence * context.beta) / context.total as f64
    }

    /// The error of the reconstruction from the means of the latents.
    pub(crate) fn nats(&self, batch: &EncodedRows) -> Nats {
        let (mse, ce) = self.nats_of(self.mu(batch), batch);
        Nats {
            mse: mse.scalar().into(),
            ce: ce.scalar().into(),
        }
    }

    /// Numbers of a row's latent.
    pub(crate) fn d_latent(&self) -> usize {
        D_TOKEN * self.tokenizer.bias.dims()[0]
    }

    /// The means of the latents, `[rows, D_TOKEN · columns]`.
    pub(crate) fn latent(&self, batch: &EncodedRows) -> Tensor<2> {
        self.mu(batch).reshape([batch.rows, self.d_latent()])
    }

    /// Decodes latents to rows: the numbers as predicted, and the most likely codes.
    pub(crate) fn decode(&self, z: Tensor<2>) -> EncodedRows {
        let [rows, width] = z.dims();
        let tokens = self
            .decoder
            .forward(z.reshape([rows, width / D_TOKEN, D_TOKEN]));
        EncodedRows {
            rows,
            numbers: self.detokenizer.numbers(tokens.clone()).into_values(),
            modes: Vec::new(),
            codes: self.detokenizer.codes(tokens),
        }
    }

    /// Encodes rows and decodes them from the means of their latents.
    pub(crate) fn reconstruct(&self, batch: &EncodedRows) -> EncodedRows {
        self.decode(self.latent(batch))
    }

    /// `[rows, columns, D_TOKEN]`.
    fn mu(&self, batch: &EncodedRows) -> Tensor<3> {
        without_cls(self.encoder_mu.forward(self.tokenizer.forward(batch)))
    }

    /// Squared error and cross-entropy as in [`Nats`].
    fn nats_of(&self, z: Tensor<3>, batch: &EncodedRows) -> (Tensor<1>, Tensor<1>) {
        let tokens = self.decoder.forward(z);
        let error = self.detokenizer.numbers(tokens.clone()) - numbers(batch, &tokens.device());
        let [_, width] = error.dims();
        let mse = error.square().sum() / width as f64;
        let ce = self.detokenizer.cross_entropy(tokens, batch);
        (mse, ce / self.detokenizer.codes.len() as f64)
    }
}

/// All tokens but the first.
fn without_cls(tokens: Tensor<3>) -> Tensor<3> {
    let [_, count, _] = tokens.dims();
    tokens.narrow(1, 1, count - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::random::{Purpose, stream};
    use crate::weights::Weights;

    const ROWS: usize = 3;

    fn shape() -> Shape {
        Shape {
            modes: vec![0; 2],
            codes: vec![5, 40, 3],
        }
    }

    fn batch(rows: std::ops::Range<usize>) -> EncodedRows {
        let number = |row: usize, i: usize| 0.5 * i as f32 - 0.7 * row as f32;
        let code = |row: usize, i: usize, size: usize| ((7 * i + 3 * row) % size) as u32;
        EncodedRows {
            rows: rows.len(),
            numbers: rows
                .clone()
                .flat_map(|row| [number(row, 0), number(row, 1)])
                .collect(),
            modes: Vec::new(),
            codes: rows
                .flat_map(|row| [code(row, 0, 5), code(row, 1, 40), code(row, 2, 3)])
                .collect(),
        }
    }

    /// A network with weights 0.3 sin(1.3 k + 0.5).
    fn network(device: &Device) -> TabSyn {
        let network = TabSyn::new(&shape(), &mut stream(0, Purpose::Weights, 0), device);
        let mut weights = Weights::of(&network);
        let values = Arc::make_mut(&mut weights.values).iter_mut();
        for (k, weight) in values.enumerate() {
            *weight = (0.3 * (1.3 * k as f64 + 0.5).sin()) as f32;
        }
        weights.load_tracked(network, device)
    }

    /// Loss and gradient of a batch of some rows, in a step of all rows.
    fn measure(rows: std::ops::Range<usize>) -> (f64, Vec<f32>) {
        let device = Device::cpu();
        let network = network(&device);
        let noise = rows
            .clone()
            .flat_map(|row| (0..20).map(move |i| ((20 * row + i) % 3) as f32 - 1.0));
        let noise = Tensor::new(noise.collect(), [rows.len(), 5, D_TOKEN], &device);
        let context = StepContext {
            total: ROWS,
            step: 0,
            beta: 0.5,
        };
        let loss = network.loss(&batch(rows), &context, noise);
        (loss.scalar().into(), loss.gradient(&network))
    }

    /// The numbers are those of an implementation in PyTorch,
    /// `tests/baselines_tabsyn_reference.py`.
    #[test]
    fn test_loss_and_gradients_against_torch() {
        let (loss, gradient) = measure(0..ROWS);
        let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
        let cos = (0..).map(|k| f64::from(k).cos());
        let product: f64 = gradient
            .iter()
            .zip(cos)
            .map(|(&g, cos)| f64::from(g) * cos)
            .sum();
        for (found, expected) in [(loss, 3.17248), (square.sqrt(), 5.109), (product, -6.73244)] {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn test_batches_of_a_step_add_up() {
        let (loss, gradient) = measure(0..ROWS);
        let (first, second) = (measure(0..2), measure(2..ROWS));
        assert!((first.0 + second.0 - loss).abs() < 1e-5);
        for (sum, whole) in first
            .1
            .iter()
            .zip(second.1)
            .map(|(a, b)| a + b)
            .zip(gradient)
        {
            assert!((sum - whole).abs() < 1e-5, "{sum} {whole}");
        }
    }

    #[test]
    fn test_objective_depends_on_the_seed_alone() {
        let network = network(&Device::cpu());
        let context = StepContext {
            total: ROWS,
            step: 0,
            beta: BETA,
        };
        let objective = |seed| {
            let mut rng = stream(seed, Purpose::Batch, 0);
            let loss = network.objective(&batch(0..ROWS), &context, &mut rng);
            loss.scalar()
        };
        assert_eq!(objective(1), objective(1));
        assert_ne!(objective(1), objective(2));
    }

    #[test]
    fn test_nats_are_the_objective_of_the_means() {
        let network = network(&Device::cpu());
        let batch = batch(0..ROWS);
        let context = StepContext {
            total: 1,
            step: 0,
            beta: 0.0,
        };
        let nats = network.nats(&batch);
        let z = network.mu(&batch);
        let log_var = network
            .encoder_log_var
            .forward(network.tokenizer.forward(&batch));
        let still = Tensor::zeros(without_cls(log_var).dims(), &Device::cpu());
        let loss = network.loss(&batch, &context, still).scalar();
        assert!((nats.mse + nats.ce - f64::from(loss)).abs() < 1e-5);
        assert_eq!(z.dims(), [ROWS, 5, D_TOKEN]);
    }

    #[test]
    fn test_decoded_codes_cost_least() {
        let network = network(&Device::cpu());
        let batch = batch(0..1);
        let decoded = network.reconstruct(&batch);
        assert_eq!(decoded, network.decode(network.latent(&batch)));
        assert_eq!((decoded.rows, decoded.numbers.len()), (1, 2));
        let nats = |column: usize, code| {
            let mut codes = decoded.codes.clone();
            codes[column] = code;
            let told = EncodedRows {
                codes,
                ..batch.clone()
            };
            let z = network.mu(&batch);
            network.nats_of(z, &told).1.scalar()
        };
        for (column, codes) in [5, 40, 3].into_iter().enumerate() {
            let least = nats(column, decoded.codes[column]);
            assert!((0..codes).all(|code| nats(column, code) >= least));
        }
    }

    #[test]
    fn test_beta_falls_once_a_plateau() {
        let plateau = |worse| [vec![2.0, 1.0], vec![1.0; worse]].concat();
        let twice = [plateau(10), vec![0.9], vec![1.0; 10]].concat();
        for (losses, expected) in [
            (plateau(9), 1e-2),
            (plateau(10), 7e-3),
            (plateau(40), 7e-3),
            (twice, 4.9e-3),
        ] {
            assert!((beta(&losses) - expected).abs() < 1e-12, "{losses:?}");
        }
        let often = |plateaus: u32| (0..plateaus).flat_map(|n| vec![-f64::from(n); 11]);
        let least = beta(&often(99).collect::<Vec<_>>());
        assert!(0.7e-5 < least && least < 1e-5, "{least}");
    }
}
