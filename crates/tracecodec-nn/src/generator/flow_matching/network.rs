//! The velocity network: a Transformer over all rows of a window.

use rand::Rng;
use tracecodec_tensor::{Device, Linear, Module, RmsNorm, Tensor, Visitor, rows_of};

use super::batch::WindowBatch;
use super::config::{NetworkConfig, PrefixSees};
use crate::layers::{Dropout, Memory, TransformerBlock, linear, table};

/// Number of sines and cosines that encode the flow time.
const TIME_FEATURES: usize = 64;

/// Scale of the flow time in its encoding: thousandths, as diffusion steps are.
const TIME_SCALE: f32 = 1_000.0;

/// Initial standard deviation of the entries of embedding tables.
const EMBEDDING: f32 = 0.1;

/// Role of a row: part of the prefix, part of the suffix, or padding before a short prefix.
const ROLES: usize = 3;
const PREFIX: u32 = 0;
const SUFFIX: u32 = 1;
const PADDING: u32 = 2;

/// The network. A token is the sum of the projection of the row's values, embeddings of the row's
/// place and role, and the window's condition, which is the flow time and the label. The rows of a
/// suffix attend to all rows of the window, except to the values of padding; those of a prefix to
/// what [`PrefixSees`] says. A prefix that sees itself alone has no flow time.
#[derive(Clone, Debug)]
pub(crate) struct VelocityNetwork {
    input: Linear,
    position: Tensor<2>,
    role: Tensor<2>,
    time: [Linear; 2],
    label: Option<Tensor<2>>,
    blocks: Vec<TransformerBlock>,
    norm: RmsNorm,
    output: Linear,
    prefix: usize,
    prefix_sees: PrefixSees,
}

/// What the network has read of the prefixes of some windows.
#[derive(Debug, Clone)]
pub(super) enum Prefixes {
    /// They have no rows.
    Empty,
    /// Their tokens, which attend to the suffixes.
    Tokens(Tensor<3>),
    /// What the suffixes attend to in each block.
    Memories(Vec<Memory>),
}

impl Module for VelocityNetwork {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("input", &mut self.input);
        visitor.tensor("position", &mut self.position);
        visitor.tensor("role", &mut self.role);
        visitor.part("time", &mut self.time);
        if let Some(label) = &mut self.label {
            visitor.tensor("label", label);
        }
        visitor.part("blocks", &mut self.blocks);
        visitor.part("norm", &mut self.norm);
        visitor.part("output", &mut self.output);
    }
}

impl VelocityNetwork {
    /// A network with fresh weights for rows of so many channels and so many labels. Its velocity
    /// is 0 at first.
    pub(super) fn new(
        config: &NetworkConfig,
        channels: usize,
        labels: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let width = config.width;
        let mut block =
            |_| TransformerBlock::new(width, config.heads, config.ratio * width, rng, device);
        let blocks = (0..config.layers).map(&mut block).collect();
        let label = (labels > 0).then(|| table(labels + 1, width, EMBEDDING, rng, device));
        Self {
            input: linear(channels, width, rng, device),
            position: table(config.tokens(), width, EMBEDDING, rng, device),
            role: table(ROLES, width, EMBEDDING, rng, device),
            time: [
                linear(TIME_FEATURES, width, rng, device),
                linear(width, width, rng, device),
            ],
            label,
            blocks,
            norm: RmsNorm::new(width, device),
            output: Linear {
                weight: Tensor::zeros([width, channels], device),
                bias: Tensor::zeros([channels], device),
            },
            prefix: config.prefix,
            prefix_sees: config.prefix_sees,
        }
    }

    /// Predicts the velocities of the suffixes, `[windows, suffix, channels]`.
    pub(super) fn forward(
        &self,
        batch: &WindowBatch,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let prefixes = self.read(batch, dropout);
        self.velocities(&prefixes, batch, dropout)
    }

    /// Reads the prefixes as far as this depends neither on the suffixes nor on flow times.
    pub(super) fn read(&self, batch: &WindowBatch, dropout: &mut Dropout<impl Rng>) -> Prefixes {
        if self.prefix == 0 {
            return Prefixes::Empty;
        }
        let windows = batch.windows();
        let channels = batch.prefixes.len() / (windows * self.prefix);
        let mut rows = batch.prefixes.clone();
        let mut roles = vec![PREFIX; windows * self.prefix];
        let places = roles.chunks_exact_mut(self.prefix).zip(&batch.padding);
        let of_windows = rows.chunks_exact_mut(self.prefix * channels);
        for (rows, (roles, &padding)) in of_windows.zip(places) {
            rows[..padding * channels].fill(0.0);
            roles[..padding].fill(PADDING);
        }
        let tokens = self.tokens(rows, roles, 0, windows);
        if self.prefix_sees == PrefixSees::Window {
            return Prefixes::Tokens(tokens);
        }
        let mut tokens = match self.label_of(batch) {
            Some(label) => tokens + for_all_rows(label),
            None => tokens,
        };
        let (last, others) = self.layers();
        let mut memories = Vec::with_capacity(self.blocks.len());
        for block in others {
            let (next, memory) = block.forward_remembered(tokens, dropout);
            memories.push(memory);
            tokens = next;
        }
        memories.push(last.memory(&tokens));
        Prefixes::Memories(memories)
    }

