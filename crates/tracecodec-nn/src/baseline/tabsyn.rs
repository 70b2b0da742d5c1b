//! TabSyn-VAE (Zhang et al., ICLR 2024, arXiv 2310.09656): a token for each column, and a
//! Transformer on either side of a Gaussian latent for each token.
//!
//! ```text
//! numbers, codes → tokens, the first of them CLS → μ, log σ² → z without CLS → tokens
//!                → numbers, logits of the codes
//! ```

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use rand::Rng;

use super::batch::{EncodedRows, Shape, StepContext};
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
#[derive(Module, Debug)]
struct Layer {
    /// The first layer has none.
    norm_0: Option<LayerNorm>,
    query_key_value: Linear,
    norm_1: LayerNorm,
    linear_0: Linear,
    linear_1: Linear,
}

impl Layer {
    fn new(is_first: bool, rng: &mut impl Rng, device: &Device) -> Self {
        let norm = || LayerNormConfig::new(D_TOKEN).init(device);
        let mut query_key_value = linear(D_TOKEN, 3 * D_TOKEN, rng, device);
        query_key_value.bias = Some(Param::from_tensor(Tensor::zeros([3 * D_TOKEN], device)));
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
        let normed = match &self.norm_0 {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        let x = x + self.attention(normed, rows);
        let hidden = relu(self.linear_0.forward(self.norm_1.forward(x.clone())));
        x + self.linear_1.forward(hidden)
    }

    fn attention(&self, x: Tensor<2>, rows: usize) -> Tensor<2> {
        let [flat, _] = x.dims();
        let packed = self.query_key_value.forward(x);
        let packed = packed.reshape([rows, flat / rows, 3 * D_TOKEN]);
        let part = |i: usize| packed.clone().narrow(2, i * D_TOKEN, D_TOKEN);
        let scores = part(0).matmul(part(1).transpose()) / (D_TOKEN as f32).sqrt();
        softmax(scores, 2).matmul(part(2)).reshape([flat, D_TOKEN])
    }
}

/// A Transformer without a last norm.
#[derive(Module, Debug)]
struct Transformer {
    layers: Vec<Layer>,
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
#[derive(Module, Debug)]
struct Tokenizer {
    /// `[1 + numeric columns, D_TOKEN]`: the token CLS, then the vector that each number is
    /// multiplied by.
    weight: Param<Tensor<2>>,
    /// `[codes of all columns, D_TOKEN]`: the embedding of each code.
    embedding: Param<Tensor<2>>,
    /// `[columns, D_TOKEN]`: of all but CLS.
    bias: Param<Tensor<2>>,
    /// First code of each column in the embedding.
    #[module(skip)]
    offsets: Vec<usize>,
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
        let device = self.weight.device();
        let numbers = numbers(batch, &device);
        let [rows, width] = numbers.dims();
        let ones = Tensor::ones([rows, 1], &device);
        let factors = Tensor::cat(vec![ones, numbers], 1).reshape([rows, 1 + width, 1]);
        let weighted = factors * self.weight.val().unsqueeze();
        let codes = batch.codes.chunks_exact(self.offsets.len().max(1));
        let entries: Vec<i32> = codes
            .flat_map(|row| row.iter().zip(&self.offsets))
            .map(|(&code, &offset)| (offset + code as usize) as i32)
            .collect();
        let entries = TensorData::new(entries, [rows * self.offsets.len()]);
        let entries = Tensor::<1, Int>::from_data(entries, &device);
        let embedded = self.embedding.val().select(0, entries);
        let embedded = embedded.reshape([rows, self.offsets.len(), D_TOKEN]);
        let bias = Tensor::cat(
            vec![Tensor::zeros([1, D_TOKEN], &device), self.bias.val()],
            0,
        );
        Tensor::cat(vec![weighted, embedded], 1) + bias.unsqueeze()
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
    let numbers = TensorData::new(batch.numbers.clone(), [batch.rows, width]);
    Tensor::from_data(numbers, device)
}

/// Tokens to columns.
#[derive(Module, Debug)]
struct Detokenizer {
    /// `[numeric columns, D_TOKEN]`.
    weight: Param<Tensor<2>>,
    /// `[D_TOKEN + 1, codes of all columns]`: the weights of every column's linear layer side by
    /// side, and below them the biases.
    heads: Param<Tensor<2>>,
    #[module(skip)]
    codes: Vec<usize>,
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
            Tensor::cat(vec![weight.val(), bias.val()], 0)
        });
        Self {
            weight,
            heads: Param::from_tensor(Tensor::cat(heads.collect(), 1).detach()),
            codes: shape.codes.clone(),
        }
    }

    /// The numbers, `[rows, numeric columns]`, decoded from the tokens of all columns.
    fn numbers(&self, tokens: Tensor<3>) -> Tensor<2> {
        let weight = self.weight.val();
        let [numbers, _] = weight.dims();
        let products = tokens.narrow(1, 0, numbers) * weight.unsqueeze();
        products.sum_dim(2).squeeze_dim(2)
    }

    /// The cross-entropy of the codes in nats, summed over rows and categorical columns.
    ///
    /// Columns have up to thousands of codes, and this is half of a step's work. The gradient, p
    /// less 1 at the code, is therefore computed by hand: automatic differentiation of matrices of
    /// that width takes three times as long.
    fn cross_entropy(&self, tokens: Tensor<3>, batch: &EncodedRows) -> Tensor<1> {
        let heads = self.heads.val();
        let (mut nats, mut by_token, mut by_head) = (Vec::new(), Vec::new(), Vec::new());
        for (column, (features, head)) in self.columns(&tokens, &heads).enumerate() {
            let codes = batch.codes.iter().skip(column);
            let codes: Vec<i32> = codes.step_by(self.codes.len()).map(|&c| c as i32).collect();
            let codes = TensorData::new(codes, [batch.rows, 1]);
            let codes = Tensor::from_data(codes, &features.device());
            let (column, excess) = cross_entropy(features.clone().matmul(head.clone()), codes);
            nats.push(column);
            if tokens.is_autodiff() {
                by_token.push(excess.clone().matmul(head.transpose()));
                by_head.push(features.transpose().matmul(excess));
            }
        }
        let nats = Tensor::cat(nats, 0).sum();
        if !tokens.is_autodiff() {
            return nats;
        }
        let by_token = Tensor::stack::<3>(by_token, 1).narrow(2, 0, D_TOKEN);
        let slope = (self.tokens_of_codes(tokens) * by_token.autodiff()).sum()
            + (heads * Tensor::cat(by_head, 1).autodiff()).sum();
        // The difference is 0, and its gradient is the one computed by hand.
        nats.autodiff() + (slope.clone() - slope.detach())
    }

    /// The most likely codes, `[rows, categorical columns]`.
    fn codes(&self, tokens: Tensor<3>) -> Vec<u32> {
        let heads = self.heads.val();
        let columns = self.columns(&tokens, &heads);
        let codes = columns.map(|(features, head)| features.matmul(head).argmax(1));
        let codes: Tensor<2, Int> = Tensor::cat(codes.collect(), 1);
        let codes = codes.into_data();
        codes.iter::<u32>().collect()
    }

    fn tokens_of_codes(&self, tokens: Tensor<3>) -> Tensor<3> {
        let columns = self.codes.len();
        let [_, all, _] = tokens.dims();
        tokens.narrow(1, all - columns, columns)
    }

    /// The token of each categorical column, followed by a 1, and the column's head: the product of
    /// both is the logits. Without automatic differentiation.
    fn columns(
        &self,
        tokens: &Tensor<3>,
        heads: &Tensor<2>,
    ) -> impl Iterator<Item = (Tensor<2>, Tensor<2>)> {
        let heads = heads.clone().inner();
        let tokens = self.tokens_of_codes(tokens.clone().inner());
        let [rows, columns, _] = tokens.dims();
        let ones = Tensor::ones([rows, columns, 1], &tokens.device());
        let features = Tensor::cat(vec![tokens, ones], 2);
        let offsets = offsets(&self.codes).into_iter().zip(&self.codes);
        offsets.enumerate().map(move |(column, (offset, &codes))| {
            let features = features.clone().narrow(1, column, 1).squeeze_dim(1);
            (features, heads.clone().narrow(1, offset, codes))
        })
    }
}

