//! Captures as the commands read them: one packet after the other, with progress, and damage as asked.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tracecodec::artifact::{SourceEntry, SourceFile};
use tracecodec::pcap::{Packet, PacketBuf};

use crate::args::ReadArgs;
use crate::failure::Hint;
use crate::interrupt;

/// Packets between two updates of the progress bar.
const PROGRESS_STEP: u64 = 4096;

/// A capture being read.
pub(crate) struct Input {
    source: SourceFile,
    name: String,
    lenient: bool,
    sort: bool,
    damage: Option<tracecodec::Error>,
    progress: ProgressBar,
}

/// Opens a capture, which no folder is.
fn open_source(path: &Path) -> Result<SourceFile> {
    match path.is_dir() {
        true => Err(Hint::error(
            format!("{}: a folder, not a capture", path.display()),
            "name a file in it",
        )),
        false => Ok(SourceFile::open(path)?),
    }
}

impl Input {
    /// Opens a capture.
    pub(crate) fn open(path: &Path, args: ReadArgs) -> Result<Self> {
        let source = open_source(path)?;
        let size = std::fs::metadata(path)
            .ok()
            .filter(|file| file.is_file())
            .map(|file| file.len());
        let name = path.display().to_string();
        Ok(Self {
            progress: progress_bar(size, &name),
            source,
            name,
            lenient: args.lenient,
            sort: args.sort,
            damage: None,
        })
    }

    /// Opens a capture that is read beside others, without a progress bar of its own.
    pub(crate) fn quiet(path: &Path, args: ReadArgs) -> Result<Self> {
        Ok(Self {
            source: open_source(path)?,
            name: path.display().to_string(),
            lenient: args.lenient,
            sort: args.sort,
            damage: None,
            progress: ProgressBar::hidden(),
        })
    }

    /// Hands every packet to `each`. Damage ends the capture: with a warning if lenient, else as the error that is
    /// returned after all packets before it were handed over.
    pub(crate) fn for_each(
        &mut self,
        mut each: impl FnMut(&Packet<'_>) -> Result<()>,
    ) -> Result<()> {
        if !self.sort {
            return self.read(each);
        }
        let mut packets = Vec::new();
        let outcome = self.read(|packet| {
            packets.push(PacketBuf::from(packet));
            Ok(())
        });
        packets.sort_by_key(|packet| packet.time);
        for packet in packets {
            each(&packet.as_packet())?;
        }
        outcome
    }

    /// The same, in the order of the file.
    fn read(&mut self, mut each: impl FnMut(&Packet<'_>) -> Result<()>) -> Result<()> {
        let mut until_update = PROGRESS_STEP;
        while let Some(next) = self.source.next() {
            match next {
                Ok(packet) => each(&packet)?,
                Err(error) if self.lenient => {
                    self.progress.suspend(|| eprintln!("warning: {error}"));
                    self.damage = Some(error);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            until_update -= 1;
            if until_update == 0 {
                interrupt::check()?;
                until_update = PROGRESS_STEP;
                self.update();
            }
        }
        self.progress.finish_and_clear();
        Ok(())
    }

    /// What manifests tell of the capture, after all of it was read.
    pub(crate) fn finish(self) -> Result<SourceEntry> {
        let Input { source, damage, .. } = self;
        Ok(source.finish(damage.as_ref())?)
    }

    fn update(&self) {
        self.progress.set_position(self.source.bytes());
        self.progress
            .set_message(format!("{} {} packets", self.name, self.source.packets()));
    }
}

/// A bar where the size is known, else a spinner; nothing where stderr is no terminal.
pub(crate) fn progress_bar(size: Option<u64>, message: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:30} {percent:>3}% {msg} {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(message.to_string())
}
