//! Refinement at encode time: each latent is decoded, and if a symbol is wrong, the latent is moved
//! until it decodes to the packet.
//!
//! The decoder is differentiable and at hand, so the encoder's mean is only a first guess: a few
//! steps of Adam on the latent alone, down the decoder's negative log-likelihood of the packet,
//! find a latent near it that decodes to the packet. Where the sum of negative log-likelihoods
//! sacrifices a symbol to the others, the weight of that symbol grows with each step. Packets that
//! decode at once, which are most, are left as they are.

use tracecodec::action::Action;
use tracecodec::action::float::Tick;
use tracecodec_tensor::{Device, Tensor};

use super::batch::Batch;
use super::{Codec, Network, TraceDecoder, TraceEncoder};
use crate::error::Error;
use crate::latents::Latents;
use crate::parallel::{GoesOn, long_pieces_until};

/// Packets that are refined at a time, on the CPU. Shorter pieces are padded, so that a packet's
/// result does not depend on the packets beside it.
const PIECE: usize = 32;

/// Adam's decay rates of the moments.
const BETAS: [f32; 2] = [0.9, 0.99];

/// Adam's epsilon.
const EPSILON: f32 = 1e-8;

/// Steps of a round. After each, a packet that is still wrong goes on from the latent that came
/// closest, at a lower rate.
const ROUND: u32 = 250;

/// Learning rate of a round, relative to that of the round before.
const SLOWDOWN: f32 = 0.3;

/// Steps in which all symbols have equal weight: most packets need no more.
const EVEN_STEPS: u32 = 30;

/// Added to the weight of a symbol's negative log-likelihood after each later step that left it
/// wrong.
const EMPHASIS: f32 = 0.5;

/// Added instead to the weight of a [far-reaching](super::symbols::Symbol::is_far_reaching) symbol.
const FAR_EMPHASIS: f32 = 4.0;

/// Limits of the refinement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefineConfig {
    /// Largest number of steps for a packet. Default 500: two rounds.
    pub steps: u32,
    /// Learning rate of the first round: about how far a step moves each dimension; to be compared
    /// with the posterior's standard deviation. Default 0.1.
    pub learning_rate: f32,
}

impl Default for RefineConfig {
    fn default() -> Self {
        Self {
            steps: 2 * ROUND,
            learning_rate: 0.1,
        }
    }
}

/// Latents after refinement, and what they decode to.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// Latents with refined means; log-variances are unchanged.
    pub latents: Latents,
    /// Packets that the refined latents decode to.
    pub decoded: Vec<Action>,
    /// Packets that the encoder's means decode to.
    pub before: Vec<Action>,
    /// KL divergence of the posterior from the prior, in nats a packet.
    pub kl: f64,
    /// The divergence before refinement.
    pub kl_before: f64,
    /// Packets that did not decode from the encoder's mean.
    pub moved: u64,
    /// Packets that do not decode from the refined latent either.
    pub left: u64,
}

/// Number of wrong symbols. Of two latents the one with the lesser value is closer to the packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Wrong {
    /// Wrong symbols that affect later packets, too.
    far_reaching: usize,
    all: usize,
}

/// A packet that is being refined.
struct Row {
    /// Symbols of the packet.
    values: Vec<u8>,
    mask: Vec<f32>,
    /// Weight of each symbol's negative log-likelihood.
    weights: Vec<f32>,
    z: Vec<f32>,
    moments: [Vec<f32>; 2],
    steps: u32,
    /// The latent that came closest so far, and its number of wrong symbols.
    best: (Vec<f32>, Wrong),
}

impl TraceEncoder<'_> {
    /// Encodes the next packets with refinement: the means are moved until they decode to the
    /// packets, as far as that succeeds. Every active symbol counts, also those of the time, to the
    /// codec's resolution.
    ///
    /// # Errors
    /// If `ask`, which is called several times a second, fails. The encoder is of no use then.
    pub fn encode_refined(
        &mut self,
        actions: &[Action],
        config: RefineConfig,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Refined, Error> {
        let codec = self.codec;
        let codable = self.codable(actions);
        let mut latents = codec.posterior(&codable);
        let kl_before = latents.kl();
        let first = codec.stages_in_context(&latents.mu, &codable);
        let means = latents.mu.clone();
        let moved = codec.refine_means(&codable, &first.rows, &mut latents.mu, config, ask)?;
        if !moved.is_empty() {
            self.refined.get_or_insert_with(|| self.means.clone());
        }
        let decode = |decoder: &mut TraceDecoder<'_>, z: &[f32], stages, stale| {
            let decoded = decoder.codable_again(z, stages, stale);
            let wrong = codec.wrong(&codable, &decoded).len() as u64;
            (decoder.actions(decoded), wrong)
        };
        let refined = self.refined.as_mut();
        let refined =
            refined.map(|decoder| decode(decoder, &latents.mu, first.clone(), moved.clone()));
        let (before, wrong) = decode(&mut self.means, &means, first, Vec::new());
        let (decoded, left) = refined.unwrap_or_else(|| (before.clone(), wrong));
        Ok(Refined {
            moved: moved.len() as u64,
            left,
            kl: if moved.is_empty() {
                kl_before
            } else {
                latents.kl()
            },
            latents,
            decoded,
            before,
            kl_before,
        })
    }
}

impl Codec {
    /// Encodes a whole trace with refinement, see [`TraceEncoder::encode_refined`].
    pub fn encode_refined(&self, actions: &[Action], config: RefineConfig) -> Refined {
        let refined =
            self.encoder(Tick::Nanosecond)
                .encode_refined(actions, config, &mut || Ok(()));
        refined.expect("nothing asks for a stop")
    }

