//! The test itself: which windows are cases, and the suffixes of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use anyhow::Result;
use tracecodec::pcap::PacketBuf;
use tracecodec::shard::Split;

use super::captures::{Captures, REFERENCE};
use super::case::read;
use super::window::{Window, spread};
use super::{Case, Contestant, Cut};
use crate::failure::Hint;
use crate::input::progress_bar;
use crate::interrupt;
use crate::shards::{Capture, Shards};

/// The cases, and the shards that they lie in.
pub(crate) struct Trial {
    shards: Vec<(Capture, u64)>,
    cut: Cut,
    windows: Vec<Window>,
    cases: Vec<Window>,
}

impl Trial {
    /// Cuts the test shards of these folders; at most so many windows become cases, evenly spread.
    ///
    /// # Errors
    /// If a folder holds no shards, or the shards are too short for the windows that the contestants need.
    pub(crate) fn new(
        folders: &[PathBuf],
        cut: Cut,
        most: u64,
        contestants: &[Contestant],
    ) -> Result<Self> {
        let shards = Shards::read(&folders.iter().collect::<Vec<_>>())?.counted(Split::Test);
        let packets: Vec<u64> = shards.iter().map(|(_, packets)| *packets).collect();
        let windows = cut.windows(&packets);
        let cases = spread(&windows, usize::try_from(most).unwrap_or(usize::MAX));
        if cases.is_empty() {
            let longest = packets.iter().max().unwrap_or(&0);
            return Err(Hint::error(
                format!(
                    "no window of {} + {} packets: the longest of {} test shards has {longest}",
                    cut.prefix,
                    cut.suffix,
                    shards.len()
                ),
                "`tracecodec shard --packets` makes longer shards; --prefix and --suffix make shorter windows",
            ));
        }
        let has_other = |window: &Window| cut.after(*window, &windows).is_some();
        if asks_for_later(contestants) && !cases.iter().all(has_other) {
            return Err(Hint::error(
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
    pub(crate) fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Number of those that are cases.
    pub(crate) fn cases(&self) -> usize {
        self.cases.len()
    }

    /// Writes the suffixes of all cases, the real ones and the contestants'.
    pub(crate) fn continue_all(
        &self,
        contestants: &[Contestant],
        captures: &Captures,
    ) -> Result<()> {
        let bar = progress_bar(Some(self.cases.len() as u64), "cases");
        let mut frames = BTreeMap::new();
        for (number, &window) in self.cases.iter().enumerate() {
            interrupt::check()?;
            let later = self.cut.after(window, &self.windows);
            let later = later.filter(|_| asks_for_later(contestants));
            self.load(&mut frames, [Some(window), later])?;
            let (past, suffix) = self.parts(window, &frames);
            let case = Case {
                number,
                past,
                prefix: self.cut.prefix as usize,
                suffix,
                later: later.map_or(&[], |later| self.parts(later, &frames).1),
            };
            let name = self.name(case.number, window);
            captures.write(REFERENCE, &name, suffix)?;
            for contestant in contestants {
                interrupt::check()?;
                captures.write(contestant.name(), &name, &contestant.suffix(&case)?)?;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Reads the shards of windows, and lets go of all others.
    fn load(&self, frames: &mut Frames, windows: [Option<Window>; 2]) -> Result<()> {
        let needed = windows.map(|window| window.map(|window| window.shard));
        frames.retain(|shard, _| needed.contains(&Some(*shard)));
        for shard in needed.into_iter().flatten() {
            if let Entry::Vacant(entry) = frames.entry(shard) {
                let (capture, packets) = &self.shards[shard];
                entry.insert(read(capture, *packets)?);
            }
        }
        Ok(())
    }

    /// All up to the suffix of a window, and the suffix.
    fn parts<'a>(&self, window: Window, frames: &'a Frames) -> (&'a [PacketBuf], &'a [PacketBuf]) {
        let end = window.start + self.cut.prefix;
        let (past, rest) = frames[&window.shard].split_at(end as usize);
        (past, &rest[..self.cut.suffix as usize])
    }

    /// What a case is called.
    fn name(&self, number: usize, window: Window) -> String {
        let path = &self.shards[window.shard].0.path;
        let shard = path.file_stem().unwrap_or_default().display();
        format!("{number:04}-{shard}-{}", window.start)
    }
}

/// Whether a contestant needs the suffixes of other windows.
fn asks_for_later(contestants: &[Contestant]) -> bool {
    let mut contestants = contestants.iter();
    contestants.any(|contestant| matches!(contestant, Contestant::Later))
}

/// The packets of shards, by their numbers.
type Frames = BTreeMap<usize, Vec<PacketBuf>>;
