//! The velocity network: a Transformer over all rows of a window.

use rand::Rng;
use tracecodec_tensor::{Device, Linear, Module, RmsNorm, Tensor, Visitor, rows_of};

use super::batch::WindowBatch;
use super::config::NetworkConfig;
use crate::layers::{Dropout, TransformerBlock, linear, table};

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
/// place and role, and the window's condition, which is the flow time and the label. All rows of a
/// window attend to each other, except to the values of padding.
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
        }
    }

    /// Predicts the velocities of the suffixes, `[windows, suffix, channels]`.
    pub(super) fn forward(
        &self,
        batch: &WindowBatch,
        dropout: &mut Dropout<impl Rng>,
    ) -> Tensor<3> {
        let tokens = self.tokens(batch);
        let tokens = self
            .blocks
            .iter()
            .fold(tokens, |x, block| block.forward_with(x, dropout));
        let [windows, rows, width] = tokens.dims();
        let suffix = rows - self.prefix;
        let suffixes = tokens
            .narrow(1, self.prefix, suffix)
            .reshape([windows * suffix, width]);
        let velocities = self.output.forward(&self.norm.forward(&suffixes));
        let [_, channels] = velocities.dims();
        velocities.reshape([windows, suffix, channels])
    }

    /// Tokens of the windows, `[windows, prefix + suffix, width]`.
    fn tokens(&self, batch: &WindowBatch) -> Tensor<3> {
        let [tokens, width] = self.position.dims();
        let (windows, device) = (batch.windows(), self.position.device());
        let rows = windows * tokens;
        let channels = batch.x.len() / rows;
        let mut x = batch.x.clone();
        for (x, &padding) in x.chunks_exact_mut(tokens * channels).zip(&batch.padding) {
            x[..padding * channels].fill(0.0);
        }
        let roles = batch.padding.iter();
        let roles =
            roles.flat_map(|&padding| (0..tokens).map(move |row| self.role_of(row, padding)));
        let x = Tensor::new(x, [rows, channels], &device);
        let x = self.input.forward(&x) + rows_of(&self.role, roles.collect());
        let condition = self.condition(batch, &device).reshape([windows, 1, width]);
        let position = self.position.clone().reshape([1, tokens, width]);
        x.reshape([windows, tokens, width]) + position + condition
    }

    /// Role of a row in a window with so many rows of padding.
    fn role_of(&self, row: usize, padding: usize) -> u32 {
        match row {
            row if row >= self.prefix => SUFFIX,
            row if row < padding => PADDING,
            _ => PREFIX,
        }
    }

    /// Embedding of flow time and label, `[windows, width]`.
    fn condition(&self, batch: &WindowBatch, device: &Device) -> Tensor<2> {
        let features: Vec<f32> = batch.times.iter().flat_map(|&t| time_features(t)).collect();
        let features = Tensor::new(features, [batch.windows(), TIME_FEATURES], device);
        let [up, out] = &self.time;
        let time = out.forward(&up.forward(&features).silu());
        let Some(label) = &self.label else {
            return time;
        };
        let labels = batch.labels.iter().map(|&label| label as u32);
        time + rows_of(label, labels.collect())
    }
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
    };

    /// A network without a weight that is 0.
    fn network(labels: usize) -> VelocityNetwork {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let network = VelocityNetwork::new(&SHAPE, 2, labels, &mut rng, &device);
        let mut weights = Weights::of(&network);
        let noise = normals(&mut rng, weights.values.len());
        Arc::make_mut(&mut weights.values)
            .iter_mut()
            .zip(noise)
            .for_each(|(w, noise)| *w += 0.3 * noise);
        weights.load(network, &device)
    }

    fn batch(windows: usize) -> WindowBatch {
        WindowBatch {
            x: normals(&mut stream(1, Purpose::Batch, 0), windows * 5 * 2),
            padding: vec![2; windows],
            times: vec![0.3; windows],
            labels: vec![0; windows],
        }
    }

    fn velocities(network: &VelocityNetwork, batch: &WindowBatch) -> Vec<f32> {
        let velocities = network.forward(batch, &mut Dropout::off());
        assert_eq!(velocities.dims(), [batch.windows(), 2, 2]);
        velocities.into_values()
    }

    #[test]
    fn test_padding_is_never_seen() {
        let network = network(0);
        let clean = batch(2);
        let expected = velocities(&network, &clean);
        let mut other = clean.clone();
        other.x[..4].copy_from_slice(&[f32::NAN, 1e9, -7.0, 0.0]);
        assert_eq!(velocities(&network, &other), expected);
        // The network sees that a row is padding, and sees every row that is not.
        other.padding[0] = 1;
        assert_ne!(velocities(&network, &other)[..4], expected[..4]);
        let mut other = clean.clone();
        other.x[4] += 1.0;
        let found = velocities(&network, &other);
        assert_ne!(found[..4], expected[..4]);
        assert_eq!(found[4..], expected[4..]);
    }

    #[test]
    fn test_time_label_and_place_are_seen() {
        let network = network(2);
        let plain = batch(1);
        let expected = velocities(&network, &plain);
        let (mut late, mut labelled) = (plain.clone(), plain.clone());
        late.times[0] = 0.4;
        labelled.labels[0] = 2;
        assert_ne!(velocities(&network, &late), expected);
        assert_ne!(velocities(&network, &labelled), expected);
        let mut same = plain;
        same.x = [0.5, -0.5].repeat(5);
        let found = velocities(&network, &same);
        assert_ne!(found[..2], found[2..]);
    }

    #[test]
    fn test_velocity_is_zero_at_first() {
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let network = VelocityNetwork::new(&SHAPE, 2, 0, &mut rng, &device);
        assert_eq!(velocities(&network, &batch(3)), [0.0; 12]);
    }
}
