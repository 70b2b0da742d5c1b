//! `roundtrip`: a capture to actions, or to latents, and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::ActionCounts;
use tracecodec::compile::{CompileConfig, Compiler, Legalisations};
use tracecodec::lift::Lifter;
use tracecodec::pcap::Timestamp;
use tracecodec_nn::codec::{
    CodecEntropy, Fidelity, RateMeter, RefinementGain, TraceDecoder, TraceEncoder,
};
use tracecodec_nn::{Codec, RefineConfig};

use crate::cli::{ConstraintArgs, LiftArgs, ModelArgs, ReadArgs, RealiseArgs, RefineArgs};
use crate::folder;
use crate::input::Input;
use crate::output::{CaptureOutput, entropy_part, legalisation_line, lift_line};
use tracecodec_pipeline::realise::legalisations;

/// Take a capture to actions (or latents) and back, in one step.
///
/// From a folder, every capture in it is taken, by itself, to a file of the same name in a new folder; `tracecodec evaluate` compares the two.
#[derive(Debug, Args)]
pub(crate) struct Roundtrip {
    /// Capture to read, or a folder of captures; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write, or a folder; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Lift and compile only, with nothing learned in between: the output keeps all that the actions hold.
    #[arg(long, conflicts_with_all = ["model", "device"])]
    oracle: bool,
    /// Tell what the packets cost without a model of the traffic, too: takes about 200 bytes of memory a packet.
    #[arg(long, conflicts_with = "oracle")]
    entropy: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    refine: RefineArgs,
    #[command(flatten)]
    constraints: ConstraintArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    lift: LiftArgs,
    #[command(flatten)]
    realise: RealiseArgs,
}

/// The summary of a round trip.
#[derive(Debug, Serialize)]
struct Summary {
    input: String,
    output: String,
    salt: u64,
    #[serde(flatten)]
    counts: ActionCounts,
    legalisations: BTreeMap<&'static str, u64>,
    /// What the codec did; none for the oracle.
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<Fidelity>,
}

pub(crate) fn run(args: &Roundtrip, json: bool) -> Result<()> {
    let codec = (!args.oracle).then(|| args.model.load()).transpose()?;
    let codec = codec.map(|codec| codec.with_constraints(args.constraints.constraints()));
    let take = |input: &Path, output: &Path| match &codec {
        Some(codec) => run_model(args, codec, input, output),
        None => run_oracle(args, input, output),
    };
    folder::take_each(&args.input, &args.output, json, take)
}

/// Actions that go from one thread to the other at once.
const BATCH: usize = 4096;

/// Actions that pass through the codec at once. Refinement works on those of them that need it side by side.
const MODEL_BATCH: usize = 16_384;

/// Batches on their way between the threads.
const IN_FLIGHT: usize = 4;

/// Actions in order.
struct Batch {
    actions: Vec<Action>,
    /// Time of the trace's first action.
    epoch: Timestamp,
    /// The dictionary, where it grew since the batch before.
    profiles: Option<OptionProfiles>,
}

/// Lifts on one thread and compiles on another: memory does not grow with the capture, and the output is that of one thread.
fn run_oracle(args: &Roundtrip, input: &Path, output: &Path) -> Result<(Summary, String)> {
    let (input_name, output_name) = (name(input), name(output));
    let mut input = Input::open(input, args.read)?;
    let output = CaptureOutput::create(output, args.realise.us)?;
    let mut lifter = Lifter::new(args.lift.slots, OptionProfiles::new());
    let config = args.realise.config()?;
    let changes = thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(IN_FLIGHT);
        let compile = scope.spawn(|| compile_batches(receiver, config, output));
        let lift = lift_batches(&mut input, &mut lifter, sender);
        let (output, changes) = compile.join().expect("compile does not panic")?;
        lift?;
        output.finish()?;
        anyhow::Ok(changes)
    })?;
    let counts = lifter.counts();
    let summary = Summary {
        input: input_name,
        output: output_name,
        salt: args.realise.config()?.salt.0,
        counts: ActionCounts::from(&counts),
        legalisations: legalisations(&changes),
        codec: None,
    };
    let line = format!(
        "{}: {}{}",
        summary.output,
        lift_line(&counts),
        legalisation_line(&legalisations(&changes))
    );
    Ok((summary, line))
}

/// Lifts all of the input. Stops early, without an error of its own, if the other end has.
fn lift_batches(input: &mut Input, lifter: &mut Lifter, sender: SyncSender<Batch>) -> Result<()> {
    let mut known = 0;
    let mut send = |actions: &mut Vec<Action>, lifter: &Lifter| {
        let actions = std::mem::replace(actions, Vec::with_capacity(BATCH));
        let profiles = lifter.profiles();
        let grew = profiles.count() > known;
        known = profiles.count();
        let epoch = lifter.epoch().unwrap_or_default();
        let batch = Batch {
            actions,
            epoch,
            profiles: grew.then(|| profiles.clone()),
        };
        sender.send(batch).map_err(|_| anyhow!("the output failed"))
    };
    let mut actions = Vec::with_capacity(BATCH);
    input.for_each(|packet| {
        if let Ok(action) = lifter.lift(packet) {
            actions.push(action);
        }
        if actions.len() == BATCH {
            send(&mut actions, lifter)
        } else {
            Ok(())
        }
    })?;
    send(&mut actions, lifter)
}

