//! `encode`: packets to latents.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, SCHEMA_VERSION};
use tracecodec::artifact::{ActionCounts, ActionsReader, TOOL};
use tracecodec::output::FileKind;
use tracecodec_nn::codec::CodecEntropy;
use tracecodec_nn::latents::{self, LatentManifest, Refinement};
use tracecodec_nn::{Codec, Latents, RefineConfig};

use crate::args::{LiftArgs, ModelArgs, ReadArgs, RefineArgs};
use crate::failure::Hint;
use crate::input::{Input, progress_bar};
use crate::output::{check_distinct, check_file, check_name, entropy_part, print_summary};

/// Packets that are encoded at once.
const BATCH: usize = 8192;

/// Encode packets to latents, as safetensors.
///
/// The file holds the tensors `mu` and `log_var`, one row a packet, and with --sample a draw from each posterior; a manifest is
/// written beside it. Latents are kept in memory until they are written: about 512 bytes a packet.
#[derive(Debug, Args)]
pub(crate) struct Encode {
    /// Capture, or actions (.parquet) that were lifted with --profiles-of this codec; - is a capture on stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write (safetensors).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Write a draw from each posterior too, as the tensor `sample`, with noise from this seed.
    #[arg(long, value_name = "SEED")]
    sample: Option<u64>,
    /// Tell what the packets cost without a model of the traffic, too: takes about 200 bytes of memory a packet.
    #[arg(long)]
    entropy: bool,
    #[command(flatten)]
    refine: RefineArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    lift: LiftArgs,
}

pub(crate) fn run(args: &Encode, json: bool) -> Result<()> {
    let path = &args.output;
    check_file(path, "latents")?;
    check_name(path, FileKind::Latents)?;
    check_distinct(&[&args.input], path)?;
    let codec = args.model.load()?;
    let mut manifest = LatentManifest {
        format: LatentManifest::FORMAT.to_string(),
        version: LatentManifest::VERSION,
        tool: TOOL.to_string(),
        schema_version: SCHEMA_VERSION,
        file: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        model: args.model.name().label(),
        model_blake3: codec.digest(),
        packets: None,
        dim: Some(codec.config().d_latent),
        kl_nats: None,
        entropy: None,
        refined: None,
        sample_seed: args.sample,
        epoch_ns: None,
        tick: Tick::default(),
        sources: Vec::new(),
        counts: None,
        option_profiles: Vec::new(),
    };
    let actions = match args.input.extension().and_then(OsStr::to_str) {
        Some("parquet") => read_actions(args, &codec, &mut manifest)?,
        _ => lift(args, &codec, &mut manifest)?,
    };
    let encoded = encode(&codec, &actions, args.refine, &mut manifest);
    manifest.packets = Some(actions.len() as u64);
    manifest.kl_nats = Some(encoded.kl());
    manifest.entropy = args.entropy.then(|| {
        let mut entropy = CodecEntropy::new(&codec);
        entropy.add(&actions);
        entropy.nats()
    });
    let sample = args.sample.map(|seed| encoded.sample(seed));
    latents::write(path, &encoded, sample.as_deref())?;
    manifest.write(path)?;
    let line = format!(
        "{}: {} packets, {} dimensions, {:.1} nats a packet{}{}",
        path.display(),
        actions.len(),
        encoded.dim,
        encoded.kl(),
        manifest.entropy.map_or_else(String::new, entropy_part),
        manifest.refined.map_or_else(String::new, |refined| format!(
            "; {} refined, {} still wrong",
            refined.moved, refined.left
        ))
    );
    print_summary(json, &manifest, &line)
}

/// Encodes in batches, with progress.
fn encode(
    codec: &Codec,
    actions: &[Action],
    refine: RefineArgs,
    manifest: &mut LatentManifest,
) -> Latents {
    let bar = progress_bar(Some(actions.len() as u64), "packets");
    let mut all = Latents::new(codec.config().d_latent);
    let mut counts = Refinement::default();
    manifest.tick = Tick::of(actions.iter().map(|action| action.delta_t));
    let mut encoder = codec.encoder(manifest.tick);
    for batch in actions.chunks(BATCH) {
        let latents = if refine.no_refine {
            encoder.encode(batch)
        } else {
            let refined = encoder.encode_refined(batch, RefineConfig::default());
            counts.moved += refined.moved;
            counts.left += refined.left;
            refined.latents
        };
        all.mu.extend(latents.mu);
        all.log_var.extend(latents.log_var);
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    manifest.refined = (!refine.no_refine).then_some(counts);
    all
}

fn lift(args: &Encode, codec: &Codec, manifest: &mut LatentManifest) -> Result<Vec<Action>> {
    let mut lifter = args.lift.lifter_for(codec);
    let mut actions = Vec::new();
    let mut input = Input::open(&args.input, args.read)?;
    input.for_each(|packet| {
        actions.extend(lifter.lift(packet));
        Ok(())
    })?;
    manifest.epoch_ns = lifter.epoch().map(|epoch| epoch.0);
    manifest.option_profiles = lifter.profiles().to_hex();
    manifest.counts = Some(ActionCounts::from(&lifter.counts()));
    manifest.sources.push(input.finish()?);
    Ok(actions)
}

fn read_actions(
    args: &Encode,
    codec: &Codec,
    manifest: &mut LatentManifest,
) -> Result<Vec<Action>> {
    let reader = ActionsReader::open(&args.input)?;
    if !reader.profiles().extends(codec.option_profiles()) {
        return Err(Hint::error(
            format!(
                "{}: its TCP option dictionary does not go on from the codec's",
                args.input.display()
            ),
            "encode the capture itself, or lift it with --profiles-of MODEL",
        ));
    }
    manifest.epoch_ns = reader.epoch().map(|epoch| epoch.0);
    manifest.option_profiles = reader.profiles().to_hex();
    Ok(reader.collect::<Result<_, _>>()?)
}
