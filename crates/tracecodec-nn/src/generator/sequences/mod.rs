//! Latent sequences on disk: a folder with `sequences.json` and a safetensors file for each split,
//! with a row for each packet.
//!
//! Files are written row by row and read in place, so neither needs more memory than a window. (A
//! memory map would need `unsafe`; `docs/formats.md` shows how NumPy maps the files.)

mod file;
mod windows;
mod writer;

pub use windows::{Window, Windows};
pub use writer::SequencesWriter;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::shard::Split;

use super::representation::{Representation, Statistics};
use crate::error::Error;
use crate::files;
use crate::latents::RowLabels;
use file::LatentFile;

/// The description of a folder of sequences, `sequences.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequencesManifest {
    /// The format, `tracecodec.sequences`.
    pub format: String,
    /// Version of the manifest, 1.
    pub version: u32,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// Representation of the rows.
    pub representation: Representation,
    /// Number of channels of a row.
    pub channels: usize,
    /// Number of the channel that holds the packet's time step, if there is one.
    pub time_channel: Option<usize>,
    /// Mean and deviation of every channel over the training rows.
    pub statistics: Statistics,
    /// Parts of the dataset by split.
    pub splits: BTreeMap<Split, Part>,
}

/// A part of the dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Number of rows of all sequences.
    pub rows: u64,
    /// BLAKE3 digest of the tensor's bytes.
    pub blake3: String,
    /// Sequences in their order in the file.
    pub sequences: Vec<Sequence>,
}

/// The latents of one shard, in the order of its packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Name of the shard.
    pub shard: String,
    /// Number of the sequence's first row in the file.
    pub first: u64,
    /// Number of rows.
    pub rows: u64,
    /// Label of the traffic, if the shards have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Labels of the packets, where they had any; rows number from the sequence's first.
    #[serde(default, skip_serializing_if = "RowLabels::is_empty")]
    pub labels: RowLabels,
    /// BLAKE3 digest of the shard, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

/// A folder of latent sequences.
#[derive(Debug)]
pub struct Sequences {
    directory: PathBuf,
    manifest: SequencesManifest,
}

impl Sequences {
    /// Name of the file that describes latent sequences.
    pub const FILE: &str = "sequences.json";

    /// Whether a folder holds latent sequences.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(Self::FILE).is_file()
    }

    /// Opens a folder of latent sequences.
    ///
    /// # Errors
    /// If its description is missing, damaged or of another version.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self {
            directory: directory.to_path_buf(),
            manifest: SequencesManifest::read(&directory.join(Self::FILE))?,
        })
    }

    /// The description of the sequences.
    pub fn manifest(&self) -> &SequencesManifest {
        &self.manifest
    }

    /// All labels of the training sequences, sorted.
    pub fn labels(&self) -> Vec<String> {
        let part = self.manifest.splits.get(&Split::Train);
        let sequences = part.into_iter().flat_map(|part| &part.sequences);
        let mut labels: Vec<String> = sequences.filter_map(|s| s.label.clone()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// Windows of a split: `prefix` rows and the `suffix` rows that follow. In each sequence,
    /// suffixes begin at rows 0, `stride`, 2 × `stride` and so on. If a sequence has fewer rows
    /// before a suffix, the prefix is shorter: the first window of a sequence has none. A window
    /// never reaches beyond its sequence.
    ///
    /// # Errors
    /// If the split's file is missing, or differs from the description.
    pub fn windows(
        &self,
        split: Split,
        prefix: usize,
        suffix: usize,
        stride: usize,
    ) -> Result<Windows, Error> {
        let part = self.manifest.splits.get(&split);
        let part = part.cloned().unwrap_or_default();
        let file = LatentFile::open(&path(&self.directory, split), self.manifest.channels)?;
        if file.rows() != part.rows {
            return Err(Error::format(file.path(), "other rows than described"));
        }
        Ok(Windows::new(file, &part.sequences, prefix, suffix, stride))
    }
}

impl SequencesManifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.sequences";

    /// Reads a description.
    ///
    /// # Errors
    /// If it is missing, damaged or of another version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        files::check_format(path, &bytes, Self::FORMAT, 1)?;
        let manifest: Self = files::parse(path, &bytes)?;
        if manifest.is_sound() {
            Ok(manifest)
        } else {
            Err(Error::format(path, "its numbers do not go together"))
        }
    }

    /// The part of the dataset that is stored in a file of this name.
    pub fn part_of(&self, file: &Path) -> Option<&Part> {
        let parts = self.splits.iter();
        let mut named =
            parts.filter(|(split, _)| path(Path::new(""), **split).file_name() == file.file_name());
        named.next().map(|(_, part)| part)
    }

    /// Whether its numbers are consistent. Those of a damaged file may not be.
    fn is_sound(&self) -> bool {
        let channels = self.representation.channels();
        channels > 0
            && self.channels == channels
            && self.time_channel == self.representation.time_channel()
            && self.statistics.is_sound(channels)
            && self.splits.values().all(Part::is_sound)
    }
}

