//! GOGGLE (Liu et al., ICLR 2023): a variational autoencoder with a scalar latent for each column,
//! whose decoder passes messages along a graph of the columns that is learned beside it. The sizes
//! are the authors'.
//!
//! ```text
//! numbers → μ, log σ² → z, one for each column → node features → two graph convolutions over A
//!         → numbers
//! ```
//!
//! Two Adams take turns: one on even steps for everything but the graph (rate 5e-3, decay 1e-3),
//! the other on odd steps for the graph (rate 5e-3, no decay).

use std::ops::Range;

use rand::Rng;
use tracecodec_tensor::{
    self as tensor, Device, Linear, Module, Tensor, Visitor, rows_of, tanh_features,
};

use super::batch::{EncodedRows, Shape, StepContext};
use crate::layers::{linear, uniform};
use crate::random::normals;
use crate::weights::Weights;

/// Width of the encoder and of a node's features.
const WIDTH: usize = 64;

/// Weight of the divergence.
const ALPHA: f64 = 0.1;

/// Weight of the graph's mean.
const BETA: f64 = 0.1;

/// Edges of at most this weight are cut.
const THRESHOLD: f64 = 0.1;

/// The last step without the threshold. The paper counts optimiser steps, as we do; the repository
/// counts epochs.
const DENSE_STEPS: u64 = 50;

/// Whether the nodes' embedding functions are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The functions stay as they were drawn. The published code does not save them; here they are
    /// saved like all weights, so that a loaded model decodes as it did when it was trained.
    Published,
    /// The functions are trained.
    Intended,
}

/// A function for each node, of its latent and of the one-hot code of the node: a linear layer from
/// 1 + d inputs, then tanh. Of the d rows of weights that the code may pick, each function only
/// ever meets that of its own node, and no others are kept.
#[derive(Debug, Clone)]
struct Embedding {
    /// `[d, WIDTH]`: weights of the latent.
    latent: Tensor<2>,
    /// `[d, WIDTH]`: weights of the node's one-hot code.
    node: Tensor<2>,
    /// `[d, WIDTH]`.
    bias: Tensor<2>,
}

impl Module for Embedding {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("latent", &mut self.latent);
        visitor.tensor("node", &mut self.node);
        visitor.tensor("bias", &mut self.bias);
    }
}

impl Embedding {
    fn new(columns: usize, rng: &mut impl Rng, device: &Device) -> Self {
        let bound = 1.0 / ((1 + columns) as f32).sqrt();
        let mut rows = || uniform([columns, WIDTH], bound, rng, device);
        Self {
            latent: rows(),
            node: rows(),
            bias: rows(),
        }
    }

    /// The features of the nodes, `[d, rows, WIDTH]`, from latents `[rows, d]`.
    fn forward(&self, z: &Tensor<2>, variant: Variant) -> Tensor<3> {
        let weights = [&self.latent, &self.node, &self.bias].map(|weights| match variant {
            Variant::Published => weights.clone().detach(),
            Variant::Intended => weights.clone(),
        });
        let [latent, node, bias] = weights;
        tanh_features(z, &latent, &(node + bias))
    }
}

/// A graph convolution with weighted edges, normalised by the numbers of edges at both ends
/// (`norm='both'`).
#[derive(Debug, Clone)]
struct GraphConvolution {
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Module for GraphConvolution {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("weight", &mut self.weight);
        visitor.tensor("bias", &mut self.bias);
    }
}

impl GraphConvolution {
    fn new(inputs: usize, outputs: usize, rng: &mut impl Rng, device: &Device) -> Self {
        // Xavier's uniform distribution.
        let bound = (6.0 / (inputs + outputs) as f32).sqrt();
        Self {
            weight: uniform([inputs, outputs], bound, rng, device),
            bias: Tensor::zeros([outputs], device),
        }
    }

    /// Convolves features `[d, rows, inputs]` to `[d, rows, outputs]`; `paths` is `[d, d]`, to row
    /// from column.
    fn forward(&self, x: Tensor<3>, paths: &Tensor<2>) -> Tensor<3> {
        let [nodes, rows, inputs] = x.dims();
        let [outputs] = self.bias.dims();
        let messages = x
            .reshape([nodes * rows, inputs])
            .matmul(self.weight.clone());
        let messages = messages.reshape([nodes, rows * outputs]);
        let bias = rows_of(&self.bias.clone().reshape([1, outputs]), vec![0; rows]);
        let sums = tensor::linear(paths, &messages, &bias.reshape([rows * outputs]));
        sums.reshape([nodes, rows, outputs])
    }
}

