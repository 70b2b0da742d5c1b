//! `lift`: a capture to packet actions.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::{ActionsReader, ActionsWriter, LiftManifest};
use tracecodec::lift::Lifter;
use tracecodec_nn::Codec;

use crate::cli::{LiftArgs, ReadArgs};
use crate::input::Input;
use crate::output::{check_distinct, check_file, lift_line, manifest_path, print_summary};

/// Lift captures to packet actions, as Parquet.
///
/// Several captures are read one after the other as one: flows go on across them. A manifest is written beside the actions.
#[derive(Debug, Args)]
pub(crate) struct Lift {
    /// Captures to read, in order; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    inputs: Vec<PathBuf>,
    /// File to write (Parquet).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Go on from the dictionary of TCP option layouts in this actions file, or of the codec in this folder. Actions that are to be
    /// encoded must go on from the codec's.
    #[arg(long, value_name = "ACTIONS|MODEL")]
    profiles_of: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    lift: LiftArgs,
}

pub(crate) fn run(args: &Lift, json: bool) -> Result<()> {
    let path = &args.output;
    check_file(path, "actions")?;
    let inputs: Vec<_> = args.inputs.iter().map(PathBuf::as_path).collect();
    check_distinct(&inputs, path)?;
    let profiles = match &args.profiles_of {
        Some(model) if model.is_dir() => Codec::load(model)?.option_profiles().clone(),
        Some(actions) => ActionsReader::open(actions)?.profiles().clone(),
        None => OptionProfiles::new(),
    }
    .thaw();
    let mut lifter = Lifter::new(args.lift.slots, profiles);
    let mut writer = ActionsWriter::create(path)?;
    let mut sources = Vec::new();
    for capture in &args.inputs {
        let mut input = Input::open(capture, args.read)?;
        input.for_each(|packet| {
            // Out of scope is no error: lift counts it.
            lifter
                .lift(packet)
                .map_or(Ok(()), |action| Ok(writer.write(&action)?))
        })?;
        sources.push(input.finish()?);
    }
    let counts = lifter.counts();
    writer.finish(lifter.epoch(), lifter.profiles(), &counts)?;
    let manifest = LiftManifest::new(
        path,
        args.lift.slots as u64,
        sources,
        lifter.epoch().map(|epoch| epoch.0),
        &counts,
        lifter.profiles(),
    )?;
    manifest.write(manifest_path(path))?;
    print_summary(
        json,
        &manifest,
        &format!("{}: {}", path.display(), lift_line(&counts)),
    )
}
