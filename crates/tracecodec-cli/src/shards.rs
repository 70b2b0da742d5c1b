//! Folders of shards as trainings read them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tracecodec::artifact::SourceEntry;
use tracecodec::shard::{ShardManifest, Split};

use crate::failure::Hint;

/// Folders of shards and their manifests.
pub(crate) struct Shards<'a>(Vec<(&'a Path, ShardManifest)>);

impl<'a> Shards<'a> {
    /// Reads the manifests.
    ///
    /// # Errors
    /// If a folder holds none.
    pub(crate) fn read(folders: &[&'a PathBuf]) -> Result<Self> {
        let shards = folders.iter().map(|folder| {
            let path = folder.join("manifest.json");
            if !path.is_file() {
                return Err(Hint::error(
                    format!("{}: no shards there", folder.display()),
                    "name a folder that `tracecodec shard` wrote",
                ));
            }
            Ok((folder.as_path(), ShardManifest::read(&path)?))
        });
        Ok(Self(shards.collect::<Result<_>>()?))
    }

    /// The shards of a split, of all folders.
    pub(crate) fn of(&self, split: Split) -> Vec<Capture> {
        self.counted(split)
            .into_iter()
            .map(|(shard, _)| shard)
            .collect()
    }

    /// The same, and how many packets each holds.
    pub(crate) fn counted(&self, split: Split) -> Vec<(Capture, u64)> {
        let shards = self.0.iter().flat_map(|(folder, manifest)| {
            manifest.of_split(split).map(|shard| {
                let capture = Capture {
                    path: folder.join(&shard.file),
                    blake3: Some(shard.blake3.clone()),
                    label: manifest.config.label.clone(),
                };
                (capture, shard.census.packets)
            })
        });
        shards.collect()
    }
}

/// A capture to lift.
pub(crate) struct Capture {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Digest that it must have: that of its manifest, if it is a shard.
    blake3: Option<String>,
    /// Kind of its traffic, if it is a shard that was cut with one.
    pub(crate) label: Option<String>,
}

impl Capture {
    /// One that is no shard.
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            blake3: None,
            label: None,
        }
    }

    /// Refuses a shard that is not what its manifest says.
    pub(crate) fn check(&self, source: &SourceEntry) -> Result<()> {
        match &self.blake3 {
            Some(blake3) if *blake3 != source.blake3 => Err(Hint::error(
                format!(
                    "{}: not the shard that the manifest describes",
                    self.path.display()
                ),
                "shard the capture again",
            )),
            _ => Ok(()),
        }
    }
}