    /// Moves the means that do not decode to their packet, and returns the indices of these
    /// packets. `rows` holds what each mean decodes to in the true context of its packet.
    fn refine_means(
        &self,
        actions: &[Action],
        rows: &[u8],
        mu: &mut [f32],
        config: RefineConfig,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<usize>, Error> {
        let width = self.config.d_latent;
        let decoded: Vec<Action> = self.symbols.actions(rows).collect();
        let wrong = self.wrong(actions, &decoded);
        // One queue a thread: a packet's result depends neither on the packets beside it nor on its
        // queue.
        let share = wrong.len().div_ceil(self.threads()).max(1);
        let queues: Vec<_> = wrong.chunks(share).collect();
        let refined = long_pieces_until(
            self.threads(),
            queues.len(),
            || self.frozen(),
            |network, queue, goes_on| {
                let rows = queues[queue].iter().map(|&(i, wrong)| {
                    self.row(&actions[i], &mu[i * width..(i + 1) * width], wrong)
                });
                self.refine(network, rows.collect(), config, goes_on)
            },
            ask,
        )?;
        for (&(i, _), row) in wrong.iter().zip(refined.into_iter().flatten()) {
            mu[i * width..(i + 1) * width].copy_from_slice(&row.best.0);
        }
        Ok(wrong.into_iter().map(|(i, _)| i).collect())
    }

    /// Indices of the packets that decoded wrongly, with the number of wrong symbols.
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

    /// The network where latents can be differentiated; its weights are constants.
    fn frozen(&self) -> Network {
        let device = self.placed.tensors.differentiating();
        self.weights().load(self.placed.network.clone(), &device)
    }

    /// Refines packets side by side: as soon as one is done, the next takes its place. If the work
    /// is to end, some are missing.
    fn refine(
        &self,
        network: &Network,
        rows: Vec<Row>,
        config: RefineConfig,
        goes_on: GoesOn<'_>,
    ) -> Vec<Row> {
        let mut waiting = rows.into_iter().enumerate();
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        let mut done = Vec::new();
        loop {
            for (place, row) in waiting.by_ref().take(self.piece(PIECE) - rows.len()) {
                places.push(place);
                rows.push(row);
            }
            if rows.is_empty() || !goes_on() {
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

    /// Gradients of the decoder's weighted negative log-likelihood of each packet, with respect to
    /// its latent.
    fn gradient(&self, network: &Network, rows: &[Row]) -> Vec<f32> {
        let batch = Batch {
            rows: self.piece(PIECE),
            values: self.padded(rows, |row| &row.values, 0),
        };
        let weights = self.padded(rows, |row| &row.weights, 0.0);
        let device = self.placed.tensors.differentiating();
        let z = self.latents(rows, &device).tracked();
        let nats = network.decoder.nats(&z, &batch, &weights);
        (nats.fields + nats.time).backward().of(&z)
    }

    /// Decodes the latents, keeps the closest one of each packet, and raises the weights of wrong
    /// symbols. At the end of a round the packets return to their closest latents.
    fn judge(&self, rows: &mut [Row]) {
        let z = self.latents(rows, &self.placed.tensors);
        let mut back = self.placed.network.decoder.decode_first(&z).rows;
        let given = back.chunks_mut(self.symbols.len());
        for (back, row) in given.zip(rows.iter()) {
            self.symbols.clear_inactive(back);
            self.symbols.copy_given(&row.values, back);
        }
        self.placed.network.decoder.decode_details(&z, &mut back);
        for (row, back) in rows.iter_mut().zip(back.chunks(self.symbols.len())) {
            let wrong = wrong(&row.values, &row.mask, back);
            if row.steps >= EVEN_STEPS {
                for &i in &wrong {
                    row.weights[i] += if self.is_far_reaching(i) {
                        FAR_EMPHASIS
                    } else {
                        EMPHASIS
                    };
                }
            }
            let count = self.count(&wrong);
            if count < row.best.1 {
                row.best = (row.z.clone(), count);
            }
            if row.steps.is_multiple_of(ROUND) {
                row.z.clone_from(&row.best.0);
                row.moments.iter_mut().for_each(|moment| moment.fill(0.0));
            }
        }
    }

    fn latents(&self, rows: &[Row], device: &Device) -> Tensor<2> {
        let z = self.padded(rows, |row| &row.z, 0.0);
        let shape = [self.piece(PIECE), self.config.d_latent];
        Tensor::new(z, shape, device)
    }

    /// One part of each row, concatenated and padded to a whole piece.
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
    /// Moves the latent by one step of Adam.
    fn descend(&mut self, gradient: &[f32], learning_rate: f32) {
        let (round, before) = (self.steps / ROUND, self.steps % ROUND);
        self.steps += 1;
        let learning_rate = learning_rate * SLOWDOWN.powi(round as i32);
        let [first, second] = &mut self.moments;
        let unbias = BETAS.map(|beta| 1.0 - beta.powi(before as i32 + 1));
        for (i, &slope) in gradient.iter().enumerate() {
            first[i] += (1.0 - BETAS[0]) * (slope - first[i]);
            second[i] += (1.0 - BETAS[1]) * (slope * slope - second[i]);
            let (mean, square) = (first[i] / unbias[0], second[i] / unbias[1]);
            self.z[i] -= learning_rate * mean / (square.sqrt() + EPSILON);
        }
    }
}

/// Indices of the symbols that count and decoded wrongly.
fn wrong(values: &[u8], mask: &[f32], back: &[u8]) -> Vec<usize> {
    let is_wrong = |&i: &usize| mask[i] != 0.0 && values[i] != back[i];
    (0..values.len()).filter(is_wrong).collect()
}
