//! A capture as the source of an artifact: its bytes are digested while it is read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::output::is_pipe;
use crate::pcap::{Format, Notes, Packet, Reader};
use crate::select::Selection;
use crate::wire::Tunnels;

/// Manifest entry of a capture that an artifact was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Name of the file, without folders.
    pub name: String,
    /// BLAKE3 digest of the file as it is stored, in hexadecimal.
    pub blake3: String,
    /// Length of the file as it is stored, in bytes.
    pub bytes: u64,
    /// Packets read.
    pub packets: u64,
    /// Damage that ended the packets before the file's end; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Selection of the packets that were taken; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Which packet of a tunnel was taken.
    #[serde(default, skip_serializing_if = "Tunnels::is_outer")]
    pub tunnels: Tunnels,
}

/// A capture that is read once, both for its packets and for the digest of its bytes as stored.
pub struct SourceFile {
    path: PathBuf,
    reader: Reader,
    input: Digested,
}

/// The bytes of a file, digested as they are read. The capture's reader and the [`SourceFile`]
/// share them.
#[derive(Clone)]
struct Digested(Arc<Mutex<Input>>);

struct Input {
    file: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl SourceFile {
    /// Opens a capture by path; `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_path_buf();
        let input = Digested::open(&path).map_err(Error::unopened(&path))?;
        let reader = Reader::start(Some(path.clone()), Box::new(input.clone()))?;
        Ok(Self {
            path,
            reader,
            input,
        })
    }

    /// The next packet; `None` after the last packet or after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an Iterator's items cannot borrow from it, and a packet borrows the buffer"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Result<Packet<'_>, Error>> {
        self.reader.next()
    }

    /// Format of the capture.
    pub fn format(&self) -> Format {
        self.reader.format()
    }

    /// What the capture says beside its packets, as far as it has been read.
    pub fn notes(&self) -> Notes {
        self.reader.notes()
    }

    /// Bytes of the file that have been read; for a compressed file, compressed bytes.
    pub fn bytes(&self) -> u64 {
        self.input.lock().bytes
    }

    /// Packets returned so far.
    pub fn packets(&self) -> u64 {
        self.reader.packets()
    }

    /// Digests at most so many of the bytes that follow, without looking for packets in them; no
    /// packet can be read afterwards. Returns whether there may be more.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn digest_on(&mut self, most: u64) -> Result<bool, Error> {
        let mut part = self.input.clone().take(most);
        let read = io::copy(&mut part, &mut io::sink()).map_err(Error::io(&self.path))?;
        Ok(read == most)
    }

    /// Reads the file to its end, and returns its manifest entry. `damage` is the error that ended
    /// its packets.
    ///
    /// # Errors
    /// If the file cannot be read to its end.
    pub fn finish(self, damage: Option<&Error>) -> Result<SourceEntry, Error> {
        let packets = self.reader.packets();
        drop(self.reader);
        let rest = io::copy(&mut self.input.clone(), &mut io::sink());
        rest.map_err(Error::io(&self.path))?;
        let input = self.input.lock();
        Ok(SourceEntry {
            name: file_name(&self.path),
            blake3: input.hasher.finalize().to_hex().to_string(),
            bytes: input.bytes,
            packets,
            damage: damage.map(describe),
            selection: None,
            tunnels: Tunnels::default(),
        })
    }
}

/// The last part of a path: manifests do not state where a file lies.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Text of the error without the path.
fn describe(error: &Error) -> String {
    match error {
        Error::Capture {
            packet,
            offset,
            fault,
            ..
        } => format!("packet {packet} at byte {offset}: {fault}"),
        error => error.to_string(),
    }
}

impl Digested {
    fn open(path: &Path) -> io::Result<Self> {
        let file: Box<dyn Read + Send> = if is_pipe(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path)?)
        };
        Ok(Self(Arc::new(Mutex::new(Input {
            file,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        }))))
    }

    fn lock(&self) -> MutexGuard<'_, Input> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut input = self.lock();
        let count = input.file.read(buffer)?;
        input.hasher.update(&buffer[..count]);
        input.bytes += count as u64;
        Ok(count)
    }
}
