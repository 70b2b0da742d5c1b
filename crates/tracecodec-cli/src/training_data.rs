//! Training data as `train` is given them, folders of shards, captures and actions files: all of them as actions files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tracecodec::action::OptionProfiles;
use tracecodec::action::float::Tick;
use tracecodec::artifact::{ActionsReader, ActionsWriter, SourceEntry, document};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::shard::Split;
use tracecodec_nn::CodecConfig;
use tracecodec_nn::codec::Past;
use tracecodec_nn::codec::training::{Data, Rows};

use crate::args::ReadArgs;
use crate::input::Input;
use crate::interrupt;
use crate::shards::{Capture, Shards};

/// Folder of the actions files, within the folder of the training. A killed training leaves it behind.
pub(crate) const FOLDER: &str = "actions.part";

/// One in so many packets, the last ones of each capture and actions file, is for validation; shards have a split for it.
const VALIDATION_SHARE: u64 = 10;

/// Training data on disk, which is removed with it.
pub(crate) struct TrainingData {
    /// The training and the validation packets.
    pub(crate) data: Data,
    _folder: ActionsFolder,
}

impl TrainingData {
    /// Takes everything into actions files in a folder within `output`, as a codec of this shape reads packets.
    pub(crate) fn prepare(
        paths: &[PathBuf],
        output: &Path,
        read: ReadArgs,
        codec: &CodecConfig,
    ) -> Result<Self> {
        let (folders, files): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.is_dir());
        let shards = Shards::read(&folders)?;
        let mut folder = ActionsFolder::create(output, codec)?;
        let mut training = vec![folder.lift("training", &shards.of(Split::Train), read)?];
        let mut validation = Vec::new();
        for (i, path) in files.into_iter().enumerate() {
            let rows = match path.extension().and_then(OsStr::to_str) {
                Some("parquet") => folder.take_actions(&format!("actions-{i}"), path)?,
                _ => folder.lift(&format!("capture-{i}"), &[Capture::of(path)], read)?,
            };
            let validated = rows.rows.end / VALIDATION_SHARE;
            let (most, last) = rows.split_last(validated);
            training.push(most);
            validation.push(last);
        }
        validation.push(folder.lift("validation", &shards.of(Split::Validation), read)?);
        Ok(Self {
            data: Data::open(&training, &validation)?.with_sources(mem::take(&mut folder.sources)),
            _folder: folder,
        })
    }
}

/// The folder of actions files. Dropped, it is removed with all that is in it.
struct ActionsFolder {
    path: PathBuf,
    /// The folder around it, if that was made for it.
    made: Option<PathBuf>,
    /// Shape of the codec.
    codec: CodecConfig,
    /// Files read so far.
    sources: Vec<SourceEntry>,
}

impl ActionsFolder {
    /// Makes an empty folder within `output`, in the place of one that was left behind.
    fn create(output: &Path, codec: &CodecConfig) -> Result<Self> {
        let path = output.join(FOLDER);
        let made = (!output.exists()).then(|| output.to_path_buf());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&path),
        }
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self {
            path,
            made,
            codec: codec.clone(),
            sources: Vec::new(),
        })
    }

    /// Lifts captures into one actions file, each by itself: flows do not go on from one to the next.
    fn lift(&mut self, name: &str, captures: &[Capture], read: ReadArgs) -> Result<Rows> {
        let path = self.path.join(name).with_extension("parquet");
        let mut writer = ActionsWriter::create(&path)?;
        let mut profiles = OptionProfiles::new();
        let mut counts = LiftCounts::default();
        let mut epoch = None;
        for capture in captures {
            interrupt::check()?;
            let mut lifter = Lifter::new(MAX_SLOTS, profiles);
            let mut past = Past::new(&self.codec, Tick::Nanosecond);
            let mut input = Input::open(&capture.path, read)?;
            input.for_each(|packet| {
                // Out of scope is no error: lift counts it.
                lifter
                    .lift(packet)
                    .map_or(Ok(()), |action| Ok(writer.write(&past.codable(&action))?))
            })?;
            let source = input.finish()?;
            capture.check(&source)?;
            self.sources.push(source);
            counts.merge(&lifter.counts());
            epoch = epoch.or(lifter.epoch());
            profiles = lifter.into_profiles();
        }
        writer.finish(epoch, &profiles, &counts)?;
        let rows = 0..counts.actions();
        Ok(Rows { path, rows })
    }

    /// Takes the actions of an actions file over into another one.
    fn take_actions(&mut self, name: &str, actions: &Path) -> Result<Rows> {
        let path = self.path.join(name).with_extension("parquet");
        let reader = ActionsReader::open(actions)?;
        let (epoch, profiles) = (reader.epoch(), reader.profiles().clone());
        let mut writer = ActionsWriter::create(&path)?;
        let mut past = Past::new(&self.codec, Tick::Nanosecond);
        let mut counts = LiftCounts::default();
        for action in reader {
            let action = action?;
            counts.lifted.add(action.proto);
            writer.write(&past.codable(&action))?;
        }
        interrupt::check()?;
        self.sources.push(source(actions, counts.actions())?);
        writer.finish(epoch, &profiles, &counts)?;
        let rows = 0..counts.actions();
        Ok(Rows { path, rows })
    }
}

/// An actions file as a manifest names what was read.
fn source(actions: &Path, packets: u64) -> Result<SourceEntry> {
    let metadata =
        fs::metadata(actions).with_context(|| format!("cannot read {}", actions.display()))?;
    let name = actions.file_name().unwrap_or(actions.as_os_str());
    Ok(SourceEntry {
        name: name.to_string_lossy().into_owned(),
        blake3: document::digest(actions)?,
        bytes: metadata.len(),
        packets,
        damage: None,
        selection: None,
    })
}

impl Drop for ActionsFolder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that cannot be removed; the next training tries again.
        let _ = fs::remove_dir_all(&self.path);
        if let Some(made) = &self.made {
            // Only an empty one goes: a training that wrote nothing leaves nothing.
            let _ = fs::remove_dir(made);
        }
    }
}