/// The network of GOGGLE.
#[derive(Debug, Clone)]
pub(crate) struct Goggle {
    encoder: Linear,
    mu: Linear,
    log_var: Linear,
    /// `[d, d]`: the logit of the edge from row to column.
    graph: Tensor<2>,
    /// Next to the graph, so that both can rest as one range.
    embedding: Embedding,
    first: GraphConvolution,
    second: GraphConvolution,
    variant: Variant,
}

impl Module for Goggle {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("encoder", &mut self.encoder);
        visitor.part("mu", &mut self.mu);
        visitor.part("log_var", &mut self.log_var);
        visitor.tensor("graph", &mut self.graph);
        visitor.part("embedding", &mut self.embedding);
        visitor.part("first", &mut self.first);
        visitor.part("second", &mut self.second);
    }
}

impl Goggle {
    /// A network with fresh weights. Every column of the shape must be numeric.
    pub(crate) fn new(
        shape: &Shape,
        variant: Variant,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let columns = shape.modes.len();
        Self {
            encoder: linear(columns, WIDTH, rng, device),
            mu: linear(WIDTH, columns, rng, device),
            log_var: linear(WIDTH, columns, rng, device),
            graph: Tensor::zeros([columns, columns], device),
            embedding: Embedding::new(columns, rng, device),
            first: GraphConvolution::new(WIDTH, WIDTH / 2, rng, device),
            second: GraphConvolution::new(WIDTH / 2, 1, rng, device),
            variant,
        }
    }

    /// The share of the rows in the loss of a step, with drawn latents. The loss is a sum over rows
    /// and columns: the shares of a step's batches add up to it.
    pub(crate) fn objective(
        &self,
        batch: &EncodedRows,
        context: &StepContext,
        rng: &mut impl Rng,
    ) -> Tensor<1> {
        let [columns, _] = self.graph.dims();
        let noise = normals(rng, batch.rows * columns);
        let noise = Tensor::new(noise, [batch.rows, columns], &self.graph.device());
        self.loss(batch, context, noise)
    }

    /// The objective with given noise of the latents, `[rows, d]`.
    fn loss(&self, batch: &EncodedRows, context: &StepContext, noise: Tensor<2>) -> Tensor<1> {
        let numbers = self.numbers(batch);
        let hidden = self.encoder.rectified(&numbers);
        let (mu, log_var) = (self.mu.forward(&hidden), self.log_var.forward(&hidden));
        let z = mu.clone() + (log_var.clone() * 0.5).exp() * noise;
        let graph = self.graph(context.step > DENSE_STEPS);
        let error = self.columns(&z, &graph) - numbers;
        let divergence = (mu.square() + log_var.clone().exp() - log_var - 1.0).sum() * 0.5;
        let share = batch.rows as f64 / context.total as f64;
        error.square().sum() + divergence * ALPHA + graph.mean() * (BETA * share)
    }

    /// The places of the network's weights that the optimiser of a step moves.
    pub(crate) fn moved(&self, weights: &Weights, step: u64) -> Vec<Range<usize>> {
        let part = |name| weights.range(name).expect("a field of the network");
        let (graph, embedding) = (part("graph"), part("embedding"));
        if !step.is_multiple_of(2) {
            return vec![graph];
        }
        let still = match self.variant {
            Variant::Published => graph.start..embedding.end,
            Variant::Intended => graph,
        };
        vec![0..still.start, still.end..weights.values.len()]
    }

    /// The means of the latents, `[rows, d]`.
    pub(crate) fn latent(&self, batch: &EncodedRows) -> Tensor<2> {
        self.mu
            .forward(&self.encoder.rectified(&self.numbers(batch)))
    }

    /// Decodes latents to rows, with the graph's threshold, as the published code samples.
    pub(crate) fn decode(&self, z: Tensor<2>) -> EncodedRows {
        let [rows, _] = z.dims();
        EncodedRows {
            rows,
            numbers: self.columns(&z, &self.graph(true)).into_values(),
            ..EncodedRows::default()
        }
    }

    /// Squared error at the means of the latents, averaged over columns and summed over rows. The
    /// published code selects the best model by the mean of this error over rows.
    pub(crate) fn nats(&self, batch: &EncodedRows) -> f64 {
        let error = self.columns(&self.latent(batch), &self.graph(true)) - self.numbers(batch);
        let [_, columns] = error.dims();
        f64::from(error.square().sum().scalar()) / columns as f64
    }

    /// Encodes rows and decodes them from the means of their latents.
    pub(crate) fn reconstruct(&self, batch: &EncodedRows) -> EncodedRows {
        self.decode(self.latent(batch))
    }

