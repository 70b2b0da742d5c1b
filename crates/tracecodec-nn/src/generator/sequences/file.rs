//! One safetensors file with the tensor `latents`, `[rows, channels]` in f32, read in place.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::weights::floats;

/// Bytes before the tensor: the length of the header, and the header, padded with spaces.
pub(super) const TENSOR_AT: usize = 128;

/// Largest header in bytes that is read.
const MOST_HEADER: u64 = 1 << 20;

/// Header of a file that holds this tensor alone.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    latents: Entry,
}

/// Entry of a tensor in the header.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: [u64; 2],
    data_offsets: [u64; 2],
}

/// The bytes before a tensor of this shape.
pub(super) fn header(rows: u64, channels: usize) -> Vec<u8> {
    let shape = [rows, channels as u64];
    let header = Header {
        latents: Entry {
            dtype: "F32".to_string(),
            shape,
            data_offsets: [0, 4 * shape[0] * shape[1]],
        },
    };
    let mut bytes = ((TENSOR_AT - 8) as u64).to_le_bytes().to_vec();
    bytes.extend(serde_json::to_vec(&header).expect("numbers are plain JSON"));
    bytes.resize(TENSOR_AT, b' ');
    bytes
}

/// The rows of a file, read where they lie. Threads may share it.
#[derive(Debug)]
pub(super) struct LatentFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Position of the tensor's first byte.
    at: u64,
    rows: u64,
    channels: usize,
}

impl LatentFile {
    /// Opens a file whose rows must have so many channels.
    ///
    /// # Errors
    /// If it cannot be read, or is another kind of file.
    pub(super) fn open(path: &Path, channels: usize) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let bytes = file.metadata().map_err(Error::io(path))?.len();
        let bad = |reason: &str| Error::format(path, reason);
        let cut_short = |_| bad("cut short");
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(cut_short)?;
        let length = u64::from_le_bytes(length);
        if length > MOST_HEADER {
            return Err(bad("not a safetensors file"));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(cut_short)?;
        let Header { latents } =
            serde_json::from_slice(&header).map_err(|e| Error::format(path, e))?;
        let ([rows, width], [start, end]) = (latents.shape, latents.data_offsets);
        let size = rows.checked_mul(4 * channels as u64);
        let is_whole = latents.dtype == "F32"
            && width == channels as u64
            && end.checked_sub(start) == size
            && (8 + length)
                .checked_add(end)
                .is_some_and(|end| end <= bytes);
        if !is_whole {
            return Err(bad(
                "`latents` is no matrix of f32 of the channels described, or cut short",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            at: 8 + length + start,
            rows,
            channels,
        })
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads some rows, row-major.
    ///
    /// # Errors
    /// If the file can no longer be read.
    pub(super) fn read(&self, rows: Range<u64>) -> Result<Vec<f32>, Error> {
        let width = 4 * self.channels as u64;
        let mut bytes = vec![0; (width * (rows.end - rows.start)) as usize];
        let mut file = self.file.lock().expect("no reader panics");
        file.seek(SeekFrom::Start(self.at + width * rows.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(Error::io(&self.path))?;
        Ok(floats(&bytes).collect())
    }
}
