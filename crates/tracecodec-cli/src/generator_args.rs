//! Which generator a command uses.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use tracecodec::choice::Choice;
use tracecodec_nn::generator::{Backbone, Generator, Method, Solver};
use tracecodec_nn::model::Kind;
use tracecodec_nn::{Codec, Device};

use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::model::{GeneratorChoice, Sampling};

use crate::choice::choice;
use crate::failure::Hint;

/// Which generator to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct GeneratorModelArgs {
    /// Folder of a trained generator; without it, the small one that is built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Folder of the codec whose latents the generator samples; without it, the one that is built in.
    #[arg(long, value_name = "DIR", requires = "model")]
    codec: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) solver: SolverArgs,
}

/// How flow matching is solved, and where.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SolverArgs {
    /// Method by which flow matching is solved.
    #[arg(long, value_parser = choice::<Method>(), default_value = Method::Midpoint.name())]
    method: Method,
    /// Steps of the method: of one evaluation each with euler, of two with the others.
    #[arg(long, value_name = "N", default_value_t = Solver::default().steps, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    solver_steps: usize,
    /// Where flow matching is sampled. GPUs need a build with the Cargo feature of that name.
    #[arg(long, value_name = "DEVICE", value_parser = choice::<Device>(), default_value_t = Device::Cpu)]
    device: Device,
}

impl SolverArgs {
    /// The solver.
    pub(crate) fn solver(self) -> Solver {
        Solver {
            method: self.method,
            steps: self.solver_steps,
        }
    }

    /// The device.
    pub(crate) fn device(self) -> Device {
        self.device
    }
}

impl GeneratorModelArgs {
    /// The generator, and how it is sampled.
    pub(crate) fn choice(&self) -> GeneratorChoice {
        GeneratorChoice {
            model: self.model.clone().map(ModelName::from).unwrap_or_default(),
            codec: self.codec.clone().map(ModelName::from).unwrap_or_default(),
            sampling: Sampling {
                method: self.solver.method,
                solver_steps: self.solver.solver_steps,
                device: self.solver.device,
            },
        }
    }

    /// Loads the generator.
    pub(crate) fn load(&self) -> Result<Generator> {
        let generator = match &self.model {
            None => Generator::embedded(),
            Some(folder) => {
                let (solver, device) = (self.solver.solver(), self.solver.device());
                load_generator(folder, self.codec.as_deref(), solver, device)?
            }
        };
        match generator {
            Generator::Autoregressive(_) if self.solver.device() != Device::Cpu => {
                Err(Hint::error(
                    "--device is for flow matching",
                    "the autoregressive generator draws on the CPU: leave the option out",
                ))
            }
            generator => Ok(generator),
        }
    }

    /// Its name in summaries.
    pub(crate) fn name(&self) -> String {
        self.model.as_ref().map_or_else(
            || "built in".to_string(),
            |folder| folder.display().to_string(),
        )
    }
}

/// Tells which backbone the generator in a folder has.
///
/// # Errors
/// If there is no generator.
pub(crate) fn backbone(folder: &Path) -> Result<Backbone> {
    if !Kind::Generator.is_in(folder) {
        return Err(Hint::error(
            format!("{}: no generator there", folder.display()),
            "name a folder that `tracecodec generator train` wrote",
        ));
    }
    Ok(Backbone::of(folder)?)
}

/// Loads the generator of packet actions in a folder, and the codec in another or the one that is built in, where it samples latents.
///
/// # Errors
/// If one of them is not there, is damaged, or they do not belong together.
pub(crate) fn load_generator(
    folder: &Path,
    codec: Option<&Path>,
    solver: Solver,
    device: Device,
) -> Result<Generator> {
    backbone(folder)?;
    let codec = || match codec {
        Some(codec) => Codec::load(codec),
        None => Ok(Codec::embedded()),
    };
    Ok(Generator::load(folder, codec, solver)?.with_device(device)?)
}
