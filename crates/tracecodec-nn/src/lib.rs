//! TraceCodec's learned path, and the only crate that names a tensor library.
//!
//! ```text
//! layers      residual block, Transformer encoder block, initial weights
//!  └ codec    Action → Batch → encoder → Gaussian latent z → staged decoder → Action
//!     └ train the one training loop: schedule, AdamW, validation, checkpoint, history
//! latents     the artifact that holds μ and log σ²
//! accuracy    reconstruction accuracy under the activity masks of the action schema
//! ```
//!
//! Every result depends on data, configuration and seed alone, not on the number of threads: work is cut into pieces
//! of a fixed size, and the pieces' results are joined in order.

pub mod accuracy;
pub mod codec;
pub mod error;
mod files;
pub mod latents;
mod layers;
mod parallel;
mod random;
pub mod train;
mod weights;

pub use accuracy::Accuracy;
pub use codec::{Codec, CodecConfig, EncoderKind, TokenLayout};
pub use error::Error;
pub use latents::Latents;
pub use parallel::default_threads;
pub use train::{TrainConfig, train};
