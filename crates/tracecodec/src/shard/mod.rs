//! The session-preserving temporal sharder (the paper, appendix A.2).
//!
//! A capture is cut into many small ones, ordered by start. A session lies whole in the shard in
//! which it starts, however long it lasts. Contiguous ranges of shards form the training,
//! validation and test splits.

mod census;
mod folder;
mod manifest;
mod sessions;
mod spill;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use crate::artifact::{SourceEntry, skipped_by_name};
use crate::choice::Choice;
use crate::error::Error;
use crate::flow::session::Sessions;
use crate::pcap::{Packet, Timestamp};
use crate::wire::{self, SkipReason};

use folder::Folder;
use spill::Spill;

pub use manifest::{
    Census, ShardConfig, ShardEntry, ShardManifest, ShardSize, Split, SplitWeights, Table6Row,
    Totals,
};
pub use sessions::SessionFiles;

/// Cuts packets, fed in the order of their captures, into a folder of shards with a manifest. Each
/// packet goes to the shard of its session.
///
/// Memory grows with live sessions and by some bytes a shard, not with packets. If the sharder is
/// dropped before [`finish`](Self::finish) has ended, the folder is as it was before.
pub struct Sharder {
    config: ShardConfig,
    folder: Folder,
    sessions: Sessions,
    spill: Spill,
    /// Number of each shard's first session. Sessions are numbered by start, so a shard's sessions
    /// are a range of numbers.
    first_sessions: Vec<u64>,
    /// Time of the first packet of the latest shard.
    opened: Timestamp,
    last_time: Option<Timestamp>,
    steps_back: u64,
    skipped: BTreeMap<SkipReason, u64>,
}

impl Sharder {
    /// Claims a folder that is absent or empty or, with `overwrite`, holds shards.
    ///
    /// # Errors
    /// If the configuration makes no sense, or the folder is not free.
    pub fn create(output: impl AsRef<Path>, config: ShardConfig) -> Result<Self, Error> {
        check(&config)?;
        let folder = Folder::claim(output.as_ref(), config.overwrite)?;
        Ok(Self {
            config,
            sessions: Sessions::new(),
            spill: Spill::new(&folder.part()),
            folder,
            first_sessions: Vec::new(),
            opened: Timestamp(0),
            last_time: None,
            steps_back: 0,
            skipped: BTreeMap::new(),
        })
    }

    /// Adds a packet to the shard of its session. A packet out of scope is counted and left out.
    ///
    /// # Errors
    /// If the shard cannot be written.
    pub fn add(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let headers = match wire::parse(packet) {
            Ok(headers) => headers,
            Err(reason) => {
                *self.skipped.entry(reason).or_default() += 1;
                return Ok(());
            }
        };
        let time = packet.time;
        self.steps_back += u64::from(self.last_time.is_some_and(|last| time < last));
        self.last_time = Some(time);
        let session = self.sessions.observe(&headers, time);
        if session.starts && self.is_full(time) {
            self.first_sessions.push(session.id);
            self.opened = time;
            self.spill.open();
        }
        let shard = self
            .first_sessions
            .partition_point(|&first| first <= session.id)
            - 1;
        self.spill.append(shard, packet)
    }

    /// Whether the next session starts a new shard.
    fn is_full(&self, time: Timestamp) -> bool {
        let Some(latest) = self.first_sessions.len().checked_sub(1) else {
            return true;
        };
        match self.config.size {
            ShardSize::Packets(packets) => self.spill.packets(latest) >= packets,
            ShardSize::Seconds(seconds) => {
                let passed = time.since(self.opened) / 1_000_000_000;
                u64::try_from(passed).is_ok_and(|passed| passed >= seconds)
            }
        }
    }

