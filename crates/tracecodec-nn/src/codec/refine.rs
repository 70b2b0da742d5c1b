//! Refinement at encode time: what was encoded is decoded, and where a symbol comes back wrong, the
//! latent is moved until it does not.
//!
//! The decoder is differentiable and at hand, so the encoder's mean is only a first guess: a few
//! steps of Adam on the latent alone, down the decoder's negative log-likelihood at the packet,
//! find one near it that decodes to the packet. Where a sum of negative log-likelihoods gives up a
//! symbol for the others, that symbol counts more with each step. Packets that come back at once,
//! which are most, are not touched.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use tracecodec::action::Action;
use tracecodec::action::float::Tick;

use super::batch::Batch;
use super::{Codec, Network, TraceEncoder};
use crate::latents::Latents;
use crate::parallel::ordered;

/// Packets that are refined at a time, on the CPU. Shorter pieces are padded, so that a packet's
/// result never depends on its company.
const PIECE: usize = 32;

/// Adam's decay rates of the moments.
const BETAS: [f32; 2] = [0.9, 0.99];

/// Adam's epsilon.
const EPSILON: f32 = 1e-8;

/// Steps in which all symbols count alike: most packets need no more.
const EVEN_STEPS: u32 = 30;

/// What a symbol's negative log-likelihood counts more after each later step that left it wrong.
const EMPHASIS: f32 = 0.5;

/// The same of a far-reaching symbol.
const FAR_EMPHASIS: f32 = 4.0;

/// How far refinement goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefineConfig {
    /// Most steps for a packet. Default 100.
    pub steps: u32,
    /// Learning rate: a step moves each dimension by about so much. The posterior's standard
    /// deviation is a measure of what is little. Default 0.1.
    pub learning_rate: f32,
}

impl Default for RefineConfig {
    fn default() -> Self {
        Self {
            steps: 100,
            learning_rate: 0.1,
        }
    }
}

/// Latents after refinement, and what they decode to.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// The latents: moved means, log-variances as they were.
    pub latents: Latents,
    /// What they decode to.
    pub decoded: Vec<Action>,
    /// What the encoder's means decode to.
    pub before: Vec<Action>,
    /// Divergence of the posterior from the prior before refinement, in nats a packet.
    pub kl_before: f64,
    /// Packets that did not come back from the encoder's mean.
    pub moved: u64,
    /// Those of them that still do not come back.
    pub left: u64,
}

/// How many symbols came back wrong. Of two latents the lesser is closer to the packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Wrong {
    /// Those that put off more than their packet.
    far_reaching: usize,
    all: usize,
}

/// A packet on its way.
struct Row {
    /// The packet's symbols, and which of them count.
    values: Vec<u8>,
    mask: Vec<f32>,
    /// What the negative log-likelihood at each symbol counts.
    weights: Vec<f32>,
    z: Vec<f32>,
    moments: [Vec<f32>; 2],
    steps: u32,
    /// The latent that came closest so far, and what is wrong with it.
    best: (Vec<f32>, Wrong),
}

impl TraceEncoder<'_> {
    /// Encodes the next packets so that they come back: the means are refined until they decode to
    /// the packets, as far as that succeeds. All symbols count that are active, those of the time
    /// to the codec's resolution among them.
    pub fn encode_refined(&mut self, actions: &[Action], config: RefineConfig) -> Refined {
        let codec = self.codec;
        let codable = self.codable(actions);
        let mut latents = codec.posterior(&codable);
        let kl_before = latents.kl();
        let first = codec.stages_in_context(&latents.mu, &codable);
        let [means, refined] = &mut self.decoders;
        let before = means.codable_again(&latents.mu, first.clone(), Vec::new());
        let moved = codec.refine_means(&codable, &first.rows, &mut latents.mu, config);
        let decoded = refined.codable_again(&latents.mu, first, moved.clone());
        Refined {
            moved: moved.len() as u64,
            left: codec.wrong(&codable, &decoded).len() as u64,
            latents,
            decoded: refined.actions(decoded),
            before: means.actions(before),
            kl_before,
        }
    }
}

