//! `encode`: packets to latents.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, ActionSchema};
use tracecodec::artifact::{ActionCounts, ActionsReader, Labels, TOOL};
use tracecodec::output::FileKind;
use tracecodec::pcap::Label;
use tracecodec_nn::codec::CodecEntropy;
use tracecodec_nn::latents::{LatentManifest, Refinement, RowLabels, Sampler, Writer};
use tracecodec_nn::{Codec, Device, RefineConfig};

use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim};
use crate::lifting::Lifting;
use crate::model::ModelName;
use crate::monitor::{Monitor, Progress};
use crate::settings;

/// Packets that are encoded at once; even, so that draws do not depend on it.
const BATCH: usize = 8192;

/// What to encode, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Capture, or actions (Parquet) whose dictionary of option layouts continues the codec's; `-`
    /// is a capture on stdin.
    pub input: PathBuf,
    /// Latents to write (safetensors). A manifest is written beside them.
    pub output: PathBuf,
    /// The codec.
    #[serde(default)]
    pub model: ModelName,
    /// Where the codec computes.
    #[serde(default)]
    pub device: Device,
    /// Threads on the CPU; `None`: as many as there are cores. The result does not depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Seed of the noise of a draw from each posterior, which is written, too; `None`: no draw.
    #[serde(default)]
    pub sample: Option<u64>,
    /// Measure what the packets cost without a model of the traffic, too: about 200 bytes of memory
    /// a packet.
    #[serde(default)]
    pub entropy: bool,
    /// If an encoder's mean does not decode to its packet, move it until it does.
    #[serde(default = "settings::yes")]
    pub refine: bool,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// How packets are lifted.
    #[serde(flatten)]
    pub lift: Lifting,
    /// What of the captures is disclosed.
    #[serde(flatten)]
    pub disclosure: Disclosure,
}

impl Config {
    /// The default settings.
    pub fn new(input: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            model: ModelName::default(),
            device: Device::default(),
            threads: None,
            sample: None,
            entropy: false,
            refine: true,
            read: ReadPolicy::default(),
            lift: Lifting::default(),
            disclosure: Disclosure::default(),
        }
    }
}

/// What was encoded: the manifest beside the latents.
pub type Outcome = LatentManifest;

/// Encodes packets to latents. The actions are kept in memory, the latents are written as they are
/// made.
///
/// # Errors
/// If the codec or the input cannot be read, the actions do not belong to the codec, the latents
/// cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let path = &config.output;
    config.lift.check()?;
    claim::named_file(path, "latents")?;
    claim::named_as(path, FileKind::Latents)?;
    claim::distinct(&[&config.input], path)?;
    let codec = config
        .model
        .load_codec_on(config.device, config.threads, monitor)?;
    let mut manifest = config.manifest(&codec)?;
    let is_actions = FileKind::of_name(&config.input) == Some(FileKind::Actions);
    let actions = if is_actions {
        read_actions(config, &codec, &mut manifest)?
    } else {
        lift(config, &codec, &mut manifest, monitor)?
    };
    encode(config, &codec, &actions, &mut manifest, monitor)?;
    manifest.write(path)?;
    Ok(manifest)
}

impl Config {
    fn manifest(&self, codec: &Codec) -> Result<LatentManifest, Error> {
        let file = self.output.file_name();
        Ok(LatentManifest {
            format: LatentManifest::FORMAT.to_string(),
            version: LatentManifest::VERSION,
            tool: TOOL.to_string(),
            schema: self.lift.kept_for(codec)?,
            file: file
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            model: self.model.label(),
            model_blake3: codec.digest(),
            packets: None,
            dim: Some(codec.config().d_latent),
            kl_nats: None,
            entropy: None,
            refined: None,
            sample_seed: self.sample,
            epoch_ns: None,
            tick: Tick::default(),
            sources: Vec::new(),
            counts: None,
            labels: RowLabels::default(),
            option_profiles: Vec::new(),
        })
    }
}

