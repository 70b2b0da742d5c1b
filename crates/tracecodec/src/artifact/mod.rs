//! Artifacts: the files that TraceCodec writes.

pub mod actions;
pub mod document;
mod manifest;
mod source;

pub(crate) use actions::output_failed;
pub use actions::{ActionsReader, ActionsWriter, LabelBuf, Labels};
pub use manifest::{ActionCounts, LiftManifest, skipped_by_name};
pub use source::{SourceEntry, SourceFile};

/// Name and version of the tool, as artifacts state it.
pub const TOOL: &str = concat!("tracecodec ", env!("CARGO_PKG_VERSION"));
