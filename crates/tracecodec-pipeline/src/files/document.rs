//! JSON documents that verbs read and write.

use std::io::{self, ErrorKind::InvalidData, Write};
use std::path::Path;

use serde::Serialize;
use tracecodec::artifact::document;
use tracecodec::output::Output;

use crate::error::Error;

/// Name of the manifest in a folder of artifacts.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Reads a text file.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let read = document::read_whole(path)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|e| io::Error::new(InvalidData, e)));
    read.map_err(|error| Error::io("cannot read", path, error))
}

/// Writes a document as indented JSON to a file, which appears whole.
pub(crate) fn write(path: &Path, document: &impl Serialize) -> Result<(), Error> {
    Ok(document::write(path, document)?)
}

/// Writes a text file, which appears whole.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_bytes(path, text.as_bytes())
}

/// Writes a file, which appears whole.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut output = Output::create(path).map_err(tracecodec::Error::Output)?;
    output.write_all(bytes).map_err(tracecodec::Error::Output)?;
    Ok(output.finish().map_err(tracecodec::Error::Output)?)
}
