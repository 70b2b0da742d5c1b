//! The raw-field baselines: published generators of generic tables, as codecs of the raw packet
//! table (the paper, Appendix C).
//!
//! ```text
//! RawRow → table → numbers, codes → encoding → EncodedRows → network
//!        → EncodedRows → encoding → table → Decoded
//! ```
//!
//! Each model is as published, and trained by the crate's one training loop; see [`Model`]. A
//! trained model holds the addresses and ports of its training data.

pub(crate) mod batch;
mod config;
mod encoding;
mod goggle;
mod network;
mod one_hot;
mod plateau;
mod post_norm;
mod store;
mod table;
mod tabsyn;
mod training;
mod ttvae;
mod tvae;

pub use config::{BaselineConfig, Model, ModelConfig, TrainConfig, VocabularyRows};
pub use table::Decoded;
pub use training::{Manifest, Origin, RawData, Validation, train};

use tracecodec::action::OptionProfiles;
use tracecodec::choice::Choice;
use tracecodec::raw::RawRow;
use tracecodec_tensor::Tensor;

use crate::error::Error;
use crate::model::Placed;
use crate::parallel::{ordered, ordered_until};
use crate::random::{Purpose, stream};
use crate::weights::Weights;
use batch::EncodedRows;
use encoding::Encoding;
use network::Network;

/// Rows that pass through the network at a time.
const PIECE: usize = 500;

/// Pieces that are decoded before the first of their rows is handed over.
const SPAN: usize = 16;

/// A trained, or fresh, baseline.
#[derive(Debug)]
pub struct Baseline {
    model: Model,
    seed: u64,
    encoding: Encoding,
    profiles: OptionProfiles,
    placed: Placed<Network>,
}

impl Baseline {
    /// A baseline with fresh weights.
    fn new(
        model: Model,
        seed: u64,
        encoding: Encoding,
        profiles: OptionProfiles,
    ) -> Result<Self, Error> {
        let mut rng = stream(seed, Purpose::Weights, 0);
        Ok(Self {
            placed: Placed::new(|tensors| {
                Network::new(model, &encoding.shape(), &mut rng, tensors)
            })?,
            model,
            seed,
            encoding,
            profiles: profiles.freeze(),
        })
    }

    /// Sets the number of threads. Results do not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.placed = self.placed.with_threads(threads);
        self
    }

    /// Which model it is.
    pub fn model(&self) -> Model {
        self.model
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.placed.weight_count()
    }

    fn weights(&self) -> &Weights {
        self.placed.weights()
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.placed.set_weights(weights);
    }

    /// Encodes rows and decodes them from the means of their latents.
    ///
    /// If a model's attention mixes rows, it mixes 500 consecutive rows, counted from the first.
    pub fn reconstruct<'a>(&'a self, rows: &'a [RawRow]) -> impl Iterator<Item = Decoded> + 'a {
        let spans = rows.chunks(SPAN * PIECE).enumerate();
        spans.flat_map(|(span, rows)| {
            self.in_pieces(rows, span * SPAN, |batch| self.reconstructed(batch))
                .into_iter()
                .flatten()
        })
    }

    fn reconstructed(&self, batch: &EncodedRows) -> Vec<Decoded> {
        let rows = self.placed.network.reconstruct(batch);
        self.encoding.decode(&rows)
    }

    /// BLAKE3 digest of the weights, which identifies the baseline.
    pub fn digest(&self) -> String {
        self.placed.digest()
    }

    /// Numbers of a row's latent.
    ///
    /// # Errors
    /// If rows do not decode from latents alone, as with GOGGLE and TTVAE.
    pub fn d_latent(&self) -> Result<usize, Error> {
        let d_latent = self.placed.network.d_latent();
        d_latent.ok_or(Error::NotStandalone(self.model.name()))
    }

    /// The means of the latents of rows, `[rows, d_latent]`, row-major, some thousand rows at a
    /// time. Latents of TVAE depend on where the rows begin: a number between two modes is encoded
    /// in either, drawn for 500 rows at a time.
    ///
    /// # Errors
    /// If rows do not decode from latents alone, as with GOGGLE and TTVAE.
    pub fn latents<'a>(
        &'a self,
        rows: &'a [RawRow],
    ) -> Result<impl Iterator<Item = Vec<f32>> + 'a, Error> {
        self.d_latent()?;
        let latent = |batch: &EncodedRows| {
            let latents = self.placed.network.latent(batch);
            latents.map_or(Vec::new(), Tensor::into_values)
        };
        let spans = rows.chunks(SPAN * PIECE).enumerate();
        Ok(spans.map(move |(span, rows)| self.in_pieces(rows, span * SPAN, latent).concat()))
    }

    /// Decodes row-major latents to rows; an incomplete last latent is ignored.
    ///
    /// # Errors
    /// If rows do not decode from latents alone, as with GOGGLE and TTVAE.
    pub fn decode(&self, latents: &[f32]) -> Result<Vec<Decoded>, Error> {
        let width = self.d_latent()?;
        let whole = latents.len() - latents.len() % width;
        let pieces: Vec<&[f32]> = latents[..whole].chunks(PIECE * width).collect();
        let decode = |piece: &[f32]| {
            let shape = [piece.len() / width, width];
            let z = Tensor::new(piece.to_vec(), shape, &self.placed.tensors);
            let rows = self.placed.network.decode(z);
            rows.map_or(Vec::new(), |rows| self.encoding.decode(&rows))
        };
        let decoded = ordered(
            self.placed.threads(),
            pieces.len(),
            || (),
            |(), i| decode(pieces[i]),
        );
        Ok(decoded.into_iter().flatten().collect())
    }

    /// Every row as it is reconstructed, and the sum of the reconstruction objective over rows.
    /// Fails if `ask` does, which is called between batches.
    fn validated(
        &self,
        rows: &[RawRow],
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(Vec<Decoded>, f64), Error> {
        let work =
            |batch: &EncodedRows| (self.reconstructed(batch), self.placed.network.nats(batch));
        let pieces = self.in_pieces_until(rows, 0, work, ask)?;
        let (decoded, nats): (Vec<_>, Vec<f64>) = pieces.into_iter().unzip();
        Ok((decoded.concat(), nats.into_iter().sum()))
    }

    /// Work on the batches of rows, piece by piece; there are so many pieces before.
    fn in_pieces<T: Send>(
        &self,
        rows: &[RawRow],
        before: usize,
        work: impl Fn(&EncodedRows) -> T + Sync,
    ) -> Vec<T> {
        self.in_pieces_until(rows, before, work, &mut || Ok(()))
            .expect("nothing asks for a stop")
    }

    /// Works as `in_pieces` until `ask`, which is called between pieces, fails.
    fn in_pieces_until<T: Send>(
        &self,
        rows: &[RawRow],
        before: usize,
        work: impl Fn(&EncodedRows) -> T + Sync,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<T>, Error> {
        let pieces: Vec<&[RawRow]> = rows.chunks(PIECE).collect();
        ordered_until(
            self.placed.threads(),
            pieces.len(),
            || (),
            |(), i| {
                let mut rng = stream(self.seed, Purpose::Modes, (before + i) as u64);
                work(
                    &self
                        .encoding
                        .encode(pieces[i].iter(), &self.profiles, &mut rng),
                )
            },
            ask,
        )
    }
}