    /// Counts and digests the shards, assigns each to a split, moves them to their places and
    /// writes the manifest. `sources` are the captures whose packets were added. `progress` is
    /// called with the number of shards that are done and the number of all shards, at least every
    /// few thousand packets.
    ///
    /// # Errors
    /// If writing fails, or `progress` asks to stop. The folder is then as it was before, unless
    /// its shards were being moved to their places: then it lacks a manifest.
    pub fn finish(
        mut self,
        sources: Vec<SourceEntry>,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<ShardManifest, Error> {
        let count = self.spill.flush()?;
        let shards = self.describe(count, progress)?;
        let totals = self.totals(&sources, &shards);
        let manifest = ShardManifest::new(self.config, sources, totals, shards);
        self.folder.publish(&manifest)?;
        Ok(manifest)
    }

    /// Counts and digests the shards, and assigns each to a split.
    fn describe(
        &self,
        count: usize,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<ShardEntry>, Error> {
        let sizes = split_sizes(count, self.config.split);
        let splits = Split::ALL
            .into_iter()
            .zip(sizes)
            .flat_map(|(split, size)| std::iter::repeat_n(split, size));
        let mut shards = Vec::with_capacity(count);
        for (number, split) in splits.enumerate() {
            let name = spill::file_name(number);
            let path = self.folder.part().join(&name);
            let (census, blake3) = census::take(&path, &mut || progress(number, count))?;
            shards.push(ShardEntry {
                file: format!("{}/{name}", split.name()),
                split,
                blake3,
                census,
            });
            if progress(number + 1, count).is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(shards)
    }

    fn totals(&self, sources: &[SourceEntry], shards: &[ShardEntry]) -> Totals {
        let mut totals = Totals {
            packets_read: sources.iter().map(|source| source.packets).sum(),
            skipped: skipped_by_name(&self.skipped),
            sessions: self.sessions.count(),
            steps_back: self.steps_back,
            ..Totals::default()
        };
        for ShardEntry { census, .. } in shards {
            totals.packets += census.packets;
            totals.bytes += census.bytes;
            totals.protocols.merge(&census.protocols);
        }
        totals
    }
}

fn check(config: &ShardConfig) -> Result<(), Error> {
    let SplitWeights {
        train,
        validation,
        test,
    } = config.split;
    if matches!(config.size, ShardSize::Packets(0) | ShardSize::Seconds(0)) {
        return Err(Error::ShardConfig("the size of a shard is zero"));
    }
    if (train, validation, test) == (0, 0, 0) {
        return Err(Error::ShardConfig("the weights of all splits are zero"));
    }
    if config.label.as_ref().is_some_and(String::is_empty) {
        return Err(Error::ShardConfig("the label is empty"));
    }
    Ok(())
}

/// Number of shards of the training, validation and test split. The last two are rounded down, as
/// in the paper; the first takes the rest. With three shards or more, every split with a weight has
/// at least one.
fn split_sizes(count: usize, weights: SplitWeights) -> [usize; 3] {
    let weights = [weights.train, weights.validation, weights.test];
    let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let smallest = usize::from(count >= weights.len());
    let mut sizes = weights.map(|weight| {
        let exact = count as u128 * u128::from(weight) / u128::from(sum.max(1));
        (exact as usize).max(if weight > 0 { smallest } else { 0 })
    });
    while sizes.iter().sum::<usize>() > count {
        *sizes
            .iter_mut()
            .max()
            .expect("there are three splits, and the largest has more than one") -= 1;
    }
    let rest = count - sizes.iter().sum::<usize>();
    let first = weights.iter().position(|&weight| weight > 0).unwrap_or(0);
    sizes[first] += rest;
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(count: usize, [train, validation, test]: [u32; 3]) -> [usize; 3] {
        let weights = SplitWeights {
            train,
            validation,
            test,
        };
        split_sizes(count, weights)
    }

    #[test]
    fn test_split_sizes_of_the_paper() {
        assert_eq!(sizes(2_397, [80, 10, 10]), [1_919, 239, 239]);
        assert_eq!(sizes(13_102, [80, 10, 10]), [10_482, 1_310, 1_310]);
    }

    #[test]
    fn test_split_sizes_of_few_shards() {
        assert_eq!(sizes(0, [80, 10, 10]), [0, 0, 0]);
        assert_eq!(sizes(1, [80, 10, 10]), [1, 0, 0]);
        assert_eq!(sizes(2, [80, 10, 10]), [2, 0, 0]);
        assert_eq!(sizes(3, [80, 10, 10]), [1, 1, 1]);
        assert_eq!(sizes(4, [1, 1_000, 1]), [1, 2, 1]);
    }

    #[test]
    fn test_split_of_no_weight_is_empty() {
        assert_eq!(sizes(7, [1, 0, 1]), [4, 0, 3]);
        assert_eq!(sizes(7, [0, 0, 1]), [0, 0, 7]);
    }
}
