//! The captures of suffixes on disk: a folder of them for the reference and for each contestant.

use std::fs;
use std::path::{Path, PathBuf};

use tracecodec::pcap::PacketBuf;

use super::Contestant;
use crate::error::Error;
use crate::files::claim;
use crate::files::pair::Pair;
use crate::files::writer::CaptureWriter;
use crate::monitor::Monitor;

/// Folder of the real suffixes.
pub(super) const REFERENCE: &str = "reference";

/// Folder of captures that are not kept, within that of the evaluations. A killed run leaves it
/// behind.
const FOLDER: &str = "captures.part";

/// The folders of suffixes. When this is dropped, the folders are removed, unless they were
/// [kept](Captures::keep).
pub(super) struct Captures {
    path: PathBuf,
    /// Folders that were made, the outermost first.
    made: Vec<PathBuf>,
    cases: Vec<String>,
}

impl Captures {
    /// Makes the folders: in `keep`, or else within `output`, which is made, too.
    ///
    /// # Errors
    /// If the folders cannot be made, or `keep` is not empty.
    pub(super) fn create(
        output: &Path,
        keep: Option<&Path>,
        contestants: &[Contestant],
    ) -> Result<Self, Error> {
        let mut captures = Self {
            path: keep.map_or_else(|| output.join(FOLDER), Path::to_path_buf),
            made: Vec::new(),
            cases: Vec::new(),
        };
        match keep {
            Some(keep) => claim::empty_folder(keep)?,
            // Folder of a killed run. If it cannot be removed, making the folders anew fails.
            None => drop(fs::remove_dir_all(&captures.path)),
        }
        captures.make(output)?;
        let names = contestants
            .iter()
            .map(|contestant| contestant.name.as_str());
        for name in std::iter::once(REFERENCE).chain(names) {
            captures.make(&captures.folder(name))?;
        }
        Ok(captures)
    }

    /// Keeps the captures: the folders are not removed when this is dropped.
    pub(super) fn keep(mut self) {
        self.made.clear();
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn capture(&self, folder: &str, case: &str) -> PathBuf {
        self.folder(folder).join(format!("{case}.pcapng"))
    }

    /// Writes the real suffix of a case.
    pub(super) fn write_reference(
        &mut self,
        case: &str,
        packets: &[PacketBuf],
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        self.cases.push(case.to_string());
        self.write(REFERENCE, case, packets, monitor)
    }

    /// Writes a contestant's suffix of a case.
    pub(super) fn write(
        &self,
        folder: &str,
        case: &str,
        packets: &[PacketBuf],
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let mut writer = CaptureWriter::create(&self.capture(folder, case), false)?;
        for packet in packets {
            writer.write(&packet.as_packet())?;
        }
        writer.finish(monitor)
    }

    /// The real suffix and a contestant's of each case.
    pub(super) fn pairs(&self, contestant: &str) -> Vec<Pair> {
        let pair = |case: &String| Pair {
            name: case.clone(),
            reference: self.capture(REFERENCE, case),
            decoded: self.capture(contestant, case),
        };
        self.cases.iter().map(pair).collect()
    }

    /// Makes a folder and those above it, as far as they are not there.
    fn make(&mut self, folder: &Path) -> Result<(), Error> {
        let missing: Vec<_> = folder
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_path_buf)
            .collect();
        self.made.extend(missing.into_iter().rev());
        fs::create_dir_all(folder).map_err(|error| Error::io("cannot make", folder, error))
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        // Nothing can be done about what cannot be removed. The folder of the evaluations stays if
        // some were written.
        for folder in self.made.iter().rev() {
            if folder.starts_with(&self.path) {
                let _ = fs::remove_dir_all(folder);
            } else {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use crate::monitor::Silent;
    use tracecodec::artifact::SourceFile;

    #[test]
    fn test_captures_are_removed_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (output, kept) = (folder.path().join("out"), folder.path().join("kept"));
        let later = [Contestant::open("later", &Rules::default(), &mut Silent).unwrap()];
        for keep in [None, Some(kept.as_path())] {
            for is_kept in [false, true] {
                let captures = Captures::create(&output, keep, &later).unwrap();
                // A contestant of which no row was a packet gives an empty capture.
                captures.write("later", "0000", &[], &mut Silent).unwrap();
                let path = captures.capture("later", "0000");
                assert!(SourceFile::open(&path).unwrap().next().is_none());
                if is_kept && keep.is_some() {
                    captures.keep();
                } else {
                    drop(captures);
                    assert!(!output.exists() && !kept.exists());
                }
            }
        }
        assert!(kept.join("later/0000.pcapng").exists());
        assert!(Captures::create(&output, Some(&kept), &later).is_err());
    }
}
