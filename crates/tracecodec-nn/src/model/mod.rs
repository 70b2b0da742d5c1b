//! A trained model on disk: one folder for every kind of model.
//!
//! ```text
//! model.json, baseline.json or generator.json   what the model is, and the digest of its weights
//! weights.safetensors                           its weights
//! manifest.json, history.jsonl                  the training that it is the best model of
//! checkpoint.safetensors                        a training that has not ended
//! ```

mod placed;
mod store;

pub(crate) use placed::Placed;
pub(crate) use store::{Files, save};

use std::path::Path;

/// Name of the file with a model's weights.
pub const WEIGHTS: &str = "weights.safetensors";

/// Name of the file that states what the weights depend on.
pub const MANIFEST: &str = "manifest.json";

/// Name of the file with a training's validations.
pub const HISTORY: &str = "history.jsonl";

/// Name of the file that a training resumes from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// Kind of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A [`Codec`](crate::Codec).
    Codec,
    /// A [`Baseline`](crate::baseline::Baseline).
    Baseline,
    /// A [`Generator`](crate::generator::Generator) of any backbone.
    Generator,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Codec, Self::Baseline, Self::Generator];

    /// Name of the kind in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Baseline => "baseline",
            Self::Generator => "generator",
        }
    }

    /// Name of the file that describes a model of this kind.
    pub fn file(self) -> &'static str {
        match self {
            Self::Codec => "model.json",
            Self::Baseline => "baseline.json",
            Self::Generator => "generator.json",
        }
    }

    /// Whether a folder holds a model of this kind.
    pub fn is_in(self, folder: &Path) -> bool {
        folder.join(self.file()).is_file()
    }

    /// Kind of the model that a folder holds; `None` if it holds no model.
    pub fn of(folder: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.is_in(folder))
    }

    /// Format of the file that describes the model; `None` for a codec, whose file states no
    /// format.
    fn format(self) -> Option<&'static str> {
        match self {
            Self::Codec => None,
            Self::Baseline => Some("tracecodec.baseline"),
            Self::Generator => Some("tracecodec.generator"),
        }
    }

    /// Format of the training's manifest.
    pub(crate) fn training_format(self) -> &'static str {
        match self {
            Self::Codec => "tracecodec.training",
            Self::Baseline => "tracecodec.baseline-training",
            Self::Generator => "tracecodec.generator-training",
        }
    }
}
