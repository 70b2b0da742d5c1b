//! Evaluations as `evaluate` writes them.

use std::path::Path;

use tracecodec::artifact::document;
use tracecodec::metrics::Evaluation;

use crate::error::Error;

/// Reads an evaluation.
///
/// # Errors
/// If the file cannot be read or is no evaluation.
pub(crate) fn read(path: &Path) -> Result<Evaluation, Error> {
    let bytes =
        document::read_whole(path).map_err(|error| Error::io("cannot read", path, error))?;
    Evaluation::from_json(&String::from_utf8_lossy(&bytes)).map_err(|error| {
        // Names of fields are no settings, which stand in backquotes.
        let message = error.to_string().replace('`', "\"");
        Error::refused(
            format!("{}: {message}", path.display()),
            error.hint().unwrap_or_default(),
        )
    })
}
