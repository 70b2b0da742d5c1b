//! Captures as the commands read them: one packet after the other, with progress, and damage as asked.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tracecodec::pcap::{Compression, Packet, Reader};

use crate::cli::ReadArgs;

/// Packets between two updates of the progress bar.
const PROGRESS_STEP: u64 = 4096;

/// A capture being read.
pub(crate) struct Input {
    reader: Reader,
    name: String,
    lenient: bool,
    progress: ProgressBar,
}

impl Input {
    /// Opens a capture.
    pub(crate) fn open(path: &Path, args: ReadArgs) -> Result<Self> {
        let reader = Reader::open(path)?;
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let size = (reader.format().compression == Compression::None && size > 0).then_some(size);
        let name = path.display().to_string();
        Ok(Self {
            progress: progress_bar(size, &name),
            reader,
            name,
            lenient: args.lenient,
        })
    }

    /// The reader, for what it knows of the capture.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Hands every packet to `each`. Damage ends the capture: with a warning if lenient, else as the error that is
    /// returned after all packets before it were handed over.
    pub(crate) fn for_each(
        &mut self,
        mut each: impl FnMut(&Packet<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut until_update = PROGRESS_STEP;
        while let Some(next) = self.reader.next() {
            match next {
                Ok(packet) => each(&packet)?,
                Err(error) if self.lenient => {
                    self.progress.suspend(|| eprintln!("warning: {error}"));
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            until_update -= 1;
            if until_update == 0 {
                until_update = PROGRESS_STEP;
                self.update();
            }
        }
        self.progress.finish_and_clear();
        Ok(())
    }

    fn update(&self) {
        self.progress.set_position(self.reader.offset());
        self.progress
            .set_message(format!("{} {} packets", self.name, self.reader.packets()));
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
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