    /// Predicts the velocities of the suffixes after prefixes that were read before.
    pub(super) fn velocities(
        &self,
        prefixes: &Prefixes,
        batch: &WindowBatch,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let windows = batch.windows();
        let [tokens, width] = self.position.dims();
        let suffix = tokens - self.prefix;
        let roles = vec![SUFFIX; windows * suffix];
        let condition = for_all_rows(self.condition(batch));
        let suffixes = self.tokens(batch.suffixes.clone(), roles, self.prefix, windows);
        let suffixes = suffixes + condition.clone();
        let blocks = self.blocks.iter();
        let suffixes = match prefixes {
            Prefixes::Empty => blocks.fold(suffixes, |x, block| block.forward_with(x, dropout)),
            Prefixes::Tokens(prefixes) => {
                let rows = Tensor::cat(vec![prefixes.clone() + condition, suffixes], 1);
                let (last, others) = self.layers();
                let rows = others
                    .iter()
                    .fold(rows, |x, block| block.forward_with(x, dropout));
                let memory = last.memory(&rows.clone().narrow(1, 0, self.prefix));
                last.forward_after(&memory, rows.narrow(1, self.prefix, suffix), dropout)
            }
            Prefixes::Memories(memories) => {
                blocks.zip(memories).fold(suffixes, |x, (block, memory)| {
                    block.forward_after(memory, x, dropout)
                })
            }
        };
        let suffixes = suffixes.reshape([windows * suffix, width]);
        let velocities = self.output.forward(&self.norm.forward(&suffixes));
        let [_, channels] = velocities.dims();
        velocities.reshape([windows, suffix, channels])
    }

    /// The last block, of which nothing reads what it makes of the prefixes, and those before it.
    fn layers(&self) -> (&TransformerBlock, &[TransformerBlock]) {
        self.blocks.split_last().expect("a network has a block")
    }

    /// Tokens of rows in these roles, without condition, `[windows, rows of a window, width]`; the
    /// first row of a window is at this place in it.
    fn tokens(&self, values: Vec<f32>, roles: Vec<u32>, first: usize, windows: usize) -> Tensor<3> {
        let [_, width] = self.position.dims();
        let rows = roles.len();
        let channels = values.len() / rows;
        let x = Tensor::new(values, [rows, channels], &self.position.device());
        let x = self.input.forward(&x) + rows_of(&self.role, roles);
        let position = self.position.clone().narrow(0, first, rows / windows);
        let position = position.reshape([1, rows / windows, width]);
        x.reshape([windows, rows / windows, width]) + position
    }

    /// Embedding of flow time and label, `[windows, width]`.
    fn condition(&self, batch: &WindowBatch) -> Tensor<2> {
        let features: Vec<f32> = batch.times.iter().flat_map(|&t| time_features(t)).collect();
        let shape = [batch.windows(), TIME_FEATURES];
        let features = Tensor::new(features, shape, &self.position.device());
        let [up, out] = &self.time;
        let time = out.forward(&up.forward(&features).silu());
        match self.label_of(batch) {
            Some(label) => time + label,
            None => time,
        }
    }

    /// Embedding of the label, `[windows, width]`; `None` for a network without labels.
    fn label_of(&self, batch: &WindowBatch) -> Option<Tensor<2>> {
        let labels = || batch.labels.iter().map(|&label| label as u32).collect();
        self.label.as_ref().map(|label| rows_of(label, labels()))
    }
}

/// Numbers of windows, for all of their rows: `[windows, 1, width]`.
fn for_all_rows(x: Tensor<2>) -> Tensor<3> {
    let [windows, width] = x.dims();
    x.reshape([windows, 1, width])
}

