//! What codecs learn from: every part as an actions file on disk, so that memory does not grow with
//! the data.

use std::fs;
use std::io::ErrorKind;
use std::mem;
use std::path::{Path, PathBuf};

use tracecodec::action::float::Tick;
use tracecodec::action::{ActionSchema, OptionProfiles};
use tracecodec::artifact::{ActionsReader, ActionsWriter, SourceEntry, document};
use tracecodec::lift::LiftCounts;
use tracecodec::output::MadeFolder;
use tracecodec::shard::Split;
use tracecodec_nn::CodecConfig;
use tracecodec_nn::codec::Past;
use tracecodec_nn::codec::training::{Data, Rows};

use super::{DataSet, Part};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::monitor::{Monitor, Progress};

/// Name of the folder, within the folder of the training. A killed training leaves it behind.
pub(crate) const NAME: &str = "actions.part";

/// One in this many packets is for validation: the last ones of each file. Shards have a split.
const VALIDATION_SHARE: u64 = 10;

/// Actions between two reports of progress.
const PROGRESS_STEP: u64 = 4096;

/// Training data on disk, which is removed with it.
pub(crate) struct TrainingData {
    /// The training and the validation packets.
    pub(crate) data: Data,
    _folder: ActionsFolder,
}

impl TrainingData {
    /// Takes a data set into actions files in a folder within `output`, as a codec of this shape
    /// reads packets. Lifted actions keep what `schema` says.
    ///
    /// # Errors
    /// If a part cannot be read, a file cannot be written, or the monitor stops it; nothing is left
    /// then.
    pub(crate) fn prepare(
        set: &DataSet,
        output: &Path,
        read: &ReadPolicy,
        disclosure: &Disclosure,
        codec: &CodecConfig,
        schema: ActionSchema,
        monitor: &mut dyn Monitor,
    ) -> Result<Self, Error> {
        let mut folder = ActionsFolder::create(output, codec, schema)?;
        let shards = |split| set.shards(split).collect::<Vec<_>>();
        let mut training = vec![folder.lift("training", &shards(Split::Train), read, monitor)?];
        let mut validation = Vec::new();
        for (i, part) in set.files().enumerate() {
            let rows = if part.is_actions() {
                folder.take_actions(&format!("actions-{i}"), &part.path, monitor)?
            } else {
                folder.lift(&format!("capture-{i}"), &[part], read, monitor)?
            };
            let validated = rows.rows.end / VALIDATION_SHARE;
            let (most, last) = rows.split_last(validated);
            training.push(most);
            validation.push(last);
        }
        validation.push(folder.lift("validation", &shards(Split::Validation), read, monitor)?);
        let sources = disclosure.sources(mem::take(&mut folder.sources));
        Ok(Self {
            data: Data::open(&training, &validation)?.with_sources(sources),
            _folder: folder,
        })
    }
}

/// The folder of actions files. When this is dropped, the folder is removed with all files in it.
struct ActionsFolder {
    path: PathBuf,
    /// The folder around it, dropped after it.
    _around: MadeFolder,
    /// Shape of the codec.
    codec: CodecConfig,
    /// What the actions keep.
    schema: ActionSchema,
    /// Files read so far.
    sources: Vec<SourceEntry>,
}

impl ActionsFolder {
    /// Makes an empty folder within `output`, in the place of one that was left behind.
    fn create(output: &Path, codec: &CodecConfig, schema: ActionSchema) -> Result<Self, Error> {
        let path = output.join(NAME);
        let made = |error| Error::io("cannot make the folder", &path, error);
        let around = MadeFolder::create(output).map_err(made)?;
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&path),
        }
        .map_err(made)?;
        Ok(Self {
            path,
            _around: around,
            codec: codec.clone(),
            schema,
            sources: Vec::new(),
        })
    }

    /// Lifts captures into one actions file, each by itself: no flow continues from one to the
    /// next.
    fn lift(
        &mut self,
        name: &str,
        parts: &[&Part],
        read: &ReadPolicy,
        monitor: &mut dyn Monitor,
    ) -> Result<Rows, Error> {
        let path = self.path.join(name).with_extension("parquet");
        let mut writer = ActionsWriter::create(&path, self.schema)?;
        let mut profiles = OptionProfiles::new();
        let mut counts = LiftCounts::default();
        let mut epoch = None;
        for part in parts {
            let mut past = Past::new(&self.codec, Tick::Nanosecond);
            let lifted = part.lift(
                read,
                self.schema,
                mem::take(&mut profiles),
                monitor,
                |action, _| Ok(writer.write(&past.codable(action))?),
            )?;
            self.sources.push(lifted.source);
            counts.merge(&lifted.counts);
            epoch = epoch.or(lifted.epoch);
            profiles = lifted.profiles;
        }
        writer.finish(epoch, &profiles, &counts)?;
        let rows = 0..counts.actions();
        Ok(Rows { path, rows })
    }

    /// Takes the actions of an actions file over into another one.
    fn take_actions(
        &mut self,
        name: &str,
        actions: &Path,
        monitor: &mut dyn Monitor,
    ) -> Result<Rows, Error> {
        let path = self.path.join(name).with_extension("parquet");
        let reader = ActionsReader::open(actions)?;
        let (epoch, profiles) = (reader.epoch(), reader.profiles().clone());
        let total = reader.rows();
        let mut writer = ActionsWriter::create(&path, self.schema)?;
        let mut past = Past::new(&self.codec, Tick::Nanosecond);
        let mut counts = LiftCounts::default();
        for action in reader {
            let action = action?;
            counts.lifted.add(action.proto);
            writer.write(&past.codable(&action))?;
            if counts.actions() % PROGRESS_STEP == 0 {
                monitor.step(&Progress {
                    stage: "reading actions",
                    done: counts.actions(),
                    total: Some(total),
                    detail: &actions.display().to_string(),
                })?;
            }
        }
        self.sources.push(source(actions, counts.actions())?);
        writer.finish(epoch, &profiles, &counts)?;
        let rows = 0..counts.actions();
        Ok(Rows { path, rows })
    }
}

/// An actions file's entry in manifests.
fn source(actions: &Path, packets: u64) -> Result<SourceEntry, Error> {
    let io = |error| Error::io("cannot read", actions, error);
    let metadata = fs::metadata(actions).map_err(io)?;
    let name = actions.file_name().unwrap_or(actions.as_os_str());
    Ok(SourceEntry {
        name: name.to_string_lossy().into_owned(),
        blake3: document::digest(actions)?,
        bytes: metadata.len(),
        packets,
        damage: None,
        selection: None,
        tunnels: Default::default(),
    })
}

impl Drop for ActionsFolder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that cannot be removed; the next training tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}
