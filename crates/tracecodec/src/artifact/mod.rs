//! Files that TraceCodec leaves behind.

pub mod output;

pub use output::{Output, OutputError};
