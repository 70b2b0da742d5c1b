//! The output folder, in which nothing looks complete before it is.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ShardManifest, Split};
use crate::choice::Choice;
use crate::error::Error;

/// Folder in which shards grow until all are complete.
const PART: &str = ".part";

/// The output folder during a run. If it is dropped before [`publish`](Folder::publish) ends, the
/// half-written shards are removed; until then, earlier contents of the folder stay.
pub(super) struct Folder {
    path: PathBuf,
    /// Whether the folder was made for this run.
    is_new: bool,
}

impl Folder {
    /// Claims an empty or absent folder or, with `overwrite`, one of shards.
    pub(super) fn claim(path: &Path, overwrite: bool) -> Result<Self, Error> {
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(Error::io(path))?;
        let part = path.join(PART);
        if !is_empty(path).map_err(Error::io(path))? {
            let is_shards = ShardManifest::read(path.join(ShardManifest::FILE_NAME)).is_ok();
            let is_ours = is_shards || part.is_dir();
            if !is_ours {
                return Err(Error::ForeignFolder(path.to_path_buf()));
            }
            if !overwrite {
                let path = path.to_path_buf();
                return Err(if is_shards {
                    Error::FolderInUse(path)
                } else {
                    Error::UnfinishedFolder(path)
                });
            }
            remove_if_there(fs::remove_dir_all(&part)).map_err(Error::io(&part))?;
        }
        fs::create_dir(&part).map_err(Error::io(&part))?;
        let path = path.to_path_buf();
        Ok(Self { path, is_new })
    }

    /// Folder in which the shards grow.
    pub(super) fn part(&self) -> PathBuf {
        self.path.join(PART)
    }

    /// Moves the shards to their places and writes the manifest, in place of an older manifest and
    /// its shards.
    pub(super) fn publish(mut self, manifest: &ShardManifest) -> Result<(), Error> {
        let manifest_path = self.path.join(ShardManifest::FILE_NAME);
        remove_if_there(fs::remove_file(&manifest_path)).map_err(Error::io(&manifest_path))?;
        for split in Split::ALL {
            let folder = self.path.join(split.name());
            remove_shards(&folder).map_err(Error::io(&folder))?;
        }
        for split in Split::ALL {
            if manifest.of_split(split).next().is_some() {
                let folder = self.path.join(split.name());
                fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            }
        }
        for shard in &manifest.shards {
            let target = self.path.join(&shard.file);
            let name = target.file_name().unwrap_or(OsStr::new(""));
            fs::rename(self.part().join(name), &target).map_err(Error::io(&target))?;
        }
        manifest.write(manifest_path)?;
        self.is_new = false;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Errors cannot be reported here. What is left has a known name, and the next run refuses
        // or replaces it.
        let _ = fs::remove_dir_all(self.part());
        if self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(path)?.next().is_none())
}

fn remove_if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes the shards in a split's folder, and the folder if it is then empty.
fn remove_shards(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if is_shard(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    if is_empty(folder)? {
        fs::remove_dir(folder)?;
    }
    Ok(())
}

fn is_shard(name: &OsStr) -> bool {
    let number = name
        .to_str()
        .and_then(|name| name.strip_prefix("shard-")?.strip_suffix(".pcapng"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
