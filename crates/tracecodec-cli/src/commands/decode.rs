//! `decode`: latents to a capture, or to packet actions.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::ActionsWriter;
use tracecodec::compile::{Compiler, Legalisations};
use tracecodec::lift::LiftCounts;
use tracecodec::pcap::Timestamp;
use tracecodec_nn::latents::{self, LatentManifest, Points};
use tracecodec_nn::{Codec, Constraints, Settled};

use crate::args::{ConstraintArgs, ModelArgs, OutputArg, RealiseArgs};
use crate::failure::Hint;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{
    CaptureOutput, check_distinct, check_file, check_stdout, legalisation_line, manifest_path,
    print_summary,
};
use tracecodec_pipeline::realise::legalisations;

/// Packets that are decoded at once.
const BATCH: usize = 8192;

/// Decode latents to a capture, or to packet actions.
///
/// Reads the tensor `mu` (or `sample`), one row a packet, and the manifest beside the file for the time of the first packet; without a manifest,
/// as where a model of your own made the latents, the trace starts in 1970. An output named .parquet gets the actions; any other
/// name gets a capture.
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Latents to read (safetensors).
    #[arg(value_name = "LATENTS")]
    input: PathBuf,
    /// Decode the tensor `sample`, a draw from each posterior, instead of the means.
    #[arg(long)]
    sample: bool,
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
    let codec = codec.with_constraints(match args.strict {
        true => Constraints::Strict,
        false => args.constraints.constraints(),
    });
    let points = match args.sample {
        true => Points::Sample,
        false => Points::Means,
    };
    let (dim, z) = latents::read_points(&args.input, points)?;
    let manifest = LatentManifest::find(&args.input)?;
    check_latents(args, &codec, (dim, &z), manifest.as_ref())?;
    let trace = Trace {
        codec: &codec,
        z: &z,
        profiles: profiles(args, &codec, manifest.as_ref())?,
        tick: manifest
            .as_ref()
            .map(|manifest| manifest.tick)
            .unwrap_or_default(),
        epoch: Timestamp(manifest.and_then(|manifest| manifest.epoch_ns).unwrap_or(0)),
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
        packets: (z.len() / dim) as u64,
        settled,
        legalisations: legalisations(&changes),
    };
    let line = format!(
        "{}: {} packets{}{}",
        summary.output,
        summary.packets,
        settled_line(settled, summary.packets),
        legalisation_line(&legalisations(&changes))
    );
    print_summary(json, &summary, &line)
}

/// How many packets were made to agree with those before, in words. Where they are many, the trace may not start with them.
fn settled_line(settled: Settled, packets: u64) -> String {
    let flows = match settled.flows {
        0 => String::new(),
        flows if flows > packets / 10 => format!(
            "; {flows} made to agree with the open flows: latents from the middle of a trace need --unconstrained"
        ),
        flows => format!("; {flows} made to agree with the open flows"),
    };
    match settled.acknowledgments {
        0 => flows,
        acknowledgments => {
            format!("{flows}; {acknowledgments} acknowledgments made to agree with what was sent")
        }
    }
}

/// Refuses latents that this codec did not make, as far as can be told.
fn check_latents(
    args: &Decode,
    codec: &Codec,
    (dim, z): (usize, &[f32]),
    manifest: Option<&LatentManifest>,
) -> Result<()> {
    let name = args.input.display();
    let maker = manifest.map_or("unknown", |manifest| &manifest.model);
    let hint = format!("decode with the codec that encoded it: {maker}");
    if manifest.is_some_and(|manifest| manifest.model_blake3 != codec.digest()) {
        return Err(Hint::error(
            format!("{name}: encoded by another codec"),
            hint,
        ));
    }
    let packets = (z.len() / dim) as u64;
    let stated = manifest.and_then(|manifest| manifest.packets);
    if let Some(stated) = stated.filter(|&stated| stated != packets) {
        return Err(Hint::error(
            format!("{name}: {packets} packets, but its manifest tells {stated}"),
            "a part of the latents is a trace of its own: leave the manifest away, and decode with --unconstrained if it starts in the middle",
        ));
    }
    let own = codec.config().d_latent;
    if dim != own {
        return Err(Hint::error(
            format!("{name}: {dim} dimensions, but the codec has {own}"),
            hint,
        ));
    }
    if let Some(at) = z.iter().position(|value| !value.is_finite()) {
        let row = at / dim + 1;
        return Err(Hint::error(
            format!("{name}: row {row} holds a value that is no number"),
            "look for a division by zero, or for training that diverged, in what made the latents",
        ));
    }
    Ok(())
}

/// The dictionary of the latents, which goes on from the codec's.
fn profiles(
    args: &Decode,
    codec: &Codec,
    manifest: Option<&LatentManifest>,
) -> Result<OptionProfiles> {
    let own = codec.option_profiles();
    let Some(manifest) = manifest.filter(|manifest| !manifest.option_profiles.is_empty()) else {
        return Ok(own.clone());
    };
    let name = manifest_path(&args.input);
    let profiles = OptionProfiles::from_hex(&manifest.option_profiles)
        .with_context(|| format!("{}: option_profiles", name.display()))?;
    if profiles.extends(own) {
        return Ok(profiles);
    }
    Err(Hint::error(
        format!(
            "{}: option_profiles do not go on from the codec's",
            name.display()
        ),
        "leave the manifest as `tracecodec encode` wrote it",
    ))
}

/// Latents that become actions again.
struct Trace<'a> {
    codec: &'a Codec,
    z: &'a [f32],
    profiles: OptionProfiles,
    tick: Tick,
    epoch: Timestamp,
}

impl Trace<'_> {
    /// Decodes in batches, and hands over every action. Tells how many were made to agree with those before.
    fn decode(&self, mut each: impl FnMut(&Action) -> Result<()>) -> Result<Settled> {
        let dim = self.codec.config().d_latent;
        let bar = progress_bar(Some((self.z.len() / dim) as u64), "packets");
        let mut decoder = self.codec.decoder(self.tick);
        for batch in self.z.chunks(BATCH * dim) {
            interrupt::check()?;
            for action in decoder.decode(batch) {
                each(&action)?;
            }
            bar.inc((batch.len() / dim) as u64);
        }
        bar.finish_and_clear();
        Ok(decoder.settled())
    }

    fn write_capture(&self, args: &Decode) -> Result<(Legalisations, Settled)> {
        let mut output = CaptureOutput::create(&args.output.output, args.realise.us)?;
        let mut compiler = Compiler::new(args.realise.config()?, self.epoch);
        let settled =
            self.decode(|action| output.write(&compiler.compile(action, &self.profiles)))?;
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
        writer.finish(Some(self.epoch), &self.profiles, &counts)?;
        Ok((Legalisations::default(), settled))
    }
}