/// Encodes in batches, and writes the latents.
fn encode(
    config: &Config,
    codec: &Codec,
    actions: &[Action],
    manifest: &mut LatentManifest,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let dim = codec.config().d_latent;
    let mut sampler = config.sample.map(Sampler::new);
    let mut writer = Writer::create(&config.output, actions.len(), dim, sampler.is_some())?;
    let (mut done, mut divergence) = (0, 0.0);
    let mut counts = Refinement::default();
    manifest.tick = Tick::of(actions.iter().map(|action| action.delta_t));
    let mut encoder = codec.encoder(manifest.tick);
    let mut entropy = config.entropy.then(|| CodecEntropy::new(codec));
    for batch in actions.chunks(BATCH) {
        let progress = Progress {
            stage: "encoding",
            done,
            total: Some(actions.len() as u64),
            detail: "packets",
        };
        monitor.step(&progress)?;
        if let Some(entropy) = &mut entropy {
            entropy.add(batch);
        }
        let latents = if config.refine {
            let refined = encoder.encode_refined(
                batch,
                RefineConfig::default(),
                &mut monitor.asks(&progress),
            )?;
            counts.moved += refined.moved;
            counts.left += refined.left;
            refined.latents
        } else {
            encoder.encode(batch)
        };
        let sample = sampler.as_mut().map(|sampler| sampler.sample(&latents));
        writer.write(&latents, sample.as_deref())?;
        divergence = latents.divergence_after(divergence);
        done += batch.len() as u64;
    }
    writer.finish()?;
    manifest.packets = Some(done);
    manifest.kl_nats = Some(divergence / done.max(1) as f64);
    manifest.refined = config.refine.then_some(counts);
    manifest.entropy = entropy.as_ref().map(CodecEntropy::nats);
    Ok(())
}

fn lift(
    config: &Config,
    codec: &Codec,
    manifest: &mut LatentManifest,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Action>, Error> {
    let mut lifter = config.lift.lifter_for(codec)?;
    let mut actions = Vec::new();
    let mut capture = Capture::open(&config.input, &config.read)?;
    capture.for_each(monitor, |packet| {
        if let Ok(action) = lifter.lift(packet) {
            if let Some(label) = Label::of_comment(packet.comment) {
                manifest.labels.push(actions.len() as u64, label);
            }
            actions.push(action);
        }
        Ok(())
    })?;
    let epoch = config.disclosure.epoch(lifter.epoch());
    manifest.epoch_ns = epoch.map(|epoch| epoch.0);
    manifest.option_profiles = lifter.profiles().to_hex();
    let counts = lifter.counts();
    config.lift.warn(&counts, monitor);
    manifest.counts = Some(ActionCounts::from(&counts));
    manifest.sources = config.disclosure.sources(vec![capture.finish(monitor)?]);
    Ok(actions)
}

fn read_actions(
    config: &Config,
    codec: &Codec,
    manifest: &mut LatentManifest,
) -> Result<Vec<Action>, Error> {
    let reader = ActionsReader::open(&config.input)?;
    if !reader.profiles().extends(codec.option_profiles()) {
        return Err(Error::refused(
            format!(
                "{}: its TCP option dictionary does not continue the codec's",
                config.input.display()
            ),
            "encode the capture itself, or lift it with the codec as `profiles_of`",
        ));
    }
    let (found, carried) = (reader.schema(), codec.config().schema_version);
    if found.version > carried {
        return Err(Error::refused(
            format!(
                "{}: actions of schema version {}, but the codec carries version {carried}",
                config.input.display(),
                found.version
            ),
            "lift the capture with that version as `schema`, or encode the capture itself",
        ));
    }
    manifest.schema = ActionSchema {
        version: carried,
        ..found
    };
    let epoch = config.disclosure.epoch(reader.epoch());
    manifest.epoch_ns = epoch.map(|epoch| epoch.0);
    manifest.option_profiles = reader.profiles().to_hex();
    if let Some(mut labels) = Labels::open(&config.input)? {
        for row in 0..reader.rows() {
            if let Some(label) = labels.next_label()? {
                manifest.labels.push(row, label.as_label());
            }
        }
    }
    Ok(reader.collect::<Result<_, _>>()?)
}
