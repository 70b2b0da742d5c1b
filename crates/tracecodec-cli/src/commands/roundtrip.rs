//! `roundtrip`: a capture to actions, or to latents, and back.

use std::path::{Path, PathBuf};

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::manifest::ActionCounts;
use tracecodec::compile::Compiler;
use tracecodec::lift::Lifter;
use tracecodec::pcap::Timestamp;

use crate::cli::{LiftArgs, ReadArgs, RealiseArgs};
use crate::input::Input;
use crate::output::{
    CaptureOutput, check_stdout, legalisation_line, legalisations, lift_line, print_summary,
};

/// Take a capture to actions (or latents) and back, in one step.
#[derive(Debug, Args)]
pub(crate) struct Roundtrip {
    /// Capture to read; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Lift and compile only, with nothing learned in between: the output keeps all that the actions hold.
    #[arg(long)]
    oracle: bool,
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
    legalisations: std::collections::BTreeMap<&'static str, u64>,
}

pub(crate) fn run(args: &Roundtrip, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    run_oracle(args, json)
}

/// Actions that go from one thread to the other at once.
const BATCH: usize = 4096;

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
fn run_oracle(args: &Roundtrip, json: bool) -> Result<()> {
    let mut input = Input::open(&args.input, args.read)?;
    let output = CaptureOutput::create(&args.output, args.realise.us)?;
    let mut lifter = Lifter::new(args.lift.slots, OptionProfiles::new());
    let mut compiler = Compiler::new(args.realise.config());
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(IN_FLIGHT);
        let compile = scope.spawn(|| compile_batches(receiver, &mut compiler, output));
        let lift = lift_batches(&mut input, &mut lifter, sender);
        let output = compile.join().expect("compile does not panic")?;
        lift?;
        output.finish()
    })?;
    let counts = lifter.counts();
    let summary = Summary {
        input: name(&args.input),
        output: name(&args.output),
        salt: args.realise.salt.0,
        counts: ActionCounts::from(&counts),
        legalisations: legalisations(compiler.legalisations()),
    };
    let line = format!(
        "{}: {}{}",
        summary.output,
        lift_line(&counts),
        legalisation_line(compiler.legalisations())
    );
    print_summary(json, &summary, &line)
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

fn compile_batches(
    receiver: Receiver<Batch>,
    compiler: &mut Compiler,
    mut output: CaptureOutput,
) -> Result<CaptureOutput> {
    let mut profiles = OptionProfiles::new();
    for batch in receiver {
        profiles = batch.profiles.unwrap_or(profiles);
        if output.packets == 0 {
            compiler.start_at(batch.epoch);
        }
        for action in &batch.actions {
            output.write(&compiler.compile(action, &profiles))?;
        }
    }
    Ok(output)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
