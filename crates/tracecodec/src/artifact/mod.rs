//! Files that TraceCodec leaves behind.

pub mod actions;
pub mod manifest;
mod source;

pub use actions::{ActionsError, ActionsErrorKind, ActionsReader, ActionsWriter};
pub use manifest::{LiftManifest, Manifest, ManifestError};
pub use source::SourceFile;

/// Name and version of the tool, as artifacts state it.
pub const TOOL: &str = concat!("tracecodec ", env!("CARGO_PKG_VERSION"));
