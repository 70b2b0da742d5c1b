//! The command line, as data: help, completions and the manual page derive from it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

use tracecodec::compile::{CompileConfig, Link};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec_nn::{Codec, Constraints, Device};
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::files::ReadPolicy;
use tracecodec_pipeline::lifting::Lifting;
use tracecodec_pipeline::realise::{Realise, SaltChoice};

use crate::choice::choice;
use crate::commands;

/// A codec for packet traces: captures to packet actions to latents, and back.
///
/// A capture is lifted to timed packet actions (which flow, which event, how long, how much acknowledged, when). A neural codec maps
/// each action to a continuous latent and back. A deterministic compiler lowers actions to a legal, state-consistent capture with
/// synthetic endpoints: no address, port, payload or sequence number of the original survives.
#[derive(Debug, Parser)]
#[command(
    name = "tracecodec",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 good, 1 a finding (verify, check, events --analyzer both), 2 failure.\nCaptures may be pcap or pcapng, plain, .gz or .zst; - is stdin or stdout."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print the summary as JSON on stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order of the data's way. What each does is told with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(commands::inspect::Inspect),
    Events(commands::events::Events),
    Shard(commands::shard::Shard),
    Lift(commands::lift::Lift),
    Compile(commands::compile::Compile),
    Train(commands::train::Train),
    Encode(commands::encode::Encode),
    Decode(commands::decode::Decode),
    Roundtrip(commands::roundtrip::Roundtrip),
    Probe(commands::probe::Probe),
    Baseline(commands::baseline::BaselineArgs),
    Generator(commands::generator::GeneratorArgs),
    Generate(commands::generate::Generate),
    Verify(commands::verify::Verify),
    Evaluate(commands::evaluate::Evaluate),
    Merge(commands::merge::Merge),
    Check(commands::check::Check),
    Report(commands::report::Report),
    Completions(commands::completions::Completions),
    Man(commands::completions::Man),
}

/// How captures are read.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ReadArgs {
    /// Keep what comes before damage in a capture, with a warning, instead of failing.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Order packets by time first; those of one time keep their order. Keeps the whole capture in memory.
    #[arg(long)]
    pub(crate) sort: bool,
}

impl ReadArgs {
    /// How captures are read.
    pub(crate) fn policy(self) -> ReadPolicy {
        ReadPolicy {
            lenient: self.lenient,
            sort: self.sort,
        }
    }
}

/// How many captures are worked on at once.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JobsArg {
    /// Captures at once; 0, the default: as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) jobs: usize,
}

/// How packets are lifted.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LiftArgs {
    /// Slots for live flows; when all are taken, the flow that was silent longest loses its slot.
    #[arg(long, value_name = "N", default_value_t = MAX_SLOTS, value_parser = slots)]
    pub(crate) slots: usize,
}

impl LiftArgs {
    /// How packets are lifted.
    pub(crate) fn lifting(self) -> Lifting {
        Lifting { slots: self.slots }
    }

    /// A lifter for a codec: layouts of TCP options that its dictionary lacks get numbers after its own.
    pub(crate) fn lifter_for(self, codec: &Codec) -> Lifter {
        Lifter::new(self.slots, codec.option_profiles().clone().thaw())
    }
}

fn slots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(slots @ 1..=MAX_SLOTS) => Ok(slots),
        _ => Err(format!("slots number from 1 to {}", MAX_SLOTS)),
    }
}

/// How actions are realised as packets.
#[derive(Debug, Clone, Args)]
pub(crate) struct RealiseArgs {
    /// Chooses the synthetic endpoints: a number, or `random` for a new one each run.
    #[arg(long, value_name = "N|random", default_value = "0", value_parser = salt)]
    pub(crate) salt: SaltChoice,
    /// Write headers only; lengths on the wire stay.
    #[arg(long)]
    pub(crate) truncate: bool,
    /// Link layer of the output.
    #[arg(long, value_enum, default_value_t = LinkArg::Ethernet)]
    pub(crate) link: LinkArg,
    /// Write microseconds instead of nanoseconds (pcap only), for old tools.
    #[arg(long)]
    pub(crate) us: bool,
}

/// Link layers of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkArg {
    /// Ethernet with locally administered addresses.
    Ethernet,
    /// IP without a link layer.
    Raw,
}

/// A random salt is drawn at once, so that every part of a command has the same.
fn salt(text: &str) -> Result<SaltChoice, String> {
    let salt = text.parse::<SaltChoice>()?.draw();
    salt.map(|salt| SaltChoice::Number(salt.0))
        .map_err(|error| error.to_string())
}

impl RealiseArgs {
    /// The compiler's configuration.
    pub(crate) fn config(&self) -> Result<CompileConfig, tracecodec_pipeline::Error> {
        self.realise().config()
    }

    /// How actions are realised.
    pub(crate) fn realise(&self) -> Realise {
        Realise {
            salt: self.salt,
            truncate: self.truncate,
            link: self.link(),
            microseconds: self.us,
        }
    }

    fn link(&self) -> Link {
        match self.link {
            LinkArg::Ethernet => Link::Ethernet,
            LinkArg::Raw => Link::RawIp,
        }
    }
}

/// Which codec to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgs {
    /// Folder of a trained codec; without it, or as `built-in`, the small one that is built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
}

impl ModelArgs {
    /// Loads the codec.
    pub(crate) fn load(&self) -> Result<Codec, tracecodec_pipeline::Error> {
        self.name().load_codec(self.device.device())
    }

    /// Its name.
    pub(crate) fn name(&self) -> ModelName {
        self.model.clone().map(ModelName::from).unwrap_or_default()
    }
}

/// Where a network computes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DeviceArg {
    /// Where the network computes. GPUs need a build with the Cargo feature of that name.
    #[arg(long, value_name = "DEVICE", value_parser = choice::<Device>(), default_value_t = Device::Cpu)]
    device: Device,
}

impl DeviceArg {
    /// The device.
    pub(crate) fn device(self) -> Device {
        self.device
    }
}

/// How packets are encoded.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RefineArgs {
    /// Take the encoder's means as they are. By default a mean that does not decode to its packet is moved until it does.
    #[arg(long)]
    pub(crate) no_refine: bool,
}

/// How latents are decoded.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConstraintArgs {
    /// Take packets as they decode, whether their flows are open or not. By default the likeliest packet is taken that agrees with the
    /// flows that are open; latents that start in the middle of a trace need this option.
    #[arg(long)]
    pub(crate) unconstrained: bool,
}

impl ConstraintArgs {
    /// What decoded packets agree with.
    pub(crate) fn constraints(self) -> Constraints {
        match self.unconstrained {
            true => Constraints::None,
            false => Constraints::Flows,
        }
    }
}

/// A file to write, or `-` for stdout.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArg {
    /// File to write; - is stdout. The name tells format and compression.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
