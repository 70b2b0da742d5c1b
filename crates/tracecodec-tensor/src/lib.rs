//! Tensors with derivatives, for the networks of TraceCodec.
//!
//! A [`Tensor`] is a dense array of `f32` on a [`Device`]. On the CPU its operations are kernels of
//! this crate, each for one thread; a caller gives each thread a part of a batch. On a GPU they are
//! Burn's. The operations are those that the networks need, with a whole layer as one operation
//! where that saves passes over memory: [`linear_relu`], [`rms_norm`], [`attention`],
//! [`log_likelihood`](Segments::negative_log_likelihood).
//!
//! ```
//! use tracecodec_tensor::{Device, Tensor};
//!
//! let x = Tensor::new(vec![1.0, 2.0, 3.0], [3], &Device::cpu()).tracked();
//! let loss = (x.clone() * x.clone()).sum();
//! assert_eq!(loss.scalar(), 14.0);
//! let gradients = loss.backward();
//! assert_eq!(gradients.of(&x), [2.0, 4.0, 6.0]);
//! ```

mod arithmetic;
mod attention;
mod device;
mod embedding;
mod functions;
mod gradient;
mod lanes;
mod layers;
mod likelihood;
mod linear;
mod maps;
mod module;
mod nodes;
mod norm;
mod pool;
mod recurrence;
mod reduce;
mod shape;
mod tape;
mod tensor;

pub use attention::{Attention, attention, attention_packed};
pub use device::{Device, NoDevice};
pub use embedding::{embedding_sum, rectified_prefix_sums, rows_of};
pub use functions::{exp, vectorised};
pub use layers::{LayerNorm, Linear, RmsNorm};
pub use likelihood::Segments;
pub use linear::{linear, linear_relu};
pub use module::{Module, Visitor};
pub use nodes::tanh_features;
pub use norm::{layer_norm, rms_norm};
pub use pool::recycle;
pub use recurrence::recurrence;
pub use tape::Gradients;
pub use tensor::Tensor;
