//! The codec: packet actions to Gaussian latents, and latents alone back to packet actions (the
//! paper, section 3.4).
//!
//! ```text
//! Action → symbols → tokens → encoder → μ, log σ²
//!                                z = μ ↓
//! Action ← symbols ← coarse, context → details; time
//! ```
//!
//! A [`TraceEncoder`] and a [`TraceDecoder`] process a trace in order: they keep the clock and, by
//! default, derive the context from the packets before.

mod ack_bounds;
mod acknowledgment;
pub(crate) mod batch;
mod config;
mod decoder;
pub(crate) mod encoder;
mod entropy;
mod fidelity;
mod heads;
pub(crate) mod loss;
mod network;
mod open_flows;
mod refine;
mod store;
pub(crate) mod symbols;
mod trace;
pub mod training;

pub use batch::Augmentation;
pub use config::{AckBase, CodecConfig, ContextSource, EncoderKind, TokenLayout};
pub use entropy::CodecEntropy;
pub use fidelity::{Fidelity, RateMeter, Rates, RefinementGain};
pub(crate) use network::Network;
pub use refine::{RefineConfig, Refined};
pub(crate) use symbols::Symbols;
pub use trace::{Past, TraceDecoder, TraceEncoder};

use std::ops::Range;

use serde::Serialize;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec_tensor::{Device as Tensors, Tensor};

use crate::device::Device;
use crate::error::Error;
use crate::latents::Latents;
use crate::model::Placed;
use crate::parallel::ordered;
use crate::random::{Purpose, stream};
use crate::weights::Weights;
use batch::Batch;
use decoder::FirstStages;

/// Packets that pass through the network at a time, on the CPU. Shorter pieces are padded, so that
/// a packet's result does not depend on the packets beside it.
const PIECE: usize = 256;

/// What decoded packets must agree with; one that does not is replaced by the likeliest that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Constraints {
    /// No constraint: right for latents from the middle of a trace.
    None,
    /// The open flows. Every trace that was lifted from its start agrees with them.
    #[default]
    Flows,
    /// The open flows, and what the peer has sent: nothing else may be acknowledged. Captures that
    /// miss packets do acknowledge data that they do not hold, so this is for sampled latents.
    Strict,
}

/// Counts of corrected packets, by what they contradicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Corrected {
    /// Packets that contradicted the open flows.
    pub flows: u64,
    /// Packets that acknowledged what the peer had not sent. Always 0 below
    /// [`Constraints::Strict`].
    pub acknowledgments: u64,
}

/// A codec: shape, weights and dictionary of option layouts.
#[derive(Debug)]
pub struct Codec {
    config: CodecConfig,
    symbols: Symbols,
    placed: Placed<Network>,
    profiles: OptionProfiles,
    constraints: Constraints,
}

impl Codec {
    /// A codec with fresh weights.
    ///
    /// # Errors
    /// If the configuration is out of range.
    pub fn new(config: &CodecConfig, seed: u64) -> Result<Self, Error> {
        config.check()?;
        let symbols = Symbols::new(config);
        let mut rng = stream(seed, Purpose::Weights, 0);
        let placed = Placed::new(|tensors| Network::new(config, &symbols, &mut rng, tensors))?;
        Ok(Self::of(placed, config, symbols))
    }

    fn of(placed: Placed<Network>, config: &CodecConfig, symbols: Symbols) -> Self {
        Self {
            placed,
            config: config.clone(),
            symbols,
            profiles: OptionProfiles::new().freeze(),
            constraints: Constraints::default(),
        }
    }

    /// Replaces the dictionary that gives `tcp_opt_profile` its meaning.
    pub fn with_profiles(mut self, profiles: OptionProfiles) -> Self {
        self.profiles = profiles.freeze();
        self
    }

    /// Sets the constraints of the codec's decoders. They have an effect only if the codec takes
    /// the context from the flow ([`ContextSource::Flow`]).
    pub fn with_constraints(mut self, constraints: Constraints) -> Self {
        self.constraints = constraints;
        self
    }

