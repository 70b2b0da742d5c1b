//! The codec: packet actions to Gaussian latents, and latents alone back to packet actions (the paper, section 3.4).
//!
//! ```text
//! Action → symbols → tokens → encoder → μ, log σ²
//!                                z = μ ↓
//! Action ← symbols ← coarse, context → details; time
//! ```

pub(crate) mod batch;
mod config;
mod decoder;
mod encoder;
mod heads;
pub(crate) mod loss;
mod network;
mod refine;
mod store;
mod symbols;

pub use batch::Augmentation;
pub use config::{CodecConfig, EncoderKind, TokenLayout};
pub(crate) use network::Network;
pub use refine::{RefineConfig, Refined};
pub(crate) use symbols::Symbols;

use burn::tensor::{Device as Tensors, Tensor, TensorData};
use tracecodec::action::{Action, OptionProfiles};

use crate::device::Device;
use crate::error::Error;
use crate::latents::Latents;
use crate::parallel::{default_threads, ordered};
use crate::random::{Purpose, stream};
use crate::weights::Weights;
use batch::Batch;

/// Packets that pass through the network at a time, on the CPU. Shorter pieces are padded, so that a packet's result never depends on
/// its company.
const PIECE: usize = 256;

/// A trained, or fresh, codec.
#[derive(Debug)]
pub struct Codec {
    config: CodecConfig,
    symbols: Symbols,
    network: Network,
    profiles: OptionProfiles,
    threads: usize,
    device: Device,
    tensors: Tensors,
}

impl Codec {
    /// A codec with fresh weights.
    ///
    /// # Errors
    /// If the configuration is out of range.
    pub fn new(config: &CodecConfig, seed: u64) -> Result<Self, Error> {
        config.check()?;
        let symbols = Symbols::new(config.time_digits);
        let mut rng = stream(seed, Purpose::Weights, 0);
        let device = Device::default();
        let tensors = device.open()?;
        Ok(Self {
            network: Network::new(config, &symbols, &mut rng, &tensors),
            config: config.clone(),
            symbols,
            profiles: OptionProfiles::new().freeze(),
            threads: default_threads(),
            device,
            tensors,
        })
    }

    /// The same codec with the dictionary that gives `tcp_opt_profile` its meaning.
    pub fn with_profiles(mut self, profiles: OptionProfiles) -> Self {
        self.profiles = profiles.freeze();
        self
    }

    /// The same codec on so many threads of the CPU. Results do not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The same codec on another device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(mut self, device: Device) -> Result<Self, Error> {
        let weights = self.weights();
        self.device = device;
        self.tensors = device.open()?;
        self.set_weights(&weights);
        Ok(self)
    }

    /// The codec's shape.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.weights().values.len()
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn weights(&self) -> Weights {
        Weights::of(&self.network)
    }

    pub(crate) fn set_weights(&mut self, weights: &Weights) {
        self.network = weights.load(self.network.clone(), &self.tensors);
    }

    /// The tensor library's device.
    pub(crate) fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Packets to compute at once, where the CPU takes pieces of `packets`.
    pub(crate) fn piece(&self, packets: usize) -> usize {
        self.device.piece(packets)
    }

    /// Threads to work on.
    pub(crate) fn threads(&self) -> usize {
        self.device.threads(self.threads)
    }

    /// The posterior of every packet.
    pub fn encode(&self, actions: &[Action]) -> Latents {
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
        let posterior = self.network.encoder.forward(&batch);
        let floats = |tensor: Tensor<2>| -> Vec<f32> {
            let mut values: Vec<f32> = tensor.into_data().try_into_vec().expect("latents are f32");
            values.truncate(actions.len() * self.config.d_latent);
            values
        };
        Latents {
            mu: floats(posterior.mu),
            log_var: floats(posterior.log_var),
            dim: self.config.d_latent,
        }
    }

    /// The most likely packet of every latent; `z` holds rows of `d_latent` numbers, and a last row that is cut short is
    /// ignored. Total: any numbers decode to some action.
    pub fn decode(&self, z: &[f32]) -> Vec<Action> {
        let rows = z.len() / self.config.d_latent;
        let width = self.config.d_latent;
        let size = self.piece(PIECE);
        ordered(
            self.threads(),
            rows.div_ceil(size),
            || (),
            |(), i| self.decode_piece(&z[i * size * width..rows.min((i + 1) * size) * width]),
        )
        .concat()
    }

    fn decode_piece(&self, z: &[f32]) -> Vec<Action> {
        let width = self.config.d_latent;
        let rows = self.piece(PIECE);
        let mut padded = z.to_vec();
        padded.resize(rows * width, 0.0);
        let z_tensor = Tensor::from_data(TensorData::new(padded, [rows, width]), &self.tensors);
        self.network
            .decoder
            .decode(z_tensor)
            .chunks_exact(self.symbols.len())
            .take(z.len() / width)
            .map(|row| self.symbols.action(row))
            .collect()
    }
}
