//! `generator sequences`: latent sequences of shards.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tracecodec::action::OptionProfiles;
use tracecodec::action::float::Tick;
use tracecodec::artifact::manifest::Split;
use tracecodec::choice::Choice;
use tracecodec::flow::FlowTable;
use tracecodec::lift::Lifter;
use tracecodec_nn::Codec;
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::sequences::SequencesManifest;
use tracecodec_nn::generator::{Representation, SequencesWriter, time_of_step};

use super::SEQUENCES;
use crate::cli::{ModelArgs, ReadArgs};
use crate::commands::baseline::{load_baseline, read_rows};
use crate::failure::Hint;
use crate::input::{Input, progress_bar};
use crate::interrupt;
use crate::output::print_summary;
use crate::shards::{Capture, Shards};

/// Packets that are encoded between two looks at Ctrl-C.
const BATCH: usize = 4096;

/// Write latent sequences: one a shard, one row a packet.
///
/// A row of a codec holds the mean of the packet's posterior, as the encoder gives it, and the time since the packet before; one of a baseline
/// the mean of its latent. Splits and labels are those of the shards. Memory does not grow with the data.
#[derive(Debug, Args)]
pub(crate) struct SequencesArgs {
    /// Folders that `tracecodec shard` wrote.
    #[arg(value_name = "SHARDS", required = true)]
    shards: Vec<PathBuf>,
    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of a trained baseline, instead of a codec: TVAE or TabSyn-VAE.
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    baseline: Option<PathBuf>,

    /// Replace sequences that the folder holds.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    model: String,
    channels: usize,
    sequences: usize,
    training_rows: u64,
    validation_rows: u64,
    test_rows: u64,
}

/// The model whose latents are written.
enum Model {
    Codec(Box<CodecModel>),
    Baseline(Box<Baseline>),
}

/// A codec, and the dictionary of option layouts so far: one serves all shards.
struct CodecModel {
    name: String,
    codec: Codec,
    profiles: OptionProfiles,
}

pub(crate) fn run(args: &SequencesArgs, json: bool) -> Result<()> {
    check_output(&args.output, args.overwrite)?;
    let mut model = Model::load(args)?;
    let folders: Vec<Folder<'_>> = args
        .shards
        .iter()
        .map(Folder::read)
        .collect::<Result<_>>()?;
    let shards = folders.iter().map(Folder::count).sum::<usize>();
    let bar = progress_bar(Some(shards as u64), "shards");
    let mut writer = SequencesWriter::create(&args.output, model.channels()?)?;
    for split in Split::ALL {
        for folder in &folders {
            write(&mut writer, &mut model, folder, split, args.read, &bar)?;
        }
    }
    let manifest = writer.finish(&model.representation()?)?;
    bar.finish_and_clear();
    let summary = summary(args, &model, &manifest);
    let line = format!(
        "{}: {} sequences of {} numbers a packet, by {}: {} packets to train on, {} to validate, {} to test",
        summary.output,
        summary.sequences,
        summary.channels,
        summary.model,
        summary.training_rows,
        summary.validation_rows,
        summary.test_rows
    );
    print_summary(json, &summary, &line)
}

/// Refuses a folder that holds something else, or sequences that are not to be replaced.
fn check_output(output: &Path, overwrite: bool) -> Result<()> {
    let name = output.display();
    let is_empty = fs::read_dir(output).map_or(true, |mut entries| entries.next().is_none());
    let is_ours = output.join(SEQUENCES).exists();
    if is_empty || overwrite && is_ours {
        return Ok(());
    }
    Err(match is_ours {
        true => Hint::error(
            format!("{name}: the folder holds sequences already"),
            "--overwrite replaces them",
        ),
        false => Hint::error(
            format!("{name}: the folder is not empty"),
            "choose a new or an empty folder",
        ),
    })
}

fn summary(args: &SequencesArgs, model: &Model, manifest: &SequencesManifest) -> Summary {
    let rows = |split| manifest.splits.get(&split).map_or(0, |part| part.rows);
    Summary {
        output: args.output.display().to_string(),
        model: model.name(),
        channels: manifest.channels,
        sequences: manifest
            .splits
            .values()
            .map(|part| part.sequences.len())
            .sum(),
        training_rows: rows(Split::Train),
        validation_rows: rows(Split::Validation),
        test_rows: rows(Split::Test),
    }
}