/// Compiles all batches; also tells what had to be changed to keep packets legal.
fn compile_batches(
    receiver: Receiver<Batch>,
    config: CompileConfig,
    mut output: CaptureOutput,
) -> Result<(CaptureOutput, Legalisations)> {
    let mut compiler = None;
    let mut profiles = OptionProfiles::new();
    for batch in receiver {
        profiles = batch.profiles.unwrap_or(profiles);
        let compiler = compiler.get_or_insert_with(|| Compiler::new(config, batch.epoch));
        for action in &batch.actions {
            output.write(&compiler.compile(action, &profiles))?;
        }
    }
    let changes = compiler.map_or_else(Default::default, |compiler| *compiler.legalisations());
    Ok((output, changes))
}

/// Lifts, encodes, decodes the means and compiles, batch by batch.
fn run_model(
    args: &Roundtrip,
    codec: &Codec,
    input: &Path,
    output: &Path,
) -> Result<(Summary, String)> {
    let (input_name, output_name) = (name(input), name(output));
    let mut input = Input::open(input, args.read)?;
    let mut lifter = args.lift.lifter_for(codec);
    let mut learned = Learned {
        codec,
        config: args.realise.config()?,
        stages: None,
        output: CaptureOutput::create(output, args.realise.us)?,
        refine: !args.refine.no_refine,
        entropy: args.entropy.then(|| CodecEntropy::new(codec)),
        tally: RateMeter::new(codec),
        before: RateMeter::new(codec),
        moved: 0,
        left: 0,
    };
    let mut actions = Vec::with_capacity(MODEL_BATCH);
    input.for_each(|packet| {
        if let Ok(action) = lifter.lift(packet) {
            actions.push(action);
        }
        if actions.len() == MODEL_BATCH {
            learned.take(&mut actions, &lifter)
        } else {
            Ok(())
        }
    })?;
    learned.take(&mut actions, &lifter)?;
    let Learned {
        stages,
        output,
        refine,
        entropy,
        tally,
        before,
        moved,
        left,
        ..
    } = learned;
    let Stages {
        encoder,
        decoder,
        compiler,
    } = stages.expect("the last batch was taken, even if it was empty");
    output.finish()?;
    let counts = lifter.counts();
    let fidelity = Fidelity {
        model: args.model.name().label(),
        rates: tally.rates(),
        settled: if refine {
            encoder.settled()
        } else {
            decoder.settled()
        },
        entropy: entropy.as_ref().map(CodecEntropy::nats),
        refinement: refine.then(|| RefinementGain {
            moved,
            left,
            before: before.rates(),
        }),
    };
    let refinement = if refine {
        format!("; {moved} refined, {left} still wrong")
    } else {
        String::new()
    };
    let line = format!(
        "{}: {}; accuracy {:.3} %, whole packets {:.2} %, {:.0} nats a packet{}{refinement}{}",
        output_name,
        lift_line(&counts),
        100.0 * fidelity.rates.action_accuracy,
        100.0 * fidelity.rates.exact_packets,
        fidelity.rates.kl_nats,
        fidelity.entropy.map_or_else(String::new, entropy_part),
        legalisation_line(&legalisations(compiler.legalisations()))
    );
    let summary = Summary {
        input: input_name,
        output: output_name,
        salt: args.realise.config()?.salt.0,
        counts: ActionCounts::from(&counts),
        legalisations: legalisations(compiler.legalisations()),
        codec: Some(fidelity),
    };
    Ok((summary, line))
}

/// The way of a batch through the codec, and what is measured on it.
struct Learned<'a> {
    codec: &'a Codec,
    config: CompileConfig,
    /// Start with the first batch, which has the trace's tick and epoch.
    stages: Option<Stages<'a>>,
    output: CaptureOutput,
    refine: bool,
    entropy: Option<CodecEntropy>,
    tally: RateMeter,
    /// The same of the encoder's means, where they are refined.
    before: RateMeter,
    moved: u64,
    left: u64,
}

/// What keeps the state of a trace.
struct Stages<'a> {
    encoder: TraceEncoder<'a>,
    decoder: TraceDecoder<'a>,
    compiler: Compiler,
}

impl<'a> Stages<'a> {
    fn new(codec: &'a Codec, tick: Tick, config: CompileConfig, epoch: Timestamp) -> Self {
        Self {
            encoder: codec.encoder(tick),
            decoder: codec.decoder(tick),
            compiler: Compiler::new(config, epoch),
        }
    }
}

impl Learned<'_> {
    fn take(&mut self, actions: &mut Vec<Action>, lifter: &Lifter) -> Result<()> {
        if let Some(entropy) = &mut self.entropy {
            entropy.add(actions);
        }
        let stages = self.stages.get_or_insert_with(|| {
            let tick = Tick::of(actions.iter().map(|action| action.delta_t));
            let epoch = lifter.epoch().unwrap_or_default();
            Stages::new(self.codec, tick, self.config, epoch)
        });
        let decoded = if self.refine {
            let refined = stages
                .encoder
                .encode_refined(actions, RefineConfig::default());
            self.tally
                .add(actions, &refined.decoded, refined.latents.kl());
            self.before.add(actions, &refined.before, refined.kl_before);
            self.moved += refined.moved;
            self.left += refined.left;
            refined.decoded
        } else {
            let latents = stages.encoder.encode(actions);
            let decoded = stages.decoder.decode(&latents.mu);
            self.tally.add(actions, &decoded, latents.kl());
            decoded
        };
        actions.clear();
        decoded.iter().try_for_each(|action| {
            let packet = stages.compiler.compile(action, lifter.profiles());
            self.output.write(&packet)
        })
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
