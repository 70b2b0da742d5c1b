//! Files that are either whole or absent: they are written under a temporary name beside their
//! place, then renamed.

use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracecodec::artifact::document;
use tracecodec::output::Output;

use crate::error::Error;

/// Begins a file that is whole or absent; a missing directory is created.
pub(crate) fn create(path: &Path) -> Result<Output, Error> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    Output::create(path).map_err(Error::io(path))
}

/// Writes a file atomically; a missing directory is created.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut output = create(path)?;
    output.write_all(bytes).map_err(Error::io(path))?;
    output.finish().map_err(Error::io(path))
}

/// Removes a file, if it exists.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    document::read_whole(path).map_err(Error::io(path))
}

/// Parses a JSON value; `path` is named in the error.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::format(path, e))
}

/// The keys that must be readable in every version of a format.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// Fails if a JSON file is of another format or version.
pub(crate) fn check_format(
    path: &Path,
    bytes: &[u8],
    format: &str,
    version: u32,
) -> Result<(), Error> {
    let head: Head = parse(path, bytes)?;
    if head.format != format {
        return Err(Error::format(
            path,
            format!("not a {format} of version {version}"),
        ));
    }
    if head.version != version {
        return Err(Error::Version {
            path: path.to_path_buf(),
            found: head.version,
            expected: version,
        });
    }
    Ok(())
}

/// The BLAKE3 digest of a file's bytes, in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Writes a value as indented JSON with a final newline.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|e| Error::format(path, e))?;
    json.push(b'\n');
    write(path, &json)
}
