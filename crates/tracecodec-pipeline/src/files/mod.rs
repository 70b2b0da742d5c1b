//! Files as the verbs meet them: captures read and written, folders walked, outputs claimed.

pub mod capture;
pub(crate) mod claim;
pub(crate) mod document;
pub mod folder;
pub mod writer;

use std::path::Path;

pub use capture::ReadPolicy;

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_pipe(path: &Path) -> bool {
    path == Path::new("-")
}