impl Part {
    /// Whether the sequences lie one after the other without gaps.
    fn is_sound(&self) -> bool {
        let mut next = Some(0_u64);
        for sequence in &self.sequences {
            if next != Some(sequence.first) {
                return false;
            }
            next = sequence.first.checked_add(sequence.rows);
        }
        next == Some(self.rows)
    }
}

/// Path of the file of a split.
fn path(directory: &Path, split: Split) -> PathBuf {
    directory.join(split.name()).with_extension("safetensors")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A representation of so many channels.
    pub(crate) fn representation(channels: usize) -> Representation {
        Representation::Baseline {
            model: "tvae".to_string(),
            blake3: "0".to_string(),
            d_latent: channels,
        }
    }

    /// Writes sequences of so many rows with the values `value(row, channel)`; rows are counted
    /// over the split.
    pub(crate) fn write(
        directory: &Path,
        channels: usize,
        sequences: &[(Split, u64, Option<&str>)],
        value: impl Fn(u64, usize) -> f32,
    ) {
        let mut writer = SequencesWriter::create(directory, channels).unwrap();
        let mut rows = BTreeMap::new();
        for (i, &(split, length, label)) in sequences.iter().enumerate() {
            writer.begin(split, &format!("{i}.pcap"), label);
            let first: &mut u64 = rows.entry(split).or_default();
            for row in *first..*first + length {
                let row: Vec<f32> = (0..channels).map(|channel| value(row, channel)).collect();
                writer.push(&row).unwrap();
            }
            *first += length;
        }
        writer.finish(&representation(channels)).unwrap();
    }

    #[test]
    fn test_writing_and_reading() {
        let folder = tempfile::tempdir().unwrap();
        let sequences = [
            (Split::Train, 5, Some("web")),
            (Split::Train, 7, Some("dns")),
            (Split::Test, 3, None),
        ];
        write(folder.path(), 2, &sequences, |row, channel| {
            (10 * row) as f32 + channel as f32
        });
        let read = Sequences::open(folder.path()).unwrap();
        assert_eq!(read.labels(), ["dns", "web"]);
        let manifest = read.manifest();
        assert_eq!(manifest.statistics.mean, [55.0, 56.0]);
        let train = &manifest.splits[&Split::Train];
        assert_eq!((train.rows, train.sequences[1].first), (12, 5));
        // The tensor begins at byte 128, and safetensors reads the same bytes.
        let bytes = std::fs::read(folder.path().join("train.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("latents").unwrap();
        assert_eq!(tensor.shape(), [12, 2]);
        assert_eq!(tensor.data(), &bytes[128..]);
        assert_eq!(files::digest(tensor.data()), train.blake3);
        let floats: Vec<f32> = crate::weights::floats(tensor.data()).collect();
        assert_eq!(floats[22..], [110.0, 111.0]);
        // Rows are the same if they are read in place or all at once.
        let path = folder.path().join("train.safetensors");
        let file = LatentFile::open(&path, 2).unwrap();
        assert_eq!(file.read(3..9).unwrap(), floats[6..18]);
        // A split without sequences has a file, too.
        let validation = read.windows(Split::Validation, 2, 2, 1).unwrap();
        assert_eq!(validation.len(), 0);
    }

    #[test]
    fn test_damaged_sequences_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        write(folder.path(), 2, &[(Split::Train, 5, None)], |_, _| 0.0);
        let bytes = std::fs::read(of("train.safetensors")).unwrap();
        let sequences = Sequences::open(folder.path()).unwrap();
        let refused = || {
            let windows = sequences.windows(Split::Train, 2, 2, 1);
            assert!(matches!(windows, Err(Error::Format { .. })), "{windows:?}");
        };
        for bytes in [&bytes[..bytes.len() - 1], &bytes[..50], b"", &[255; 200]] {
            std::fs::write(of("train.safetensors"), bytes).unwrap();
            refused();
        }
        let text = std::fs::read_to_string(of(Sequences::FILE)).unwrap();
        for (old, new) in [
            ("\"rows\": 5", "\"rows\": 6"),
            ("\"channels\": 2", "\"channels\": 3"),
            ("tracecodec.sequences", "tracecodec.other"),
        ] {
            std::fs::write(of(Sequences::FILE), text.replacen(old, new, 1)).unwrap();
            assert!(Sequences::open(folder.path()).is_err(), "{new}");
        }
    }
}
