//! Which generator a command uses.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use tracecodec::choice::Choice;
use tracecodec_nn::Device;
use tracecodec_nn::generator::{Method, Solver};
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::model::{GeneratorChoice, Sampling};

use crate::choice::choice;

/// Which generator to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct GeneratorModelArgs {
    /// Folder of a trained generator; without it, or as `built-in`, the small one that is built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Folder of the codec whose latents the generator samples; without it, the one that is built
    /// in.
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
    /// How flow matching is sampled.
    pub(crate) fn sampling(self) -> Sampling {
        Sampling {
            method: self.method,
            solver_steps: self.solver_steps,
            device: self.device,
        }
    }
}

impl GeneratorModelArgs {
    /// The generator, and how it is sampled.
    pub(crate) fn choice(&self) -> GeneratorChoice {
        GeneratorChoice {
            model: self.model.clone().map(ModelName::from).unwrap_or_default(),
            codec: self.codec.clone().map(ModelName::from).unwrap_or_default(),
            sampling: self.solver.sampling(),
        }
    }
}
