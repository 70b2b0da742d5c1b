//! Data sets: what codecs, generators, baselines and latent sequences are made from.
//!
//! A data set is a list of parts in the order in which they were named: shards, which have a split
//! of their own, and files, which are divided. Every part is lifted once.

pub(crate) mod actions_folder;
pub(crate) mod event_sequences;
pub(crate) mod rows;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::artifact::SourceEntry;
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::{Label, Timestamp};
use tracecodec::shard::{ShardManifest, Split};

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::monitor::Monitor;

/// Shards and files to learn from.
pub(crate) struct DataSet {
    parts: Vec<Part>,
}

/// A shard, a capture or an actions file.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Path of the part.
    pub(crate) path: PathBuf,
    /// Path of a shard from its folder on, or the whole path of a file.
    pub(crate) name: String,
    /// Split of a shard; `None` for a file, which is divided.
    pub(crate) split: Option<Split>,
    /// Label of its traffic, if it is a shard that was cut with one.
    pub(crate) label: Option<String>,
    /// Packets by the manifest, if the part is a shard.
    pub(crate) packets: Option<u64>,
    /// Digest that the part must have, by the manifest, if it is a shard.
    blake3: Option<String>,
}

impl DataSet {
    /// Collects folders of shards and files.
    ///
    /// # Errors
    /// If a folder holds no shards.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for path in paths {
            if path.is_dir() {
                parts.extend(shards(path)?);
            } else {
                parts.push(Part::file(path));
            }
        }
        Ok(Self { parts })
    }

    /// Collects folders of shards alone.
    ///
    /// # Errors
    /// If a path is no folder of shards.
    pub(crate) fn of_shards(folders: &[PathBuf]) -> Result<Self, Error> {
        let parts = folders.iter().map(|folder| shards(folder));
        Ok(Self {
            parts: parts.collect::<Result<Vec<_>, _>>()?.concat(),
        })
    }

    /// The shards of a split, in order.
    pub(crate) fn shards(&self, split: Split) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(move |part| part.split == Some(split))
    }

    /// The files, which are divided, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.split.is_none())
    }

    /// How many parts there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }
}

/// The shards of a folder, as its manifest lists them.
fn shards(folder: &Path) -> Result<Vec<Part>, Error> {
    let path = folder.join(ShardManifest::FILE_NAME);
    if !path.is_file() {
        return Err(Error::refused(
            format!("{}: no shards there", folder.display()),
            "name a folder of shards",
        ));
    }
    let manifest = ShardManifest::read(&path)?;
    let of_split = |split| {
        manifest.of_split(split).map(move |shard| Part {
            path: folder.join(&shard.file),
            name: shard.file.clone(),
            split: Some(split),
            label: None,
            packets: Some(shard.census.packets),
            blake3: Some(shard.blake3.clone()),
        })
    };
    let parts = Split::ALL.into_iter().flat_map(of_split);
    Ok(parts
        .map(|part| Part {
            label: manifest.config.label.clone(),
            ..part
        })
        .collect())
}

impl Part {
    /// A file that is no shard.
    fn file(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            name: path.display().to_string(),
            split: None,
            label: None,
            packets: None,
            blake3: None,
        }
    }

    /// Whether it holds packet actions instead of packets.
    pub(crate) fn is_actions(&self) -> bool {
        self.path.extension() == Some(OsStr::new("parquet"))
    }

    /// Refuses a shard that is not what its manifest says.
    pub(crate) fn check(&self, source: &SourceEntry) -> Result<(), Error> {
        match &self.blake3 {
            Some(blake3) if *blake3 != source.blake3 => Err(Error::refused(
                format!(
                    "{}: not the shard that the manifest describes",
                    self.path.display()
                ),
                "shard the capture again",
            )),
            _ => Ok(()),
        }
    }

    /// Lifts the capture by itself, with a dictionary of option layouts to continue, and hands
    /// every action to `each`. Packets out of scope are counted, not handed over.
    ///
    /// # Errors
    /// If the capture cannot be read, is not the shard of its manifest, or `each` fails.
    pub(crate) fn lift(
        &self,
        read: &ReadPolicy,
        schema: ActionSchema,
        profiles: OptionProfiles,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Action, Option<Label<'_>>) -> Result<(), Error>,
    ) -> Result<Lifted, Error> {
        let mut lifter = Lifter::new(schema, MAX_SLOTS, profiles);
        let mut capture = Capture::open(&self.path, read)?;
        capture.for_each(monitor, |packet| {
            let label = Label::of_comment(packet.comment);
            let lifted = lifter.lift(packet);
            lifted.map_or(Ok(()), |action| each(&action, label))
        })?;
        let source = capture.finish(monitor)?;
        self.check(&source)?;
        Ok(Lifted {
            source,
            counts: lifter.counts(),
            epoch: lifter.epoch(),
            profiles: lifter.into_profiles(),
        })
    }
}

/// A capture's facts after it was lifted.
pub(crate) struct Lifted {
    /// The capture's entry in manifests.
    pub(crate) source: SourceEntry,
    /// The lifter's counts.
    pub(crate) counts: LiftCounts,
    /// Time of the capture's first action.
    pub(crate) epoch: Option<Timestamp>,
    /// The dictionary of option layouts, those of the capture included.
    pub(crate) profiles: OptionProfiles,
}
