//! `generator sequences`: latent sequences of shards.

use std::mem;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::action::float::Tick;
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::sequences::SequencesManifest;
use tracecodec_nn::generator::{Representation, Sequences, SequencesWriter, rows_of_packets};
use tracecodec_nn::latents::RowLabels;
use tracecodec_nn::{Codec, Device};

use crate::dataset::rows::CaptureRows;
use crate::dataset::{DataSet, Part};
use crate::error::Error;
use crate::files::{ReadPolicy, claim};
use crate::model::{ModelName, load_baseline};
use crate::monitor::{Monitor, Parts, Progress};

/// Packets that are encoded between two reports of progress.
const BATCH: usize = 4096;

/// Which shards to encode, by which model, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Folders of shards.
    pub shards: Vec<PathBuf>,
    /// Folder to write.
    pub output: PathBuf,
    /// The codec.
    #[serde(default)]
    pub model: ModelName,
    /// Folder of a trained baseline, instead of a codec: TVAE or TabSyn-VAE.
    #[serde(default)]
    pub baseline: Option<PathBuf>,
    /// Where the codec computes.
    #[serde(default)]
    pub device: Device,
    /// Replace sequences that the folder holds.
    #[serde(default)]
    pub overwrite: bool,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the folder.
    pub output: String,
    /// The model by which packets were encoded.
    pub model: String,
    /// Numbers a packet.
    pub channels: usize,
    /// Sequences, one a shard.
    pub sequences: usize,
    /// Packets of the training split.
    pub training_rows: u64,
    /// Packets of the validation split.
    pub validation_rows: u64,
    /// Packets of the test split.
    pub test_rows: u64,
}

/// Encodes shards to latent sequences. Memory does not grow with the data.
///
/// # Errors
/// If shards or model cannot be read, the folder holds something, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let output = &config.output;
    claim::folder_of(output, Sequences::FILE, "sequences", config.overwrite)?;
    let mut model = Model::load(config, monitor)?;
    let set = DataSet::of_shards(&config.shards)?;
    let parts = Parts::new(monitor, "encoding shards", set.len());
    let mut writer = SequencesWriter::create(output, model.channels()?)?;
    for split in Split::ALL {
        for shard in set.shards(split) {
            writer.begin(split, &shard.name, shard.label.as_deref());
            parts.work(|monitor| model.write(&mut writer, shard, &config.read, monitor))?;
        }
    }
    let manifest = writer.finish(&model.representation()?)?;
    Ok(model.outcome(config, &manifest))
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

impl Model {
    fn load(config: &Config, monitor: &mut dyn Monitor) -> Result<Self, Error> {
        if let Some(folder) = &config.baseline {
            return Ok(Self::Baseline(Box::new(load_baseline(folder, monitor)?)));
        }
        let codec = config.model.load_codec(config.device, monitor)?;
        Ok(Self::Codec(Box::new(CodecModel {
            name: config.model.label(),
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

    fn channels(&self) -> Result<usize, Error> {
        Ok(self.representation()?.channels())
    }

    /// What its rows are, with the option layouts met so far.
    fn representation(&self) -> Result<Representation, Error> {
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

    /// Writes the rows of a shard, encoded by itself.
    fn write(
        &mut self,
        writer: &mut SequencesWriter,
        shard: &Part,
        read: &ReadPolicy,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        match self {
            Self::Codec(model) => model.write(writer, shard, read, monitor),
            Self::Baseline(baseline) => {
                let dictionary = baseline.option_profiles().clone();
                let capture = CaptureRows::read(&shard.path, read, dictionary, monitor)?;
                shard.check(&capture.source)?;
                writer.set_source(&capture.source.blake3);
                for latents in baseline.latents(&capture.rows)? {
                    monitor.step(&Progress::default())?;
                    writer.push(&latents)?;
                }
                Ok(())
            }
        }
    }

    fn outcome(&self, config: &Config, manifest: &SequencesManifest) -> Outcome {
        let rows = |split| manifest.splits.get(&split).map_or(0, |part| part.rows);
        let sequences = manifest.splits.values().map(|part| part.sequences.len());
        Outcome {
            output: config.output.display().to_string(),
            model: self.name(),
            channels: manifest.channels,
            sequences: sequences.sum(),
            training_rows: rows(Split::Train),
            validation_rows: rows(Split::Validation),
            test_rows: rows(Split::Test),
        }
    }
}

impl CodecModel {
    fn write(
        &mut self,
        writer: &mut SequencesWriter,
        shard: &Part,
        read: &ReadPolicy,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let (mut actions, mut labels) = (Vec::new(), RowLabels::default());
        let profiles = mem::take(&mut self.profiles);
        let lifted = shard.lift(
            read,
            self.codec.schema(),
            profiles,
            monitor,
            |action, label| {
                if let Some(label) = label {
                    labels.push(actions.len() as u64, label);
                }
                actions.push(*action);
                Ok(())
            },
        )?;
        self.profiles = lifted.profiles;
        writer.set_source(&lifted.source.blake3);
        writer.set_labels(labels);
        let tick = Tick::of(actions.iter().map(|action| action.delta_t));
        let mut encoder = self.codec.encoder(tick);
        for batch in actions.chunks(BATCH) {
            monitor.step(&Progress::default())?;
            let latents = encoder.encode(batch);
            writer.push(&rows_of_packets(&latents, batch))?;
        }
        Ok(())
    }
}
