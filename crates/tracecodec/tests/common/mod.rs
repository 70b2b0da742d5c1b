//! What the integration tests share.

use std::path::PathBuf;

/// The folder of test captures: `TRACECODEC_DATA`, or `shared/data` beside the workspace. Prints a
/// line if there is none.
pub(crate) fn data() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("TRACECODEC_DATA").unwrap_or_else(|| beside.into());
    let folder = PathBuf::from(folder);
    let found = folder.join("catalog.tsv").is_file();
    if !found {
        eprintln!("skipped: no captures in {}", folder.display());
    }
    found.then_some(folder)
}
