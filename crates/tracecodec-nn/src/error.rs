//! Errors of the learned path: files, configurations, and trainings whose loss is no longer finite.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An error of the learned path. It names the file or the setting; [`hint`](Self::hint) says what
/// to try, with settings in backquotes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An actions file or a manifest cannot be read.
    #[error(transparent)]
    Trace(#[from] tracecodec::Error),
    /// A file is not of the kind that its name states, or was cut short.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// Latents that cannot be decoded, or a manifest that does not fit them.
    #[error("{path}: {reason}")]
    Latents {
        /// The latents or the manifest.
        path: PathBuf,
        /// What is wrong with the latents or the manifest.
        reason: String,
        /// What to try.
        hint: String,
    },
    /// The file has another version than this program reads.
    #[error("{path}: version {found}, this program reads {expected}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that the file states.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
    /// The folder holds no model.
    #[error("{path}: no {expected} there")]
    NoModel {
        /// The folder.
        path: PathBuf,
        /// The kind of model that is needed.
        expected: &'static str,
    },
    /// The folder holds a model of another kind.
    #[error("{path}: a {found}, but a {expected} is needed")]
    OtherKind {
        /// The folder.
        path: PathBuf,
        /// The kind of model that the folder holds.
        found: &'static str,
        /// The kind of model that is needed.
        expected: &'static str,
    },
    /// The latents were written without a draw from the posteriors.
    #[error("{0}: no tensor `sample`")]
    NoSample(PathBuf),
    /// The model was trained on another version of the action schema.
    #[error("{path}: trained on action schema {found}, this version reads {expected}")]
    SchemaVersion {
        /// The model description.
        path: PathBuf,
        /// The version that the description states.
        found: u32,
        /// The version of this program.
        expected: u32,
    },
    /// The weights lack a tensor that the configuration calls for.
    #[error("{path}: no tensor `{name}` of shape {shape:?}")]
    Tensor {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape that the configuration calls for.
        shape: Vec<usize>,
    },
    /// The digest of the weights is not the one that the model description states.
    #[error("{path}: digest {found}, but its description states {expected}")]
    Digest {
        /// The weights.
        path: PathBuf,
        /// Digest of the file.
        found: String,
        /// Digest in the description.
        expected: String,
    },
    /// A setting is out of its range.
    #[error("{name} = {value}: {reason}")]
    Config {
        /// The setting.
        name: &'static str,
        /// The setting's value.
        value: String,
        /// The rule that the value breaks.
        reason: &'static str,
    },
    /// There are no packets to train on, or to validate with.
    #[error("no packets in the {0} data")]
    NoData(&'static str),
    /// Fewer than two flows begin in the data to train on, or to validate with.
    #[error("fewer than two flows begin in the {0} data")]
    NoOpenings(&'static str),
    /// The networks differ from those of the generator whose weights the training begins with.
    #[error("the shapes are not those of the generator to begin with")]
    OtherShapes,
    /// The training was stopped, and a checkpoint written.
    #[error("interrupted after {0} steps")]
    Interrupted(u64),
    /// The caller asked to stop work of which nothing is kept.
    #[error("interrupted")]
    Stopped,
    /// The checkpoint is of a training with other data or settings.
    #[error("{0}: a checkpoint of other data or settings")]
    OtherRun(PathBuf),
    /// The model's latents alone do not decode to rows.
    #[error("{0}: rows do not decode from its latents alone")]
    NotStandalone(&'static str),
    /// No sequence is long enough for a window.
    #[error("no sequence of the {split} split has {rows} rows")]
    NoWindows {
        /// Name of the split.
        split: &'static str,
        /// Rows that a sequence must have.
        rows: usize,
    },
    /// The program was built without support for the device.
    #[error("device {0}: this program was built without it")]
    NotBuilt(&'static str),
    /// The machine lacks the device.
    #[error("device {device}: {reason}")]
    NoDevice {
        /// Name of the device.
        device: &'static str,
        /// Why the device cannot be used.
        reason: String,
    },
    /// The generator has another backbone than the one that is needed.
    #[error("{path}: its backbone is {found}, but {expected} is needed")]
    OtherBackbone {
        /// The description.
        path: PathBuf,
        /// Name of the backbone that it states.
        found: &'static str,
        /// Name of the backbone that is needed.
        expected: &'static str,
    },
    /// The generator's rows are latents of another model.
    #[error("the generator's latents are of the model {expected}, not of {found}")]
    OtherRepresentation {
        /// Digest of the model that made the generator's latents.
        expected: String,
        /// Digest of the model that was given.
        found: String,
    },
    /// The generator samples latents of a baseline, which do not decode to packet actions.
    #[error("the generator samples latents of {0}, which are rows of headers, not packet actions")]
    BaselineLatents(String),
    /// The generator has no such label.
    #[error("no label `{label}`")]
    Label {
        /// The label that was asked for.
        label: String,
        /// The labels of the generator.
        known: Vec<String>,
    },
    /// The loss is not a finite number.
    #[error("the loss is {loss} at step {step}")]
    Diverged {
        /// The optimiser step.
        step: u64,
        /// The loss.
        loss: f64,
    },
}

impl Error {
    /// What to try; `None` if nothing helps.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Io { source, .. } => {
                return tracecodec::error::io_hint(source).map(Cow::Borrowed);
            }
            Self::Config { .. } | Self::Stopped => return None,
            Self::Trace(error) => return error.hint().map(Cow::Borrowed),
            Self::Format { .. } => "the file is damaged or of another kind; write it again",
            Self::Latents { hint, .. } => return Some(hint.clone().into()),
            Self::Version { .. } => "use the program of that version, or write it again",
            Self::NoModel { expected, .. } | Self::OtherKind { expected, .. } => {
                return Some(format!("name a folder of a trained {expected}").into());
            }
            Self::NoSample(_) => "encode with a seed for `sample`, or decode the means",
            Self::SchemaVersion { .. } => "train the model again from lifted captures",
            Self::Tensor { .. } => {
                "weights.safetensors and the JSON file that describes it come from different models"
            }
            Self::Digest { .. } => "copy both files of the checkpoint together",
            Self::NoData(_) => {
                "more data, or smaller shards (fewer `packets` in each), so that every split has some"
            }
            Self::NoOpenings(_) => "a longer capture: it shows most of its flows from their middle",
            Self::OtherShapes => "leave `shapes` out of the settings",
            Self::Interrupted(_) => "the same settings with `resume` continue it",
            Self::OtherRun(_) => {
                "continue with the settings that it was made with, or start anew with `overwrite`"
            }
            Self::NotStandalone(_) => {
                "TVAE's and TabSyn-VAE's do; TTVAE's decoder reads what its encoder keeps of the rows, GOGGLE's the whole graph"
            }
            Self::NoWindows { .. } => "larger shards (more `packets` in each), or a shorter suffix",
            Self::NotBuilt(device) => {
                return Some(format!("build it with the Cargo feature {device}").into());
            }
            Self::NoDevice { .. } => "install the driver of the GPU, or compute with `device` cpu",
            Self::OtherBackbone { .. } => "name another generator",
            Self::OtherRepresentation { .. } => {
                "name the codec that its sequences were made with, as `codec`"
            }
            Self::BaselineLatents(_) => {
                "the continuation test measures how well it continues: it takes GENERATOR@BASELINE"
            }
            Self::Label { known, .. } => return Some(known_labels(known).into()),
            Self::Diverged { .. } => "lower the learning rate, or try another seed",
        }))
    }

    /// The file or folder at fault; `None` if there is none.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Format { path, .. }
            | Self::Latents { path, .. }
            | Self::Version { path, .. }
            | Self::NoModel { path, .. }
            | Self::OtherKind { path, .. }
            | Self::NoSample(path)
            | Self::SchemaVersion { path, .. }
            | Self::Tensor { path, .. }
            | Self::Digest { path, .. }
            | Self::OtherRun(path)
            | Self::OtherBackbone { path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn latents(path: &Path, reason: impl ToString, hint: impl ToString) -> Self {
        Self::Latents {
            path: path.to_path_buf(),
            reason: reason.to_string(),
            hint: hint.to_string(),
        }
    }

    pub(crate) fn format(path: &Path, reason: impl ToString) -> Self {
        Self::Format {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}

fn known_labels(known: &[String]) -> String {
    match known {
        [] => "the generator was trained on shards without labels; leave the label out".to_string(),
        known => format!("the generator knows {}", known.join(", ")),
    }
}
