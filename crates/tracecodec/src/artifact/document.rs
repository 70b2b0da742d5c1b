//! JSON documents: pretty-printed, keys in a fixed order, `format` and `version` first.
//!
//! Nothing in a document depends on when or where it was written: the same input, configuration
//! and version give the same bytes.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, OtherVersion};
use crate::output::Output;

/// Path of the manifest beside an artifact: the artifact's path with `.json` appended.
pub fn manifest_path(artifact: &Path) -> PathBuf {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Largest number of bytes that are read whole from what has no size, such as a pipe: 256 MiB.
const MOST_OF_PIPE: u64 = 1 << 28;

/// Reads a whole file: as many bytes as it had when it was opened, so that neither a device without
/// an end nor a file that grows exhausts the memory.
///
/// # Errors
/// If the file cannot be read, or is a pipe or a device with more than 256 MiB.
pub fn read_whole(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if metadata.is_file() {
        bytes.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
        file.take(metadata.len()).read_to_end(&mut bytes)?;
    } else if file.take(MOST_OF_PIPE + 1).read_to_end(&mut bytes)? as u64 > MOST_OF_PIPE {
        let message = "more than 256 MiB, and no regular file";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// BLAKE3 digest of a file, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn digest(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(Error::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
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
/// If the file cannot be read, or holds something else than such a document.
pub fn read<T: DeserializeOwned>(
    path: impl AsRef<Path>,
    (expected, expected_version): (&'static str, u32),
) -> Result<T, Error> {
    let path = path.as_ref();
    let text = read_whole(path).map_err(Error::io(path))?;
    let malformed = |cause| Error::NotAManifest {
        path: path.to_path_buf(),
        cause,
    };
    let Head { format, version } = serde_json::from_slice(&text).map_err(malformed)?;
    if (format.as_str(), version) != (expected, expected_version) {
        return Err(Error::OtherManifest {
            path: path.to_path_buf(),
            version: OtherVersion {
                format,
                version,
                expected,
                expected_version,
            },
        });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

/// Writes a document. The file appears whole or not at all.
///
/// # Errors
/// If the output fails.
pub fn write(path: impl AsRef<Path>, document: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(document).map_err(io::Error::from)?;
    text.push(b'\n');
    let mut output = Output::create(path)?;
    output.write_all(&text)?;
    Ok(output.finish()?)
}