    /// `[rows, d]`.
    fn numbers(&self, batch: &EncodedRows) -> Tensor<2> {
        let [columns, _] = self.graph.dims();
        let shape = [batch.rows, columns];
        Tensor::new(batch.numbers.clone(), shape, &self.graph.device())
    }

    /// The learned graph; every node has an edge of weight 1 to itself.
    fn graph(&self, has_threshold: bool) -> Graph {
        let ([nodes, _], device) = (self.graph.dims(), self.graph.device());
        let own = (0..nodes * nodes).map(|i| if i % (nodes + 1) == 0 { 1.0 } else { 0.0 });
        let own = Tensor::new(own.collect(), [nodes, nodes], &device);
        let weights = self.graph.clone().sigmoid() * (-own.clone() + 1.0) + own;
        let threshold = if has_threshold { THRESHOLD } else { 0.0 };
        let is_edge = |x: f32| f64::from(x) > threshold;
        let edges = weights
            .clone()
            .into_values()
            .into_iter()
            .map(is_edge)
            .collect();
        Graph { weights, edges }
    }

    /// Decodes latents `[rows, d]` to numbers of that shape.
    fn columns(&self, z: &Tensor<2>, graph: &Graph) -> Tensor<2> {
        let [rows, nodes] = z.dims();
        let paths = graph.paths();
        let features = self.embedding.forward(z, self.variant);
        let features = self.first.forward(features, &paths).tanh();
        let columns = self.second.forward(features, &paths);
        columns.reshape([nodes, rows]).transpose()
    }
}

/// Edges from row to column, `[d, d]` each.
struct Graph {
    /// Weights, those of missing edges included.
    weights: Tensor<2>,
    /// Whether there is an edge.
    edges: Vec<bool>,
}

impl Graph {
    /// The mean of all weights, where those of missing edges are 0.
    fn mean(&self) -> Tensor<1> {
        self.scaled(|_, _| 1.0).mean()
    }

    /// The edges' weights, divided by the roots of the numbers of edges out of their start and into
    /// their end: `[d, d]`, to row from column.
    fn paths(&self) -> Tensor<2> {
        let [nodes, _] = self.weights.dims();
        let (mut out, mut into) = (vec![0.0_f32; nodes], vec![0.0; nodes]);
        for (i, _) in self.edges.iter().enumerate().filter(|(_, edge)| **edge) {
            out[i / nodes] += 1.0;
            into[i % nodes] += 1.0;
        }
        let scale = |from: usize, to: usize| 1.0 / (out[from] * into[to]).sqrt();
        self.scaled(scale).transpose()
    }

