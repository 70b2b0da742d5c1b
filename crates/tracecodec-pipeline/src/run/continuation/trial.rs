//! The trial: which windows are cases, and the suffixes of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use tracecodec::pcap::PacketBuf;
use tracecodec::shard::Split;

use super::captures::Captures;
use super::case::read;
use super::contestant::Way;
use super::window::{Window, spread};
use super::{Case, Contestant, Cut, Rules};
use crate::dataset::{DataSet, Part};
use crate::error::Error;
use crate::monitor::{Monitor, Parts, counted};

/// The cases, and the shards that they lie in.
pub(super) struct Trial {
    shards: Vec<Part>,
    cut: Cut,
    windows: Vec<Window>,
    cases: Vec<Window>,
}

impl Trial {
    /// Cuts the test shards of folders.
    ///
    /// # Errors
    /// If a folder holds no shards, or the shards are too short for the windows that the
    /// contestants need.
    pub(super) fn new(
        folders: &[PathBuf],
        cut: Cut,
        contestants: &[Contestant],
    ) -> Result<Self, Error> {
        let set = DataSet::of_shards(folders)?;
        let shards: Vec<_> = set.shards(Split::Test).cloned().collect();
        let packets: Vec<u64> = shards.iter().filter_map(|shard| shard.packets).collect();
        let windows = cut.windows(&packets);
        let cases = spread(&windows, usize::try_from(cut.cases).unwrap_or(usize::MAX));
        if cases.is_empty() {
            let longest = packets.iter().max().unwrap_or(&0);
            return Err(Error::refused(
                format!(
                    "no window of {} + {} packets: the longest of {} has {longest}",
                    cut.prefix,
                    cut.suffix,
                    counted(shards.len() as u64, "test shard")
                ),
                "shard with more `packets` makes longer shards; `prefix` and `suffix` make shorter windows",
            ));
        }
        let has_other = |window: &Window| cut.after(*window, &windows).is_some();
        if needs_later(contestants) && !cases.iter().all(has_other) {
            return Err(Error::refused(
                "later: there are no two windows whose suffixes lie apart",
                "take it out, or give more shards or longer ones",
            ));
        }
        Ok(Self {
            shards,
            cut,
            windows,
            cases,
        })
    }

    /// Number of windows that there are.
    pub(super) fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Number of the windows that are cases.
    pub(super) fn cases(&self) -> usize {
        self.cases.len()
    }

    /// Writes the suffixes of all cases, the real ones and the contestants'.
    ///
    /// # Errors
    /// If a shard cannot be read, a model refuses, a capture cannot be written, or the monitor
    /// stops it.
    pub(super) fn continue_all(
        &self,
        contestants: &[Contestant],
        rules: &Rules,
        captures: &mut Captures,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let parts = Parts::new(monitor, "continuing", self.cases.len());
        let mut frames = BTreeMap::new();
        for (number, &window) in self.cases.iter().enumerate() {
            parts.work(|monitor| {
                let later = self.cut.after(window, &self.windows);
                let later = later.filter(|_| needs_later(contestants));
                self.load(&mut frames, [Some(window), later], monitor)?;
                let (past, suffix) = self.parts(window, &frames);
                let case = Case {
                    number,
                    past,
                    prefix: self.cut.prefix as usize,
                    suffix,
                    later: later.map_or(&[], |later| self.parts(later, &frames).1),
                };
                let name = self.name(number, window);
                captures.write_reference(&name, suffix, monitor)?;
                for contestant in contestants {
                    let packets = contestant.suffix(&case, rules, monitor)?;
                    captures.write(&contestant.name, &name, &packets, monitor)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads the shards of windows, and lets go of all others.
    fn load(
        &self,
        frames: &mut Frames,
        windows: [Option<Window>; 2],
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let needed = windows.map(|window| window.map(|window| window.shard));
        frames.retain(|shard, _| needed.contains(&Some(*shard)));
        for shard in needed.into_iter().flatten() {
            if let Entry::Vacant(entry) = frames.entry(shard) {
                entry.insert(read(&self.shards[shard], monitor)?);
            }
        }
        Ok(())
    }

    /// Everything before the suffix of a window, and the suffix.
    fn parts<'a>(&self, window: Window, frames: &'a Frames) -> (&'a [PacketBuf], &'a [PacketBuf]) {
        let end = window.start + self.cut.prefix;
        let (past, rest) = frames[&window.shard].split_at(end as usize);
        (past, &rest[..self.cut.suffix as usize])
    }

    /// Name of a case.
    fn name(&self, number: usize, window: Window) -> String {
        let path = &self.shards[window.shard].path;
        let shard = path.file_stem().unwrap_or_default().display();
        format!("{number:04}-{shard}-{}", window.start)
    }
}

/// Whether a contestant needs the suffixes of other windows.
fn needs_later(contestants: &[Contestant]) -> bool {
    contestants
        .iter()
        .any(|contestant| matches!(contestant.way, Way::Later))
}

/// The packets of shards, by their numbers.
type Frames = BTreeMap<usize, Vec<PacketBuf>>;
