//! Talk on stderr. If nobody can hear it, the work goes on.

use std::io::Write;

/// Writes a line to stderr.
pub(crate) fn line(text: &str) {
    // A closed or full stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}
