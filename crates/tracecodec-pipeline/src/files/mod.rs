//! Input and output files of the verbs: captures read and written, folders walked, outputs claimed.

pub mod capture;
pub(crate) mod claim;
pub(crate) mod document;
pub(crate) mod evaluation;
pub mod folder;
pub(crate) mod pair;
pub mod writer;

pub use capture::ReadPolicy;
pub(crate) use tracecodec::output::is_pipe;