/// The cross-entropy summed over rows, and its gradient with respect to the logits.
fn cross_entropy(logits: Tensor<2>, codes: Tensor<2, Int>) -> (Tensor<1>, Tensor<2>) {
    let max = logits.clone().max_dim(1);
    let told = logits.clone().gather(1, codes.clone());
    let likely = (logits - max.clone()).exp();
    let sum = likely.clone().sum_dim(1);
    let nats = (max + sum.clone().log() - told).sum();
    let minus_one = -Tensor::ones(codes.dims(), &sum.device());
    let excess = (likely / sum).scatter(1, codes, minus_one, IndexingUpdateOp::Add);
    (nats, excess)
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
#[derive(Module, Debug)]
pub(crate) struct TabSyn {
    tokenizer: Tokenizer,
    encoder_mu: Transformer,
    encoder_log_var: Transformer,
    decoder: Transformer,
    detokenizer: Detokenizer,
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
        let noise = TensorData::new(noise, [batch.rows, columns, D_TOKEN]);
        let noise = Tensor::from_data(noise, &self.tokenizer.bias.device());
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
        let divergence = (mu.powi_scalar(2) + log_var.clone().exp() - log_var - 1.0).sum() * 0.5;
        let divergence = divergence / (tokens * D_TOKEN) as f64;
        let (mse, ce) = self.nats_of(z, batch);
        (mse + ce + divergence * context.beta) / context.total as f64
    }

    /// The error of the reconstruction from the means of the latents.
    pub(crate) fn nats(&self, batch: &EncodedRows) -> Nats {
        let (mse, ce) = self.nats_of(self.mu(batch), batch);
        Nats {
            mse: mse.into_scalar::<f32>().into(),
            ce: ce.into_scalar::<f32>().into(),
        }
    }

    /// Numbers of a row's latent.
    pub(crate) fn d_latent(&self) -> usize {
        D_TOKEN * self.tokenizer.bias.dims()[0]
    }

    /// The means of the latents, `[rows, D_TOKEN · columns]`.
    pub(crate) fn latent(&self, batch: &EncodedRows) -> Tensor<2> {
        self.mu(batch).flatten(1, 2)
    }

    /// Decodes latents to rows: the numbers as predicted, and the most likely codes.
    pub(crate) fn decode(&self, z: Tensor<2>) -> EncodedRows {
        let [rows, width] = z.dims();
        let tokens = self
            .decoder
            .forward(z.reshape([rows, width / D_TOKEN, D_TOKEN]));
        let numbers = self.detokenizer.numbers(tokens.clone()).into_data();
        EncodedRows {
            rows,
            numbers: numbers.try_into_vec().expect("the network computes in f32"),
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

    /// Squared error and cross-entropy as in [`Negative log-likelihood`].
    fn nats_of(&self, z: Tensor<3>, batch: &EncodedRows) -> (Tensor<1>, Tensor<1>) {
        let tokens = self.decoder.forward(z);
        let error = self.detokenizer.numbers(tokens.clone()) - numbers(batch, &tokens.device());
        let [_, width] = error.dims();
        let mse = error.powi_scalar(2).sum() / width as f64;
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
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::weights::{Weights, gradients};

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
        for (k, weight) in weights.values.iter_mut().enumerate() {
            *weight = (0.3 * (1.3 * k as f64 + 0.5).sin()) as f32;
        }
        weights.load(network, device)
    }

    /// Loss and gradient of a batch of some rows, in a step of all rows.
    fn measure(rows: std::ops::Range<usize>) -> (f64, Vec<f32>) {
        let device = Device::flex().autodiff();
        let network = network(&device);
        let noise = rows
            .clone()
            .flat_map(|row| (0..20).map(move |i| ((20 * row + i) % 3) as f32 - 1.0));
        let noise = TensorData::new(noise.collect::<Vec<f32>>(), [rows.len(), 5, D_TOKEN]);
        let context = StepContext {
            total: ROWS,
            step: 0,
            beta: 0.5,
        };
        let loss = network.loss(&batch(rows), &context, Tensor::from_data(noise, &device));
        let value = loss.clone().into_scalar::<f32>().into();
        (value, gradients(&network, loss.backward()))
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
        let network = network(&Device::flex());
        let context = StepContext {
            total: ROWS,
            step: 0,
            beta: BETA,
        };
        let objective = |seed| {
            let mut rng = stream(seed, Purpose::Batch, 0);
            let loss = network.objective(&batch(0..ROWS), &context, &mut rng);
            loss.into_scalar::<f32>()
        };
        assert_eq!(objective(1), objective(1));
        assert_ne!(objective(1), objective(2));
    }

    #[test]
    fn test_nats_are_the_objective_of_the_means() {
        let network = network(&Device::flex());
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
        let still = Tensor::zeros(without_cls(log_var).dims(), &Device::flex());
        let loss = network.loss(&batch, &context, still).into_scalar::<f32>();
        assert!((nats.mse + nats.ce - f64::from(loss)).abs() < 1e-5);
        assert_eq!(z.dims(), [ROWS, 5, D_TOKEN]);
    }

    #[test]
    fn test_decoded_codes_cost_least() {
        let network = network(&Device::flex());
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
            network.nats_of(z, &told).1.into_scalar::<f32>()
        };
        for (column, codes) in [5, 40, 3].into_iter().enumerate() {
            let least = nats(column, decoded.codes[column]);
            assert!((0..codes).all(|code| nats(column, code) >= least));
        }
    }

    #[test]
    fn test_cross_entropy_of_a_code_that_is_never_likely() {
        let logits = Tensor::from_data([[0.0f32, 200.0]], &Device::flex());
        let codes = Tensor::from_data([[0i32]], &Device::flex());
        let (nats, gradient) = cross_entropy(logits, codes);
        assert_eq!(nats.into_scalar::<f32>(), 200.0);
        assert_eq!(
            gradient.into_data().try_into_vec::<f32>().unwrap(),
            [-1.0, 1.0]
        );
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
