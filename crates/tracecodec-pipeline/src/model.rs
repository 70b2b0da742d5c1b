//! Models by name: the folder of a trained model, or the built-in one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec_nn::generator::{Generator, Method, Sequences, Solver};
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
    /// If there is no codec, it is damaged, or the device is not available.
    pub fn load_codec(&self, device: Device) -> Result<Codec, Error> {
        self.check()?;
        Ok(self.codec()?.with_device(device)?)
    }

    /// Refuses what is no folder, but a slip of the pen for the model that is built in.
    fn check(&self) -> Result<(), Error> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        let mut letters = folder.to_string_lossy().to_lowercase();
        letters.retain(char::is_alphabetic);
        if letters != "builtin" || folder.exists() {
            return Ok(());
        }
        Err(Error::refused(
            format!("{}: no such model", folder.display()),
            format!("did you mean {}?", Self::BUILT_IN),
        ))
    }

    fn codec(&self) -> Result<Codec, tracecodec_nn::Error> {
        match self {
            Self::BuiltIn => Ok(Codec::embedded()),
            Self::Folder(folder) => Codec::load(folder),
        }
    }

    /// Name in outcomes: the folder, or `built in`.
    pub fn label(&self) -> String {
        match self {
            Self::BuiltIn => "built in".to_string(),
            Self::Folder(folder) => folder.display().to_string(),
        }
    }
}

/// Which generator to use, and how it is sampled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratorChoice {
    /// The generator.
    pub model: ModelName,
    /// The codec whose latents the generator samples.
    pub codec: ModelName,
    /// How flow matching is sampled.
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// How flow matching is sampled, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Method by which the flow is solved.
    pub method: Method,
    /// Steps of the method: of one evaluation each with `euler`, of two with the others.
    pub solver_steps: usize,
    /// Where the network computes.
    pub device: Device,
}

impl Default for Sampling {
    fn default() -> Self {
        let Solver { method, steps } = Solver::default();
        Self {
            method,
            solver_steps: steps,
            device: Device::default(),
        }
    }
}

impl Sampling {
    /// The solver.
    pub fn solver(self) -> Solver {
        Solver {
            method: self.method,
            steps: self.solver_steps,
        }
    }
}

impl GeneratorChoice {
    /// Loads the generator.
    ///
    /// # Errors
    /// If there is no generator, it is damaged, it was trained on another codec, or the device is
    /// not available.
    pub fn load(&self) -> Result<Generator, Error> {
        self.model.check()?;
        self.codec.check()?;
        let Sampling { device, .. } = self.sampling;
        let generator = match &self.model {
            ModelName::BuiltIn => Generator::embedded(),
            ModelName::Folder(folder) => {
                let codec = || self.codec.codec();
                Generator::load(folder, codec, self.sampling.solver())?.with_device(device)?
            }
        };
        match generator {
            Generator::Autoregressive(_) if device != Device::Cpu => Err(Error::refused(
                "`device` is for flow matching",
                "the autoregressive generator draws on the CPU: leave it out",
            )),
            generator => Ok(generator),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_slip_of_the_pen_is_no_folder() {
        for slip in ["builtin", "built in", "built_in", "Built-in"] {
            let name = ModelName::from(PathBuf::from(slip));
            let error = name.load_codec(Device::Cpu).unwrap_err();
            assert_eq!(error.to_string(), format!("{slip}: no such model"));
            assert_eq!(error.hint().as_deref(), Some("did you mean built-in?"));
            let choice = GeneratorChoice {
                model: name,
                ..GeneratorChoice::default()
            };
            assert!(choice.load().unwrap_err().hint().is_some());
        }
        let other = ModelName::from(PathBuf::from("building"));
        let error = other.load_codec(Device::Cpu).unwrap_err();
        assert_eq!(error.to_string(), "building: no codec there");
    }
}
