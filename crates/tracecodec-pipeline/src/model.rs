//! Models by name: a folder, or the one that is built in.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec_nn::generator::Sequences;
use tracecodec_nn::{Codec, Device};

use crate::error::Error;

/// Which model to use: the folder of a trained one, or the one that is built in.
///
/// In settings it is the folder's path, or `built-in`. A folder of that name is `./built-in`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub enum ModelName {
    /// The model that is built in.
    #[default]
    BuiltIn,
    /// Folder of a trained model.
    Folder(PathBuf),
}

impl ModelName {
    /// The word for the model that is built in.
    pub const BUILT_IN: &'static str = "built-in";

    /// The folder of the model; `None` for the one that is built in.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::Folder(folder) => Some(folder),
        }
    }

    /// Loads a codec.
    ///
    /// # Errors
    /// If there is none, it is damaged, or the device is not to be had.
    pub fn load_codec(&self, device: Device) -> Result<Codec, Error> {
        let codec = match self {
            Self::BuiltIn => Codec::embedded(),
            Self::Folder(folder) => Codec::load(folder)?,
        };
        Ok(codec.with_device(device)?)
    }

    /// Name in outcomes: the folder, or `built in`.
    pub fn label(&self) -> String {
        match self {
            Self::BuiltIn => "built in".to_string(),
            Self::Folder(folder) => folder.display().to_string(),
        }
    }
}

/// Opens a folder of latent sequences.
///
/// # Errors
/// If the folder holds none, or they are damaged.
pub(crate) fn open_sequences(folder: &Path) -> Result<Sequences, Error> {
    if !Sequences::is_in(folder) {
        return Err(Error::refused(
            format!("{}: no latent sequences there", folder.display()),
            "name a folder of latent sequences",
        ));
    }
    Ok(Sequences::open(folder)?)
}

impl From<PathBuf> for ModelName {
    fn from(path: PathBuf) -> Self {
        if path == Path::new(Self::BUILT_IN) {
            Self::BuiltIn
        } else {
            Self::Folder(path)
        }
    }
}

impl From<ModelName> for PathBuf {
    fn from(name: ModelName) -> Self {
        match name {
            ModelName::BuiltIn => ModelName::BUILT_IN.into(),
            ModelName::Folder(folder) => folder,
        }
    }
}