    /// The edges' weights times a function of the edge's start and end.
    fn scaled(&self, scale: impl Fn(usize, usize) -> f32) -> Tensor<2> {
        let [nodes, _] = self.weights.dims();
        let edges = self.edges.iter().enumerate();
        let factor = |(i, &edge): (usize, &bool)| {
            if edge {
                scale(i / nodes, i % nodes)
            } else {
                0.0
            }
        };
        let factors = edges.map(factor).collect();
        self.weights.clone() * Tensor::new(factors, [nodes, nodes], &self.weights.device())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::random::{Purpose, stream};

    const COLUMNS: usize = 4;
    const ROWS: usize = 3;

    fn batch(rows: std::ops::Range<usize>) -> EncodedRows {
        let number = |row: usize, i: usize| 0.5 * i as f32 - 0.7 * row as f32;
        let cells = rows
            .clone()
            .flat_map(|row| (0..COLUMNS).map(move |i| number(row, i)));
        EncodedRows {
            rows: rows.len(),
            numbers: cells.collect(),
            ..EncodedRows::default()
        }
    }

    fn fresh(variant: Variant, device: &Device) -> Goggle {
        let shape = Shape {
            modes: vec![0; COLUMNS],
            codes: Vec::new(),
        };
        Goggle::new(&shape, variant, &mut stream(0, Purpose::Weights, 0), device)
    }

    /// A network with weights 0.3 sin(1.3 k + 0.5), ten times as large in the graph, so that some
    /// edges fall under the threshold.
    fn network(variant: Variant, device: &Device) -> Goggle {
        let network = fresh(variant, device);
        let mut weights = Weights::of(&network);
        let graph = weights.range("graph").unwrap();
        let values = Arc::make_mut(&mut weights.values);
        for (k, weight) in values.iter_mut().enumerate() {
            *weight = (0.3 * (1.3 * k as f64 + 0.5).sin()) as f32;
        }
        values[graph].iter_mut().for_each(|weight| *weight *= 10.0);
        weights.load_tracked(network, device)
    }

    /// Loss and gradient of a batch of some rows, in a step of all rows.
    fn measure(variant: Variant, step: u64, rows: std::ops::Range<usize>) -> (f64, Vec<f32>) {
        let device = Device::cpu();
        let network = network(variant, &device);
        let noise = (COLUMNS * rows.start..COLUMNS * rows.end).map(|k| (k % 3) as f32 - 1.0);
        let noise = Tensor::new(noise.collect(), [rows.len(), COLUMNS], &device);
        let context = StepContext {
            total: ROWS,
            step,
            beta: 0.0,
        };
        let loss = network.loss(&batch(rows), &context, noise);
        (loss.scalar().into(), loss.gradient(&network))
    }

    /// The numbers are those of an implementation in PyTorch,
    /// `tests/baselines_goggle_reference.py`. The graph loses edges at step 51.
    #[test]
    fn test_loss_and_gradients_against_torch() {
        for (variant, step, expected) in [
            (Variant::Intended, 50, [14.86152, 52.72251, 7.57061]),
            (Variant::Intended, 51, [18.2341, 84.79794, 9.16855]),
            (Variant::Published, 51, [18.2341, 43.03574, 6.16222]),
        ] {
            let (loss, gradient) = measure(variant, step, 0..ROWS);
            let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
            let cos = (0..).map(|k| f64::from(k).cos());
            let product: f64 = gradient
                .iter()
                .zip(cos)
                .map(|(&g, cos)| f64::from(g) * cos)
                .sum();
            for (found, expected) in [loss, square.sqrt(), product].into_iter().zip(expected) {
                let tolerance = 1e-5 * f64::max(1.0, expected);
                assert!(
                    (found - expected).abs() < tolerance,
                    "{variant:?}, step {step}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn test_batches_of_a_step_add_up() {
        let measure = |rows| measure(Variant::Intended, 51, rows);
        let (loss, gradient) = measure(0..ROWS);
        let (first, second) = (measure(0..2), measure(2..ROWS));
        assert!((first.0 + second.0 - loss).abs() < 1e-4);
        for (sum, whole) in first
            .1
            .iter()
            .zip(second.1)
            .map(|(a, b)| a + b)
            .zip(gradient)
        {
            assert!((sum - whole).abs() < 1e-4, "{sum} {whole}");
        }
    }

    #[test]
    fn test_objective_depends_on_the_seed_alone() {
        let network = fresh(Variant::Published, &Device::cpu());
        let context = StepContext {
            total: ROWS,
            step: 0,
            beta: 0.0,
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
    fn test_optimisers_take_turns() {
        let device = Device::cpu();
        for (variant, still) in [
            (Variant::Published, COLUMNS * COLUMNS + 3 * COLUMNS * WIDTH),
            (Variant::Intended, COLUMNS * COLUMNS),
        ] {
            let network = fresh(variant, &device);
            let weights = Weights::of(&network);
            let moved = |step| network.moved(&weights, step);
            assert_eq!(moved(1), [weights.range("graph").unwrap()]);
            assert_eq!(moved(2)[0].end, moved(1)[0].start);
            let gap = moved(2)[0].end..moved(2)[1].start;
            assert_eq!((gap.len(), moved(2)[1].end), (still, weights.values.len()));
            let (_, gradient) = measure(variant, 0, 0..ROWS);
            let of_embedding = &gradient[weights.range("embedding").unwrap()];
            assert_eq!(
                of_embedding.iter().all(|&g| g == 0.0),
                variant == Variant::Published
            );
        }
    }

    #[test]
    fn test_loaded_model_decodes_the_same() {
        let device = Device::cpu();
        let model = fresh(Variant::Published, &device);
        let other = Weights::of(&model).load(network(Variant::Published, &device), &device);
        let batch = batch(0..ROWS);
        assert_eq!(other.reconstruct(&batch), model.reconstruct(&batch));
        assert_eq!(model.latent(&batch).dims(), [ROWS, COLUMNS]);
        assert_eq!(model.reconstruct(&batch).numbers.len(), ROWS * COLUMNS);
    }

    /// Each row is decoded by itself: the axes of rows and nodes, which the decoder swaps, are
    /// swapped back.
    #[test]
    fn test_decode_row_by_row() {
        let network = network(Variant::Intended, &Device::cpu());
        let all = network.reconstruct(&batch(0..ROWS)).numbers;
        for row in 0..ROWS {
            let alone = network.reconstruct(&batch(row..row + 1)).numbers;
            for (a, b) in alone.iter().zip(&all[row * COLUMNS..]) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
