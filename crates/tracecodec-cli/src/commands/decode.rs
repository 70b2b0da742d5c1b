//! `decode`: latents to a capture, or to packet actions.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::artifact::ActionsWriter;
use tracecodec::compile::{Compiler, Legalisations};
use tracecodec::lift::LiftCounts;
use tracecodec_nn::latents::Points;
use tracecodec_nn::{Codec, Constraints, ReadLatents, Settled, StoredLatents};

use crate::args::{ConstraintArgs, ModelArgs, OutputArg, RealiseArgs};
use crate::failure::settings_as_flags;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{
    CaptureOutput, check_distinct, check_file, check_stdout, legalisation_line, print_summary,
};
use tracecodec_pipeline::realise::legalisations;

/// Decode latents to a capture, or to packet actions.
///
/// Reads the tensor `mu` (or `sample`), one row a packet, and the manifest beside the file for the option layouts and the time of the
/// first packet; without a manifest the trace starts in 1970. Latents that a model of your own made have no manifest: --like names
/// others whose manifest to take. Rows of `generator sequences` are latents and the packet's time. An output named .parquet gets the
/// actions; any other name gets a capture.
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Latents to read (safetensors).
    #[arg(value_name = "LATENTS")]
    input: PathBuf,
    /// Decode the tensor `sample`, a draw from each posterior, instead of the means.
    #[arg(long)]
    sample: bool,
    /// Take option layouts, tick and time of the first packet from the manifest of other latents: a file of latents, a manifest, or a
    /// folder of sequences.
    #[arg(long, value_name = "PATH")]
    like: Option<PathBuf>,
    /// The rows are normalised, every channel by its mean and deviation in sequences.json (beside the file or by --like).
    #[arg(long)]
    normalised: bool,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    constraints: ConstraintArgs,
    /// Acknowledge nothing that the peer has not sent, for latents that a generator sampled: the likeliest number is taken that does not.
    /// Captures that miss packets do acknowledge what they do not hold.
    #[arg(long, conflicts_with = "unconstrained")]
    strict: bool,
    #[command(flatten)]
    realise: RealiseArgs,
}

/// The summary of a decoding.
#[derive(Debug, Serialize)]
struct Summary {
    input: String,
    output: String,
    model: String,
    salt: u64,
    packets: u64,
    /// Packets that were made to agree with those before.
    settled: Settled,
    legalisations: BTreeMap<&'static str, u64>,
}

pub(crate) fn run(args: &Decode, json: bool) -> Result<()> {
    let path = &args.output.output;
    check_stdout(json, path)?;
    check_file(&args.input, "latents")?;
    check_distinct(&[&args.input], path)?;
    let codec = args.model.load()?;
    let codec = codec.with_constraints(if args.strict {
        Constraints::Strict
    } else {
        args.constraints.constraints()
    });
    let reading = ReadLatents {
        points: if args.sample {
            Points::Sample
        } else {
            Points::Means
        },
        like: args.like.clone(),
        normalised: args.normalised,
    };
    let trace = Trace {
        latents: StoredLatents::read(&args.input, &reading, &codec)?,
        codec: &codec,
    };
    let (changes, settled) = match path.extension().and_then(OsStr::to_str) {
        Some("parquet") => trace.write_actions(args)?,
        _ => trace.write_capture(args)?,
    };
    let summary = Summary {
        input: args.input.display().to_string(),
        output: path.display().to_string(),
        model: args.model.name().label(),
        salt: args.realise.config()?.salt.0,
        packets: trace.latents.packets(),
        settled,
        legalisations: legalisations(&changes),
    };
    let line = format!(
        "{}: {} packets{}{}",
        summary.output,
        summary.packets,
        settled_line(settled),
        legalisation_line(&legalisations(&changes))
    );
    warn(&trace.latents, settled);
    print_summary(json, &summary, &line)
}

/// How many packets were made to agree with those before, in words.
fn settled_line(settled: Settled) -> String {
    let flows = match settled.flows {
        0 => String::new(),
        flows => format!("; {flows} made to agree with the open flows"),
    };
    match settled.acknowledgments {
        0 => flows,
        acknowledgments => {
            format!("{flows}; {acknowledgments} acknowledgments made to agree with what was sent")
        }
    }
}

/// Warns of latents that do not go together with the codec.
fn warn(latents: &StoredLatents, settled: Settled) {
    if let Some((meaning, hint)) = latents.verdict(settled).explain() {
        eprintln!(
            "warning: {} of {} packets contradict the flows that are open: {meaning}",
            settled.flows,
            latents.packets()
        );
        eprintln!("hint: {}", settings_as_flags(hint));
    }
}

/// Latents that become actions again.
struct Trace<'a> {
    codec: &'a Codec,
    latents: StoredLatents,
}

impl Trace<'_> {
    /// Decodes in batches, and hands over every action. Returns how many were made to agree with those
    /// before.
    fn decode(&self, mut each: impl FnMut(&Action) -> Result<()>) -> Result<Settled> {
        let bar = progress_bar(Some(self.latents.packets()), "packets");
        let settled = self.latents.decode(self.codec, |batch| {
            interrupt::check()?;
            batch.iter().try_for_each(&mut each)?;
            bar.inc(batch.len() as u64);
            Ok(())
        });
        bar.finish_and_clear();
        settled
    }

    fn write_capture(&self, args: &Decode) -> Result<(Legalisations, Settled)> {
        let mut output = CaptureOutput::create(&args.output.output, args.realise.us)?;
        let mut compiler = Compiler::new(args.realise.config()?, self.latents.epoch());
        let profiles = self.latents.option_profiles();
        let settled = self.decode(|action| output.write(&compiler.compile(action, profiles)))?;
        output.finish()?;
        Ok((*compiler.legalisations(), settled))
    }

    fn write_actions(&self, args: &Decode) -> Result<(Legalisations, Settled)> {
        let mut writer = ActionsWriter::create(&args.output.output)?;
        let mut counts = LiftCounts::default();
        let settled = self.decode(|action| {
            counts.lifted.add(action.proto);
            Ok(writer.write(action)?)
        })?;
        counts.packets = counts.actions();
        writer.finish(
            Some(self.latents.epoch()),
            self.latents.option_profiles(),
            &counts,
        )?;
        Ok((Legalisations::default(), settled))
    }
}
