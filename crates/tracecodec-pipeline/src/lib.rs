//! Every verb of TraceCodec as a function from path to path.

pub mod error;
pub mod monitor;
pub mod settings;

pub use error::Error;
pub use monitor::{Monitor, Progress, Silent, Warning};
