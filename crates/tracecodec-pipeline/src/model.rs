//! Models by name: the folder of a trained model, or the built-in one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::autoregressive::Autoregressive;
use tracecodec_nn::generator::{Generator, Method, Sequences, Solver};
use tracecodec_nn::{Codec, Device, model};

use crate::error::Error;
use crate::monitor::{Monitor, Warning};

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

    /// Loads a codec. Warns if its training has not ended.
    ///
    /// # Errors
    /// If there is no codec, it is damaged, or the device is not available.
    pub fn load_codec(&self, device: Device, monitor: &mut dyn Monitor) -> Result<Codec, Error> {
        self.check()?;
        self.warn_if_unfinished(monitor);
        Ok(self.codec()?.with_device(device)?)
    }

    /// Loads a codec that computes on so many threads; `None`: as many as there are cores.
    ///
    /// # Errors
    /// If there is no codec, it is damaged, the device is not available, or there are 0 threads.
    pub fn load_codec_on(
        &self,
        device: Device,
        threads: Option<usize>,
        monitor: &mut dyn Monitor,
    ) -> Result<Codec, Error> {
        let codec = self.load_codec(device, monitor)?;
        match threads {
            Some(0) => Err(Error::refused("0 `threads`", "they number from 1 on")),
            Some(threads) => Ok(codec.with_threads(threads)),
            None => Ok(codec),
        }
    }

    /// Loads an autoregressive generator.
    ///
    /// # Errors
    /// If there is no such generator, or it is damaged.
    pub(crate) fn load_autoregressive(&self) -> Result<Autoregressive, Error> {
        self.check()?;
        Ok(match self {
            Self::BuiltIn => Autoregressive::embedded(),
            Self::Folder(folder) => Autoregressive::load(folder)?,
        })
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

    /// Warns if the model is the best one so far of a training that has not ended.
    pub(crate) fn warn_if_unfinished(&self, monitor: &mut dyn Monitor) {
        if let Some(folder) = self.folder() {
            warn_if_unfinished(folder, monitor);
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
    /// Loads the generator. Warns if its training, or that of its codec, has not ended.
    ///
    /// # Errors
    /// If there is no generator, it is damaged, it was trained on another codec, the device is not
    /// available, or the generator is autoregressive and the sampling not the default.
    pub fn load(&self, monitor: &mut dyn Monitor) -> Result<Generator, Error> {
        self.model.warn_if_unfinished(monitor);
        self.codec.warn_if_unfinished(monitor);
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
            Generator::Autoregressive(_) if self.sampling != Sampling::default() => {
                Err(Error::refused(
                    "`method`, `solver_steps` and `device` are for flow matching",
                    "the autoregressive generator solves no flow, and draws on the CPU: leave them out",
                ))
            }
            generator => Ok(generator),
        }
    }
}

/// Loads a baseline. Warns if its training has not ended.
///
/// # Errors
/// If there is no baseline, or it is damaged.
pub(crate) fn load_baseline(folder: &Path, monitor: &mut dyn Monitor) -> Result<Baseline, Error> {
    warn_if_unfinished(folder, monitor);
    Ok(Baseline::load(folder)?)
}

/// Warns if a folder's model is the best one so far of a training that has not ended.
fn warn_if_unfinished(folder: &Path, monitor: &mut dyn Monitor) {
    if folder.join(model::CHECKPOINT).is_file() {
        let message = format!(
            "{}: the training of this model has not ended",
            folder.display()
        );
        let hint = "the best model so far is used; train with `resume` continues its training";
        monitor.warn(&Warning::new(message).with_hint(hint));
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
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    #[test]
    fn test_a_model_of_an_unfinished_training_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["model.json", model::WEIGHTS] {
            let shipped = data("../crates/tracecodec-nn/built-in/codec").join(file);
            std::fs::copy(shipped, folder.path().join(file)).unwrap();
        }
        let name = ModelName::from(folder.path().to_path_buf());
        let mut monitor = Stopping::never();
        name.load_codec(Device::Cpu, &mut monitor).unwrap();
        assert!(monitor.warnings.is_empty());
        std::fs::write(folder.path().join(model::CHECKPOINT), "").unwrap();
        name.load_codec(Device::Cpu, &mut monitor).unwrap();
        // Neither is a model of its kind, but the warning comes first.
        let choice = GeneratorChoice {
            model: name.clone(),
            ..GeneratorChoice::default()
        };
        assert!(choice.load(&mut monitor).is_err());
        assert!(load_baseline(folder.path(), &mut monitor).is_err());
        assert_eq!(monitor.warnings.len(), 3);
        let warning = &monitor.warnings[0];
        assert!(warning.message.ends_with("has not ended"), "{warning:?}");
    }

    #[test]
    fn test_settings_of_flow_matching_are_refused_by_the_autoregressive_generator() {
        let of = |sampling| GeneratorChoice {
            sampling,
            ..GeneratorChoice::default()
        };
        let standard = Sampling::default();
        assert!(of(standard).load(&mut Silent).is_ok());
        let method = Method::Euler;
        for sampling in [
            Sampling { method, ..standard },
            Sampling {
                solver_steps: 2,
                ..standard
            },
        ] {
            let error = of(sampling).load(&mut Silent).unwrap_err();
            assert!(error.to_string().contains("`solver_steps`"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn test_a_slip_of_the_pen_is_no_folder() {
        for slip in ["builtin", "built in", "built_in", "Built-in"] {
            let name = ModelName::from(PathBuf::from(slip));
            let error = name.load_codec(Device::Cpu, &mut Silent).unwrap_err();
            assert_eq!(error.to_string(), format!("{slip}: no such model"));
            assert_eq!(error.hint().as_deref(), Some("did you mean built-in?"));
            let choice = GeneratorChoice {
                model: name,
                ..GeneratorChoice::default()
            };
            assert!(choice.load(&mut Silent).unwrap_err().hint().is_some());
        }
        let other = ModelName::from(PathBuf::from("building"));
        let error = other.load_codec(Device::Cpu, &mut Silent).unwrap_err();
        assert_eq!(error.to_string(), "building: no codec there");
    }
}
