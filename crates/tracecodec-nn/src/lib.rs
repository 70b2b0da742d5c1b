//! TraceCodec's learned path: codec, training, baselines, generators. It computes with the tensors
//! of `tracecodec-tensor`.
//!
//! ```text
//! layers      residual block, Transformer encoder block, initial weights
//!  └ codec    Action → Batch → encoder → Gaussian latent z → staged decoder → Action
//! model       a trained model on disk: description, weights, digest; where its network computes
//! train       the one training loop: schedule, Adam, validation, checkpoint, history, manifest
//! baseline    raw rows → Batch → a published network → Batch → raw rows
//! generator   models that continue a trace, or make a new one
//! latents     the artifact that holds μ and log σ²
//! probe       what near latents decode to
//! stored      files of latents that decode: from `latents` or sequences of `generator`
//! device      CPU or GPU
//! accuracy    reconstruction accuracy under the activity masks of the action schema
//! ```
//!
//! On the CPU every result depends on data, configuration and seed alone, not on the number of
//! threads: work is cut into pieces of a fixed size, and the pieces' results are joined in order. A
//! GPU computes the same up to rounding, which may differ from device to device and from run to
//! run.
//!
//! ```
//! use tracecodec::action::{Action, Proto};
//! use tracecodec_nn::Codec;
//!
//! let codec = Codec::embedded();
//! let packet = Action { proto: Proto::Udp, ttl_res: 64, ..Action::default() };
//! let latents = codec.encode(&[packet]);
//! let decoded = codec.decode(&latents.mu);
//! assert_eq!(decoded[0].proto, Proto::Udp);
//! ```

pub mod accuracy;
pub mod baseline;
pub mod codec;
mod device;
pub mod error;
mod files;
pub mod generator;
pub mod latents;
mod layers;
pub mod model;
mod parallel;
pub mod probe;
mod random;
pub mod stored;
pub mod train;
mod weights;

pub use accuracy::Accuracy;
pub use codec::training::{CodecSettings, TrainConfig, train};
pub use codec::{
    Codec, CodecConfig, Constraints, Corrected, EncoderKind, RefineConfig, Refined, TokenLayout,
};
pub use device::Device;
pub use error::Error;
pub use latents::Latents;
pub use parallel::default_threads;
pub use probe::{Probe, ProbeConfig, probe};
pub use stored::{ReadLatents, StoredLatents, Verdict};
pub use weights::Precision;