/// A folder of shards.
struct Folder<'a> {
    path: &'a PathBuf,
    shards: Shards<'a>,
}

impl<'a> Folder<'a> {
    fn read(path: &'a PathBuf) -> Result<Self> {
        Ok(Self {
            path,
            shards: Shards::read(&[path])?,
        })
    }

    /// How many shards it holds.
    fn count(&self) -> usize {
        Split::ALL
            .map(|split| self.shards.of(split).len())
            .iter()
            .sum()
    }
}

/// Writes the sequences of a folder's split.
fn write(
    writer: &mut SequencesWriter,
    model: &mut Model,
    folder: &Folder<'_>,
    split: Split,
    read: ReadArgs,
    bar: &ProgressBar,
) -> Result<()> {
    for shard in folder.shards.of(split) {
        interrupt::check()?;
        let name = shard.path.strip_prefix(folder.path).unwrap_or(&shard.path);
        writer.begin(split, &name.display().to_string(), shard.label.as_deref());
        match model {
            Model::Codec(model) => model.write(writer, &shard, read)?,
            Model::Baseline(baseline) => {
                let dictionary = baseline.option_profiles().clone();
                let capture = read_rows(&shard.path, read, dictionary)?;
                shard.check(&capture.source)?;
                writer.push(&baseline.latents(&capture.rows)?)?;
            }
        }
        bar.inc(1);
    }
    Ok(())
}

impl Model {
    fn load(args: &SequencesArgs) -> Result<Self> {
        if let Some(folder) = &args.baseline {
            return Ok(Self::Baseline(Box::new(load_baseline(folder)?)));
        }
        let codec = args.model.load()?;
        Ok(Self::Codec(Box::new(CodecModel {
            name: args.model.name(),
            profiles: codec.option_profiles().clone().thaw(),
            codec,
        })))
    }

    fn name(&self) -> String {
        match self {
            Self::Codec(model) => format!("codec {}", model.name),
            Self::Baseline(baseline) => baseline.model().name().to_string(),
        }
    }

    fn channels(&self) -> Result<usize> {
        Ok(self.representation()?.channels())
    }

    /// What its rows are, with the option layouts met so far.
    fn representation(&self) -> Result<Representation> {
        Ok(match self {
            Self::Codec(model) => Representation::Codec {
                model: model.name.clone(),
                blake3: model.codec.digest(),
                d_latent: model.codec.config().d_latent,
                option_profiles: model.profiles.to_hex(),
            },
            Self::Baseline(baseline) => Representation::Baseline {
                model: baseline.model().name().to_string(),
                blake3: baseline.digest(),
                d_latent: baseline.d_latent()?,
            },
        })
    }
}

impl CodecModel {
    /// Writes the rows of a shard, encoded by itself.
    fn write(
        &mut self,
        writer: &mut SequencesWriter,
        shard: &Capture,
        read: ReadArgs,
    ) -> Result<()> {
        let profiles = std::mem::take(&mut self.profiles);
        let mut lifter = Lifter::new(FlowTable::<()>::MAX_CAPACITY, profiles);
        let mut actions = Vec::new();
        let mut input = Input::quiet(&shard.path, read)?;
        input.for_each(|packet| {
            // Out of scope is no error: such packets have no row.
            actions.extend(lifter.lift(packet));
            Ok(())
        })?;
        shard.check(&input.finish()?)?;
        self.profiles = lifter.into_profiles();
        let mut encoder = self.codec.encoder();
        encoder.set_tick(Tick::of(actions.iter().map(|action| action.delta_t)));
        for batch in actions.chunks(BATCH) {
            interrupt::check()?;
            let latents = encoder.encode(batch);
            let rows = latents.mu.chunks_exact(latents.dim).zip(batch);
            let rows: Vec<f32> = rows
                .flat_map(|(mu, action)| {
                    let time = time_of_step(action.delta_t);
                    mu.iter().copied().chain([time])
                })
                .collect();
            writer.push(&rows)?;
        }
        Ok(())
    }
}
