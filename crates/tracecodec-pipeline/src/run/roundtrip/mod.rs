//! `roundtrip`: captures to actions, or to latents, and back.

mod labels;
mod learned;
mod oracle;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::artifact::TOOL;
use tracecodec::artifact::document::digest;
use tracecodec::artifact::{ActionCounts, SourceEntry};
use tracecodec::compile::SplitCounts;
use tracecodec::lift::LiftCounts;
use tracecodec_nn::codec::Fidelity;
use tracecodec_nn::{Codec, Constraints, Device};

use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::folder::{self, Names, Outcomes};
use crate::files::{ReadPolicy, document};
use crate::lifting::Lifting;
use crate::model::ModelName;
use crate::monitor::Monitor;
use crate::realise::{Realise, Realised};
use crate::settings;

/// What to take through a codec and back, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Capture, or a folder of captures; `-` is stdin.
    pub input: PathBuf,
    /// Capture to write, or a new folder; `-` is stdout.
    pub output: PathBuf,
    /// Lift and compile only, with nothing learned in between.
    #[serde(default)]
    pub oracle: bool,
    /// Measure what the packets cost without a model of the traffic, too: about 200 bytes of memory
    /// a packet.
    #[serde(default)]
    pub entropy: bool,
    /// The codec.
    #[serde(default)]
    pub model: ModelName,
    /// Where the codec computes.
    #[serde(default)]
    pub device: Device,
    /// Threads on the CPU; `None`: as many as there are cores. The result does not depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// If an encoder's mean does not decode to its packet, move it until it does.
    #[serde(default = "settings::yes")]
    pub refine: bool,
    /// Take packets as they decode, whether their flows are open or not.
    #[serde(default)]
    pub unconstrained: bool,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// How packets are lifted.
    #[serde(flatten)]
    pub lift: Lifting,
    /// How actions are realised.
    #[serde(flatten)]
    pub realise: Realise,
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
            oracle: false,
            entropy: false,
            model: ModelName::default(),
            device: Device::default(),
            threads: None,
            refine: true,
            unconstrained: false,
            read: ReadPolicy::default(),
            lift: Lifting::default(),
            realise: Realise::default(),
            disclosure: Disclosure::default(),
        }
    }
}

/// What one capture became.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the capture that was read.
    pub input: String,
    /// Path of the capture that was written.
    pub output: String,
    /// Salt of the synthetic endpoints.
    pub salt: u64,
    /// Packets in scope by protocol, those left out by reason, flows.
    #[serde(flatten)]
    pub counts: ActionCounts,
    /// Segments beyond the MTU, and what took their place; `None` without an MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitCounts>,
    /// What the compiler had to change, and what became of payload.
    #[serde(flatten)]
    pub realised: Realised,
    /// What the codec did; `None` for the oracle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<Fidelity>,
    /// The lifter's counts.
    #[serde(skip)]
    pub lift_counts: LiftCounts,
    /// The capture's entry in manifests.
    #[serde(skip)]
    pub source: SourceEntry,
}

/// Takes every capture to actions, or to latents, and back. In a folder of captures, each is taken
/// by itself, and a manifest is written beside them.
///
/// # Errors
/// If the codec or a capture cannot be read, an output cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcomes<Outcome>, Error> {
    config.lift.check()?;
    let codec = if config.oracle {
        None
    } else {
        let codec = config
            .model
            .load_codec_on(config.device, config.threads, monitor)?;
        Some(codec.with_constraints(if config.unconstrained {
            Constraints::None
        } else {
            Constraints::Flows
        }))
    };
    let outcomes = folder::take_each(
        &config.input,
        &config.output,
        if config.disclosure.anonymous {
            Names::Numbered
        } else {
            Names::Kept
        },
        monitor,
        |input, output, monitor| match &codec {
            Some(codec) => learned::run(config, codec, input, output, monitor),
            None => oracle::run(config, input, output, monitor),
        },
    )?;
    if let Outcomes::Folder { captures } = &outcomes {
        let manifest = Manifest::new(config, codec.as_ref(), captures)?;
        document::write(&config.output.join(document::MANIFEST), &manifest)?;
    }
    Ok(outcomes)
}

/// What a folder of round trips came from: `tracecodec.roundtrip`.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    format: &'static str,
    version: u32,
    /// Name and version of the tool.
    tool: &'static str,
    /// Name of the codec; `None` for the oracle.
    model: Option<String>,
    /// BLAKE3 digest of the codec's weights.
    model_blake3: Option<String>,
    /// The settings, but for the paths of input and output.
    settings: serde_json::Value,
    captures: Vec<Entry<'a>>,
}

/// A capture of a folder.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    /// The capture that was read.
    input: SourceEntry,
    /// The capture that was written: its path from the folder on, and its BLAKE3 digest.
    file: String,
    blake3: String,
    #[serde(flatten)]
    counts: &'a ActionCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: &'a Option<Fidelity>,
}

impl<'a> Manifest<'a> {
    fn new(config: &Config, codec: Option<&Codec>, captures: &'a [Outcome]) -> Result<Self, Error> {
        let mut settings = serde_json::to_value(config).expect("settings have string keys");
        if let Some(settings) = settings.as_object_mut() {
            settings.remove("input");
            settings.remove("output");
            settings.remove("threads");
            if config.disclosure.anonymous {
                // A selection can name addresses and dates.
                for key in ["filter", "from", "to"] {
                    settings.remove(key);
                }
            }
        }
        let sources = captures.iter().map(|outcome| outcome.source.clone());
        let sources = config.disclosure.sources(sources.collect());
        let entry = |(outcome, input): (&'a Outcome, SourceEntry)| {
            let path = Path::new(&outcome.output);
            Ok(Entry {
                input,
                file: path
                    .strip_prefix(&config.output)
                    .unwrap_or(path)
                    .display()
                    .to_string(),
                blake3: digest(path)?,
                counts: &outcome.counts,
                codec: &outcome.codec,
            })
        };
        Ok(Self {
            format: "tracecodec.roundtrip",
            version: 1,
            tool: TOOL,
            model: codec.map(|_| config.model.label()),
            model_blake3: codec.map(Codec::digest),
            settings,
            captures: captures
                .iter()
                .zip(sources)
                .map(entry)
                .collect::<Result<_, Error>>()?,
        })
    }
}