/// Sines and cosines of a flow time, with wavelengths in geometric progression (Vaswani et al.
/// 2017).
fn time_features(t: f32) -> [f32; TIME_FEATURES] {
    const HALF: usize = TIME_FEATURES / 2;
    let mut features = [0.0; TIME_FEATURES];
    for k in 0..HALF {
        let frequency = 10_000.0_f32.powf(-(k as f32) / HALF as f32);
        let (sin, cos) = (TIME_SCALE * t * frequency).sin_cos();
        (features[k], features[HALF + k]) = (sin, cos);
    }
    features
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::random::{Purpose, normals, stream};
    use crate::weights::Weights;

    const SHAPE: NetworkConfig = NetworkConfig {
        layers: 2,
        width: 8,
        heads: 2,
        ratio: 2,
        prefix: 3,
        suffix: 2,
        prefix_sees: PrefixSees::Window,
    };

    /// A network without a weight that is 0.
    fn network(labels: usize, prefix_sees: PrefixSees) -> VelocityNetwork {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let shape = NetworkConfig {
            prefix_sees,
            ..SHAPE
        };
        let network = VelocityNetwork::new(&shape, 2, labels, &mut rng, &device);
        let mut weights = Weights::of(&network);
        let noise = normals(&mut rng, weights.values.len());
        Arc::make_mut(&mut weights.values)
            .iter_mut()
            .zip(noise)
            .for_each(|(w, noise)| *w += 0.3 * noise);
        weights.load(network, &device)
    }

    fn batch(windows: usize) -> WindowBatch {
        let mut rng = stream(1, Purpose::Batch, 0);
        WindowBatch {
            prefixes: normals(&mut rng, windows * 3 * 2),
            padding: vec![2; windows],
            suffixes: normals(&mut rng, windows * 2 * 2),
            times: vec![0.3; windows],
            labels: vec![0; windows],
        }
    }

    fn velocities(network: &VelocityNetwork, batch: &WindowBatch) -> Vec<f32> {
        let velocities = network.forward(batch, &mut Dropout::off());
        assert_eq!(velocities.dims(), [batch.windows(), 2, 2]);
        velocities.into_values()
    }

    const ALL: [PrefixSees; 2] = [PrefixSees::Window, PrefixSees::Prefix];

    #[test]
    fn test_padding_is_never_seen() {
        for sees in ALL {
            let network = network(0, sees);
            let clean = batch(2);
            let expected = velocities(&network, &clean);
            let mut other = clean.clone();
            other.prefixes[..4].copy_from_slice(&[f32::NAN, 1e9, -7.0, 0.0]);
            assert_eq!(velocities(&network, &other), expected);
            // The network sees that a row is padding, and sees every row that is not.
            other.padding[0] = 1;
            assert_ne!(velocities(&network, &other)[..4], expected[..4]);
            let mut other = clean.clone();
            other.prefixes[4] += 1.0;
            let found = velocities(&network, &other);
            assert_ne!(found[..4], expected[..4]);
            assert_eq!(found[4..], expected[4..]);
        }
    }

    #[test]
    fn test_time_label_and_place_are_seen() {
        for sees in ALL {
            let network = network(2, sees);
            let plain = batch(1);
            let expected = velocities(&network, &plain);
            let (mut late, mut labelled) = (plain.clone(), plain.clone());
            late.times[0] = 0.4;
            labelled.labels[0] = 2;
            assert_ne!(velocities(&network, &late), expected);
            assert_ne!(velocities(&network, &labelled), expected);
            let mut same = plain;
            same.prefixes = [0.5, -0.5].repeat(3);
            same.suffixes = [0.5, -0.5].repeat(2);
            let found = velocities(&network, &same);
            assert_ne!(found[..2], found[2..]);
        }
    }

    #[test]
    fn test_a_prefix_is_read_once_if_it_sees_itself_alone() {
        let network = network(2, PrefixSees::Prefix);
        let off = &mut Dropout::off();
        let mut batch = batch(2);
        let prefixes = network.read(&batch, off);
        assert!(matches!(prefixes, Prefixes::Memories(_)));
        for time in [0.1, 0.7] {
            batch.times.fill(time);
            batch.suffixes.iter_mut().for_each(|x| *x += time);
            let found = network.velocities(&prefixes, &batch, off).into_values();
            assert_eq!(found, velocities(&network, &batch));
        }
    }

    #[test]
    fn test_without_a_prefix_both_are_the_same() {
        let [joint, apart] = ALL.map(|prefix_sees| {
            let shape = NetworkConfig {
                prefix: 0,
                prefix_sees,
                ..SHAPE
            };
            let mut rng = stream(0, Purpose::Weights, 0);
            let mut network = VelocityNetwork::new(&shape, 2, 0, &mut rng, &Device::cpu());
            network.output.bias = Tensor::full(0.5, [2], &Device::cpu());
            let batch = WindowBatch {
                prefixes: Vec::new(),
                padding: vec![0; 2],
                ..batch(2)
            };
            velocities(&network, &batch)
        });
        assert_eq!(joint, apart);
    }

    #[test]
    fn test_velocity_is_zero_at_first() {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let network = VelocityNetwork::new(&SHAPE, 2, 0, &mut rng, &device);
        assert_eq!(velocities(&network, &batch(3)), [0.0; 12]);
    }
}