impl Codec {
    /// Encodes a whole trace so that its packets come back, see [`TraceEncoder::encode_refined`].
    pub fn encode_refined(&self, actions: &[Action], config: RefineConfig) -> Refined {
        self.encoder(Tick::Nanosecond)
            .encode_refined(actions, config)
    }

    /// Moves the means that do not decode to their packet; `rows` are what they decode to in its
    /// true context. Tells which were moved.
    fn refine_means(
        &self,
        actions: &[Action],
        rows: &[u8],
        mu: &mut [f32],
        config: RefineConfig,
    ) -> Vec<usize> {
        let width = self.config.d_latent;
        let decoded: Vec<Action> = self.symbols.actions(rows).collect();
        let wrong = self.wrong(actions, &decoded);
        // One queue a thread: whoever stands beside a packet, and in which queue, makes no
        // difference to it.
        let share = wrong.len().div_ceil(self.threads()).max(1);
        let queues: Vec<_> = wrong.chunks(share).collect();
        let refined = ordered(
            self.threads(),
            queues.len(),
            || self.frozen(),
            |network, queue| {
                let rows = queues[queue].iter().map(|&(i, wrong)| {
                    self.row(&actions[i], &mu[i * width..(i + 1) * width], wrong)
                });
                self.refine(network, rows.collect(), config)
            },
        );
        for (&(i, _), row) in wrong.iter().zip(refined.into_iter().flatten()) {
            mu[i * width..(i + 1) * width].copy_from_slice(&row.best.0);
        }
        wrong.into_iter().map(|(i, _)| i).collect()
    }

    /// Packets that came back wrong, and how wrong.
    fn wrong(&self, actions: &[Action], decoded: &[Action]) -> Vec<(usize, Wrong)> {
        let packets = actions.iter().zip(decoded).enumerate();
        packets
            .filter(|(_, (action, decoded))| action != decoded)
            .map(|(i, (action, decoded))| {
                let batch = |action| Batch::new(&self.symbols, std::iter::once(action));
                let (values, back) = (batch(action), batch(decoded));
                let mask = values.mask(&self.symbols);
                (i, self.count(&wrong(&values.values, &mask, &back.values)))
            })
            .filter(|(_, wrong)| wrong.all > 0)
            .collect()
    }

    fn count(&self, wrong: &[usize]) -> Wrong {
        let far_reaching = wrong.iter().filter(|&&i| self.is_far_reaching(i));
        Wrong {
            far_reaching: far_reaching.count(),
            all: wrong.len(),
        }
    }

    fn is_far_reaching(&self, symbol: usize) -> bool {
        self.symbols.all()[symbol].is_far_reaching()
    }

    fn row(&self, action: &Action, mu: &[f32], wrong: Wrong) -> Row {
        let batch = Batch::new(&self.symbols, std::iter::once(action));
        let mask = batch.mask(&self.symbols);
        Row {
            weights: mask.clone(),
            mask,
            values: batch.values,
            z: mu.to_vec(),
            moments: [vec![0.0; mu.len()], vec![0.0; mu.len()]],
            steps: 0,
            best: (mu.to_vec(), wrong),
        }
    }

    /// The network where gradients are tracked, but not those of its weights.
    fn frozen(&self) -> Network {
        let device = self.placed.tensors.clone().autodiff();
        self.weights()
            .load(self.placed.network.clone(), &device)
            .no_grad()
    }

