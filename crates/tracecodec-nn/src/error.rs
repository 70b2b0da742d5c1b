//! What can go wrong outside the numbers: files, configurations, and a training that leaves the finite numbers.

use std::path::{Path, PathBuf};

use tracecodec::artifact::ActionsError;

use crate::device::Device;
use crate::generator::Backbone;

/// An error of the learned path. Each names the file or setting, and says what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An actions file cannot be read.
    #[error("{0}")]
    Actions(#[from] ActionsError),
    /// A file is not what its name says, or was cut short.
    #[error("{path}: {reason}\nhint: the file is damaged or of another kind; write it again")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The latents were written without a draw from the posteriors.
    #[error("{0}: no tensor `sample`\nhint: encode with --sample SEED, or decode the means")]
    NoSample(PathBuf),
    /// The model was trained on another version of the action schema.
    #[error(
        "{path}: trained on action schema {found}, this version reads {expected}\nhint: train the model again from lifted captures"
    )]
    SchemaVersion {
        /// The model description.
        path: PathBuf,
        /// The version that it states.
        found: u32,
        /// The version of this program.
        expected: u32,
    },
    /// The weights lack a tensor that the configuration calls for.
    #[error(
        "{path}: no tensor `{name}` of shape {shape:?}\nhint: weights.safetensors and the JSON file that describes it come from different models"
    )]
    Tensor {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape that the configuration calls for.
        shape: Vec<usize>,
    },
    /// The weights are not those that the model description was written with.
    #[error(
        "{path}: digest {found}, but its description states {expected}\nhint: copy both files of the checkpoint together"
    )]
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
        /// Its value.
        value: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// There is nothing to train on, or nothing to validate with.
    #[error(
        "no packets in the {0} data\nhint: more data, or smaller shards (shard --packets N), so that every split has some"
    )]
    NoData(&'static str),
    /// No flow begins in what there is to train on, or to validate with.
    #[error(
        "fewer than two flows begin in the {0} data\nhint: a longer capture: it shows most of its flows from their middle"
    )]
    NoOpenings(&'static str),
    /// The training was stopped, and a checkpoint written.
    #[error("interrupted after {0} steps\nhint: the same command with --resume goes on")]
    Interrupted(u64),
    /// The checkpoint is of another training.
    #[error(
        "{0}: a checkpoint of other data or settings\nhint: go on with the command that it was made with, or start anew with --overwrite"
    )]
    OtherRun(PathBuf),
    /// The model does not decode from latents alone.
    #[error(
        "{0}: rows do not decode from its latents alone\nhint: TVAE's and TabSyn-VAE's do; TTVAE's decoder reads what its encoder keeps of the rows, GOGGLE's the whole graph"
    )]
    NotStandalone(&'static str),
    /// There is no sequence that is long enough for a window.
    #[error(
        "no sequence of the {split} split has {rows} rows\nhint: larger shards (shard --packets N), or a shorter suffix"
    )]
    NoWindows {
        /// The split.
        split: &'static str,
        /// Rows that a sequence must have.
        rows: usize,
    },
    /// The program was built without the device.
    #[error(
        "device {0}: this program was built without it\nhint: cargo build --release -p tracecodec-cli --features {0}"
    )]
    NotBuilt(Device),
    /// The machine lacks the device.
    #[error(
        "device {device}: {reason}\nhint: install the driver of the GPU, or compute with --device cpu"
    )]
    NoDevice {
        /// The device.
        device: Device,
        /// What was looked for.
        reason: String,
    },
    /// The generator has another backbone than is needed.
    #[error(
        "{path}: its backbone is {found}, but {expected} is needed\nhint: name another generator"
    )]
    OtherBackbone {
        /// The description.
        path: PathBuf,
        /// The backbone that it tells.
        found: Backbone,
        /// The one that is needed.
        expected: Backbone,
    },
    /// The generator's rows are latents of another model.
    #[error(
        "the generator's latents are of the model {expected}, not of {found}\nhint: name the codec that its sequences were made with, as --codec DIR"
    )]
    OtherRepresentation {
        /// Digest of the model whose latents they are.
        expected: String,
        /// Digest of the model that was given.
        found: String,
    },
    /// The generator samples latents of a baseline, which are no packet actions.
    #[error(
        "the generator samples latents of {0}, which are rows of headers, not packet actions\nhint: `tracecodec generator test GENERATOR@BASELINE` tells how well it goes on"
    )]
    BaselineLatents(String),
    /// The generator has no such label.
    #[error("no label `{label}`\nhint: {}", known_labels(known))]
    Label {
        /// The label that was asked for.
        label: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The loss is no longer a finite number.
    #[error(
        "the loss is {loss} at step {step}\nhint: lower the learning rate, or try another seed"
    )]
    Diverged {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_path_buf(),
            source,
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
