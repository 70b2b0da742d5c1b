//! The captures of suffixes on disk: a folder of them for the reference and for each contestant.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tracecodec::pcap::PacketBuf;

use super::Contestant;
use crate::failure::Hint;
use crate::output::CaptureOutput;

/// Folder of the real suffixes.
pub(crate) const REFERENCE: &str = "reference";

/// Folder of captures that are not kept, within that of the evaluations. A killed test leaves it behind.
const FOLDER: &str = "captures.part";

/// The folders. Dropped, they are removed, if they are not to be kept.
pub(crate) struct Captures {
    path: PathBuf,
    keep: bool,
}

impl Captures {
    /// Makes the folders: where they are kept, or else within `output`, which is made too.
    ///
    /// # Errors
    /// If they cannot be made, or there is something already where they are kept.
    pub(crate) fn create(
        output: &Path,
        keep: Option<&Path>,
        contestants: &[Contestant],
    ) -> Result<Self> {
        let captures = Self {
            path: keep.map_or_else(|| output.join(FOLDER), Path::to_path_buf),
            keep: keep.is_some(),
        };
        match captures.keep {
            true => check_empty(&captures.path)?,
            false => captures.remove(),
        }
        make(output)?;
        make(&captures.folder(REFERENCE))?;
        for contestant in contestants {
            make(&captures.folder(contestant.name()))?;
        }
        Ok(captures)
    }

    /// The folder of this name.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a capture into a folder.
    pub(super) fn write(&self, folder: &str, case: &str, frames: &[PacketBuf]) -> Result<()> {
        let path = self.folder(folder).join(format!("{case}.pcapng"));
        let mut output = CaptureOutput::create(&path, false)?;
        for frame in frames {
            output.write(&frame.as_packet())?;
        }
        output.finish()
    }

    fn remove(&self) {
        // Nothing can be done about a folder that cannot be removed; the next test tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        if !self.keep {
            self.remove();
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Refuses a folder that holds something.
fn check_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        true => Err(Hint::error(
            format!("{}: the folder is not empty", folder.display()),
            "choose a new or an empty folder",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::artifact::SourceFile;

    #[test]
    fn test_captures_are_removed_unless_kept() {
        let output = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        for keep in [None, Some(kept.path())] {
            let captures = Captures::create(output.path(), keep, &[Contestant::Later]).unwrap();
            // A contestant of which no row was a packet gives an empty capture.
            captures.write("later", "0000", &[]).unwrap();
            let path = captures.folder("later").join("0000.pcapng");
            assert!(SourceFile::open(&path).unwrap().next().is_none());
            drop(captures);
            assert_eq!(path.exists(), keep.is_some());
        }
        assert!(Captures::create(output.path(), Some(kept.path()), &[]).is_err());
    }
}