    /// Refines packets side by side: where one is done, the next takes its place.
    fn refine(&self, network: &Network, rows: Vec<Row>, config: RefineConfig) -> Vec<Row> {
        let mut waiting = rows.into_iter().enumerate();
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        let mut done = Vec::new();
        loop {
            for (place, row) in waiting.by_ref().take(self.piece(PIECE) - rows.len()) {
                places.push(place);
                rows.push(row);
            }
            if rows.is_empty() {
                break;
            }
            let gradient = self.gradient(network, &rows);
            for (row, gradient) in rows.iter_mut().zip(gradient.chunks(self.config.d_latent)) {
                row.descend(gradient, config.learning_rate);
            }
            self.judge(&mut rows);
            for at in (0..rows.len()).rev() {
                if rows[at].best.1.all == 0 || rows[at].steps >= config.steps {
                    done.push((places.swap_remove(at), rows.swap_remove(at)));
                }
            }
        }
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, row)| row).collect()
    }

    /// Gradients of the decoder's weighted negative log-likelihood at each packet, with respect to
    /// its latent.
    fn gradient(&self, network: &Network, rows: &[Row]) -> Vec<f32> {
        let batch = Batch {
            rows: self.piece(PIECE),
            values: self.padded(rows, |row| &row.values, 0),
        };
        let weights = self.padded(rows, |row| &row.weights, 0.0);
        let device = self.placed.tensors.clone().autodiff();
        let z = self.latents(rows, &device).require_grad();
        let nats = network.decoder.nats(z.clone(), &batch, &weights);
        let gradients = (nats.fields + nats.time).backward();
        let gradient = z.grad(&gradients).expect("the nats depends on z");
        let gradient = gradient.into_data().try_into_vec();
        gradient.expect("gradients are f32")
    }

    /// Decodes, and takes note of the latents that come closest and of what is still wrong.
    fn judge(&self, rows: &mut [Row]) {
        let z = self.latents(rows, &self.placed.tensors);
        let mut back = self.placed.network.decoder.decode_first(z.clone()).rows;
        let given = back.chunks_mut(self.symbols.len());
        for (back, row) in given.zip(rows.iter()) {
            self.symbols.clear_inactive(back);
            self.symbols.copy_given(&row.values, back);
        }
        self.placed.network.decoder.decode_details(z, &mut back);
        for (row, back) in rows.iter_mut().zip(back.chunks(self.symbols.len())) {
            let wrong = wrong(&row.values, &row.mask, back);
            if row.steps >= EVEN_STEPS {
                for &i in &wrong {
                    row.weights[i] += match self.is_far_reaching(i) {
                        true => FAR_EMPHASIS,
                        false => EMPHASIS,
                    };
                }
            }
            let count = self.count(&wrong);
            if count < row.best.1 {
                row.best = (row.z.clone(), count);
            }
        }
    }

    fn latents(&self, rows: &[Row], device: &Device) -> Tensor<2> {
        let z = self.padded(rows, |row| &row.z, 0.0);
        let shape = [self.piece(PIECE), self.config.d_latent];
        Tensor::from_data(TensorData::new(z, shape), device)
    }

    /// One part of each row, one after the other, and padding for a whole piece.
    fn padded<T: Copy>(&self, rows: &[Row], part: impl Fn(&Row) -> &Vec<T>, padding: T) -> Vec<T> {
        let width = rows.first().map_or(0, |row| part(row).len());
        let mut values: Vec<T> = rows
            .iter()
            .flat_map(|row| part(row).iter().copied())
            .collect();
        values.resize(self.piece(PIECE) * width, padding);
        values
    }
}

impl Row {
    /// A step of Adam.
    fn descend(&mut self, gradient: &[f32], learning_rate: f32) {
        self.steps += 1;
        let [first, second] = &mut self.moments;
        let unbias = BETAS.map(|beta| 1.0 - beta.powi(self.steps as i32));
        for (i, &slope) in gradient.iter().enumerate() {
            first[i] += (1.0 - BETAS[0]) * (slope - first[i]);
            second[i] += (1.0 - BETAS[1]) * (slope * slope - second[i]);
            let (mean, square) = (first[i] / unbias[0], second[i] / unbias[1]);
            self.z[i] -= learning_rate * mean / (square.sqrt() + EPSILON);
        }
    }
}

/// Symbols that count and came back wrong.
fn wrong(values: &[u8], mask: &[f32], back: &[u8]) -> Vec<usize> {
    let is_wrong = |&i: &usize| mask[i] != 0.0 && values[i] != back[i];
    (0..values.len()).filter(is_wrong).collect()
}
