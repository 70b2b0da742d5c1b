//! Writes many captures at once, with little memory and one open file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::pcap::{Packet, PcapNgEncoder};

/// Bytes that wait in memory, over all shards, before all are appended to their files.
const BUFFERED: usize = 16 << 20;

/// The shards while they grow. Memory holds a few dozen bytes a shard, and at most [`BUFFERED`]
/// bytes of packets.
pub(super) struct Spill {
    folder: PathBuf,
    shards: Vec<Shard>,
    buffered: usize,
}

#[derive(Default)]
struct Shard {
    encoder: PcapNgEncoder,
    waiting: Vec<u8>,
    packets: u64,
}

impl Spill {
    /// A spill without shards, in a folder that must exist.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            shards: Vec::new(),
            buffered: 0,
        }
    }

    /// Adds a shard after the existing ones.
    pub(super) fn open(&mut self) {
        self.shards.push(Shard::default());
    }

    /// Packets of a shard so far.
    pub(super) fn packets(&self, shard: usize) -> u64 {
        self.shards[shard].packets
    }

    /// Appends a packet to a shard.
    pub(super) fn append(&mut self, shard: usize, packet: &Packet<'_>) -> Result<(), Error> {
        let shard = &mut self.shards[shard];
        let before = shard.waiting.len();
        shard.encoder.encode(packet, &mut shard.waiting)?;
        shard.packets += 1;
        self.buffered += shard.waiting.len() - before;
        if self.buffered > BUFFERED {
            self.flush()?;
        }
        Ok(())
    }

    /// Appends all waiting bytes to their files. Returns the number of shards.
    pub(super) fn flush(&mut self) -> Result<usize, Error> {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            if !shard.waiting.is_empty() {
                let path = self.folder.join(file_name(number));
                let waiting = std::mem::take(&mut shard.waiting);
                append(&path, &waiting).map_err(Error::io(&path))?;
            }
        }
        self.buffered = 0;
        Ok(self.shards.len())
    }
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(bytes)
}

/// Name of a shard's file.
pub(super) fn file_name(number: usize) -> String {
    format!("shard-{number:05}.pcapng")
}