    /// Sets the number of CPU threads. Results do not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.placed = self.placed.with_threads(threads);
        self
    }

    /// Moves the codec to another device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(mut self, device: Device) -> Result<Self, Error> {
        self.placed = self.placed.with_device(device)?;
        Ok(self)
    }

    /// The codec's shape.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// Everything that the actions keep which the codec can carry.
    pub fn schema(&self) -> ActionSchema {
        ActionSchema::whole(self.config.schema_version)
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// BLAKE3 digest of the weights in full precision, the codec's identity.
    pub fn digest(&self) -> String {
        self.placed.digest()
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.placed.weight_count()
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(crate) fn network(&self) -> &Network {
        &self.placed.network
    }

    pub(crate) fn weights(&self) -> &Weights {
        self.placed.weights()
    }

    pub(crate) fn set_weights(&mut self, weights: &Weights) {
        self.placed.set_weights(weights);
    }

    /// The device that the codec computes on.
    pub(crate) fn device(&self) -> Device {
        self.placed.device
    }

    /// The place of the network's tensors.
    pub(crate) fn tensors(&self) -> &Tensors {
        &self.placed.tensors
    }

    /// Number of packets to compute at once, if the CPU takes pieces of `packets`.
    pub(crate) fn piece(&self, packets: usize) -> usize {
        self.placed.piece(packets)
    }

    /// Number of threads to work on.
    pub(crate) fn threads(&self) -> usize {
        self.placed.threads()
    }

    /// An encoder for a trace, fed in order and piece by piece. The times of the trace are
    /// multiples of the tick.
    pub fn encoder(&self, tick: Tick) -> TraceEncoder<'_> {
        TraceEncoder::new(self, tick)
    }

    /// A decoder for a trace, fed in order and piece by piece, with the tick of the encoder.
    pub fn decoder(&self, tick: Tick) -> TraceDecoder<'_> {
        TraceDecoder::new(self, tick, self.constraints)
    }

    /// A decoder for a trace, as [`Codec::decoder`], with the given constraints.
    pub(crate) fn decoder_with(&self, tick: Tick, constraints: Constraints) -> TraceDecoder<'_> {
        TraceDecoder::new(self, tick, constraints)
    }

    /// The posterior of every packet of a whole trace, its times to the nanosecond.
    pub fn encode(&self, actions: &[Action]) -> Latents {
        self.encoder(Tick::Nanosecond).encode(actions)
    }

    /// The most likely packet for every latent of a whole trace; `z` holds rows of `d_latent`
    /// numbers, and an incomplete last row is ignored. Total: any numbers decode to some action.
    pub fn decode(&self, z: &[f32]) -> Vec<Action> {
        self.decoder(Tick::Nanosecond).decode(z)
    }

    /// The posterior of every packet, whose fields are encoded as they are.
    pub(crate) fn posterior(&self, actions: &[Action]) -> Latents {
        let size = self.piece(PIECE);
        let pieces = ordered(
            self.threads(),
            actions.len().div_ceil(size),
            || (),
            |(), i| self.encode_piece(&actions[i * size..actions.len().min((i + 1) * size)]),
        );
        let mut latents = Latents::new(self.config.d_latent);
        for piece in pieces {
            latents.mu.extend(piece.mu);
            latents.log_var.extend(piece.log_var);
        }
        latents
    }

    fn encode_piece(&self, actions: &[Action]) -> Latents {
        let padding = Action::default();
        let rows: Vec<&Action> = actions
            .iter()
            .chain(std::iter::repeat(&padding))
            .take(self.piece(PIECE))
            .collect();
        let batch = Batch::new(&self.symbols, rows.into_iter());
        let posterior = self.placed.network.encoder.forward(&batch);
        let floats = |tensor: Tensor<2>| -> Vec<f32> {
            let mut values = tensor.into_values();
            values.truncate(actions.len() * self.config.d_latent);
            values
        };
        Latents {
            mu: floats(posterior.mu),
            log_var: floats(posterior.log_var),
            dim: self.config.d_latent,
        }
    }

    /// The most likely packet for every latent, each decoded in the context of the packet at its
    /// place in `actions`.
    pub(crate) fn decode_in_context(&self, z: &[f32], actions: &[Action]) -> Vec<Action> {
        let rows = self.stages_in_context(z, actions).rows;
        self.symbols.actions(&rows).collect()
    }

    /// Output of all stages for every latent, each decoded in the context of the packet at its
    /// place in `actions`.
    fn stages_in_context(&self, z: &[f32], actions: &[Action]) -> FirstStages {
        let mut stages = self.first_stages(z);
        let rows = stages.rows.chunks_exact_mut(self.symbols.len());
        for (row, action) in rows.zip(actions) {
            self.symbols.give(action, row);
        }
        (stages.rows, _) = self.details(z, &stages.rows, &[]);
        stages
    }

    /// Output of the first stages, coarse fields and time, for every latent.
    fn first_stages(&self, z: &[f32]) -> FirstStages {
        let mut stages = FirstStages::default();
        let pieces = self.in_pieces(z, |z, _| self.placed.network.decoder.decode_first(&z));
        for (packets, piece) in pieces {
            let rows = &piece.rows[..packets * self.symbols.len()];
            let logits = &piece.logits[..packets * self.logits()];
            stages.rows.extend(rows);
            stages.logits.extend(logits);
        }
        let rows = stages.rows.chunks_exact_mut(self.symbols.len());
        rows.for_each(|row| self.symbols.clear_inactive(row));
        stages
    }

    /// Number of logits of the coarse fields of a packet.
    fn logits(&self) -> usize {
        self.placed.network.decoder.coarse_heads().width()
    }

    /// Adds the details to rows that hold coarse fields and context, and returns these `columns` of
    /// the details' logits beside them.
    fn details(&self, z: &[f32], rows: &[u8], columns: &[usize]) -> (Vec<u8>, Vec<f32>) {
        let width = self.symbols.len();
        let pieces = self.in_pieces(z, |z, packets| {
            let [size, _] = z.dims();
            let mut rows = padded(
                &rows[packets.start * width..packets.end * width],
                size * width,
            );
            let logits = self.placed.network.decoder.decode_details(&z, &mut rows);
            let logits = logits.chunks_exact(self.placed.network.decoder.detail_heads().width());
            let logits = logits.flat_map(|row| columns.iter().map(|&column| row[column]));
            (rows, logits.collect::<Vec<f32>>())
        });
        let mut rows = Vec::with_capacity(rows.len());
        let mut logits = Vec::new();
        for (packets, piece) in pieces {
            rows.extend(&piece.0[..packets * width]);
            logits.extend(&piece.1[..packets * columns.len()]);
        }
        (rows, logits)
    }

    /// Runs a stage of decoding on pieces of a fixed size; `stage` also receives the packets'
    /// range.
    fn in_pieces<T: Send>(
        &self,
        z: &[f32],
        stage: impl Fn(Tensor<2>, Range<usize>) -> T + Sync,
    ) -> Vec<(usize, T)> {
        let d_latent = self.config.d_latent;
        let packets = z.len() / d_latent;
        let size = self.piece(PIECE);
        let piece = |i: usize| {
            let piece = i * size..packets.min((i + 1) * size);
            let z = padded(
                &z[piece.start * d_latent..piece.end * d_latent],
                size * d_latent,
            );
            let z = Tensor::new(z, [size, d_latent], &self.placed.tensors);
            (piece.len(), stage(z, piece))
        };
        let pieces = packets.div_ceil(size);
        ordered(self.threads(), pieces, || (), |(), i| piece(i))
    }
}

/// Values, padded with zeros to this length.
fn padded<T: Copy + Default>(values: &[T], length: usize) -> Vec<T> {
    let mut padded = values.to_vec();
    padded.resize(length, T::default());
    padded
}
