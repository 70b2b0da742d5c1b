//! JSON documents: pretty-printed, keys in a fixed order, `format` and `version` first.
//!
//! Nothing in a document depends on when or where it was written: the same input, configuration
//! and version give the same bytes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::output::Output;

/// A manifest that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's word on it.
        cause: io::Error,
    },
    /// The file cannot be written; the message names it.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// Not JSON, or other keys than a manifest's.
    #[error("{}: not a manifest: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        cause: serde_json::Error,
    },
    /// A manifest of something else, or of another version.
    #[error("{}: {format} version {version}, but {expected} version {expected_version} is needed", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// `format` in the file.
        format: String,
        /// `version` in the file.
        version: u32,
        /// `format` that was expected.
        expected: &'static str,
        /// `version` that was expected.
        expected_version: u32,
    },
}

/// BLAKE3 digest of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn digest(path: impl AsRef<Path>) -> Result<String, ManifestError> {
    let path = path.as_ref();
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    match read {
        Ok(()) => Ok(hasher.finalize().to_hex().to_string()),
        Err(cause) => Err(ManifestError::Read {
            path: path.to_path_buf(),
            cause,
        }),
    }
}

/// Keys that every document begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// Reads a document of a format and version.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn read<T: DeserializeOwned>(
    path: impl AsRef<Path>,
    (expected, expected_version): (&'static str, u32),
) -> Result<T, ManifestError> {
    let path = path.as_ref().to_path_buf();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(cause) => return Err(ManifestError::Read { path, cause }),
    };
    let malformed = |cause| ManifestError::Malformed {
        path: path.clone(),
        cause,
    };
    let Head { format, version } = serde_json::from_slice(&text).map_err(malformed)?;
    if (format.as_str(), version) != (expected, expected_version) {
        return Err(ManifestError::Format {
            path,
            format,
            version,
            expected,
            expected_version,
        });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

/// Writes a document; the file appears whole or not at all.
///
/// # Errors
/// If the output fails.
pub fn write(path: impl AsRef<Path>, document: &impl Serialize) -> Result<(), ManifestError> {
    let mut text = serde_json::to_vec_pretty(document).map_err(io::Error::from)?;
    text.push(b'\n');
    let mut output = Output::create(path)?;
    output.write_all(&text)?;
    Ok(output.finish()?)
}
