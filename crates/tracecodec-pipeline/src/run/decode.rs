//! `decode`: latents to a capture, or to packet actions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::Action;
use tracecodec::artifact::ActionsWriter;
use tracecodec::compile::{CompileConfig, Compiler, SplitCounts};
use tracecodec::lift::LiftCounts;
use tracecodec::output::FileKind;
use tracecodec::pcap::{Label, Packet, Timestamp};
use tracecodec_nn::latents::Points;
use tracecodec_nn::{Codec, Constraints, Corrected, Device, ReadLatents, StoredLatents};

use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::claim;
use crate::files::writer::CaptureWriter;
use crate::model::ModelName;
use crate::monitor::{Monitor, Progress, Warning};
use crate::realise::{Realise, Realised};

/// What to decode, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Latents to read (safetensors).
    pub input: PathBuf,
    /// Capture to write, or actions if it is named `.parquet`; `-` is a capture on stdout.
    pub output: PathBuf,
    /// Write a capture for each session, the client first, into the folder `output`.
    #[serde(default)]
    pub split_flows: bool,
    /// Decode the tensor `sample`, a draw from each posterior, instead of the means.
    #[serde(default)]
    pub sample: bool,
    /// Other latents, their manifest, or a folder of sequences, whose option layouts, tick and time
    /// of the first packet to take; `None`: of the manifest beside the latents.
    #[serde(default)]
    pub like: Option<PathBuf>,
    /// The rows are normalised, every channel by its mean and deviation in the description of
    /// sequences.
    #[serde(default)]
    pub normalised: bool,
    /// The codec.
    #[serde(default)]
    pub model: ModelName,
    /// Where the codec computes.
    #[serde(default)]
    pub device: Device,
    /// Threads on the CPU; `None`: as many as there are cores. The result does not depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Take packets as they decode, whether their flows are open or not.
    #[serde(default)]
    pub unconstrained: bool,
    /// Acknowledge nothing that the peer has not sent, too: for latents that a generator sampled.
    #[serde(default)]
    pub strict: bool,
    /// How actions are realised.
    #[serde(flatten)]
    pub realise: Realise,
    /// When the trace begins.
    #[serde(flatten)]
    pub disclosure: Disclosure,
}

/// What was decoded.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the latents.
    pub input: String,
    /// Path of the capture or the actions.
    pub output: String,
    /// Name of the codec.
    pub model: String,
    /// Salt of the synthetic endpoints.
    pub salt: u64,
    /// Packets decoded.
    pub packets: u64,
    /// Packets that contradicted the state of their flow and were corrected.
    #[serde(rename = "settled")]
    pub corrected: Corrected,
    /// Segments beyond the MTU, and what took their place; `None` without an MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitCounts>,
    /// What the compiler had to change, and what became of payload.
    #[serde(flatten)]
    pub realised: Realised,
}

/// Decodes latents to a capture or to packet actions. Warns if so many packets contradict the open
/// flows that the codec is most likely not the one that made the latents.
///
/// # Errors
/// If the latents cannot be read or do not belong to the codec, the output cannot be written, or
/// the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    if config.strict && config.unconstrained {
        return Err(Error::refused(
            "`strict` and `unconstrained` exclude each other",
            "leave one of them out",
        ));
    }
    claim::named_file(&config.input, "latents")?;
    claim::distinct(&[&config.input], &config.output)?;
    let codec = config
        .model
        .load_codec_on(config.device, config.threads, monitor)?;
    let codec = codec.with_constraints(match (config.strict, config.unconstrained) {
        (true, _) => Constraints::Strict,
        (_, true) => Constraints::None,
        _ => Constraints::Flows,
    });
    let reading = ReadLatents {
        points: if config.sample {
            Points::Sample
        } else {
            Points::Means
        },
        like: config.like.clone(),
        normalised: config.normalised,
    };
    let trace = Trace {
        latents: StoredLatents::read(&config.input, &reading, &codec)?,
        codec: &codec,
        config,
    };
    let realise = config.realise.config(trace.latents.schema())?;
    let is_actions =
        !config.split_flows && FileKind::of_name(&config.output) == Some(FileKind::Actions);
    let (realised, corrected, split) = if is_actions {
        (Realised::default(), trace.write_actions(monitor)?, None)
    } else {
        trace.write_capture(realise, monitor)?
    };
    trace.warn(corrected, monitor);
    Ok(Outcome {
        input: config.input.display().to_string(),
        output: config.output.display().to_string(),
        model: config.model.label(),
        salt: realise.salt.0,
        packets: trace.latents.packets(),
        corrected,
        split,
        realised,
    })
}

/// Latents that become actions again.
struct Trace<'a> {
    latents: StoredLatents,
    codec: &'a Codec,
    config: &'a Config,
}

impl Trace<'_> {
    /// Time of the first packet in what is written.
    fn epoch(&self) -> Timestamp {
        let epoch = self.latents.epoch();
        self.config.disclosure.epoch(Some(epoch)).unwrap_or(epoch)
    }

    /// Decodes in batches, and hands over every action with its label. Returns how many were made
    /// to agree with those before.
    fn decode(
        &self,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Action, Option<Label<'_>>) -> Result<(), Error>,
    ) -> Result<Corrected, Error> {
        let mut done = 0;
        self.latents.decode(self.codec, |batch| {
            for action in batch {
                each(action, self.latents.labels().of(done))?;
                done += 1;
            }
            monitor.step(&Progress {
                stage: "decoding",
                done,
                total: Some(self.latents.packets()),
                detail: "packets",
            })
        })
    }

    fn write_capture(
        &self,
        realise: CompileConfig,
        monitor: &mut dyn Monitor,
    ) -> Result<(Realised, Corrected, Option<SplitCounts>), Error> {
        let microseconds = self.config.realise.microseconds;
        let split_flows = self.config.split_flows;
        let writer = CaptureWriter::of(&self.config.output, microseconds, split_flows)?;
        let writer = writer.splitting(self.config.realise.splitter()?);
        let origin = self.config.disclosure.origin(&self.config.input);
        let mut writer = writer.synthetic(&origin, realise.payload)?;
        let mut compiler = Compiler::new(realise, self.epoch());
        let profiles = self.latents.option_profiles();
        let corrected = self.decode(monitor, |action, label| {
            let comment = label.map(|label| label.to_string());
            writer.write(&Packet {
                comment: comment.as_deref().unwrap_or_default(),
                ..compiler.compile(action, profiles)
            })
        })?;
        let split = writer.split();
        writer.finish(monitor)?;
        Ok((Realised::of(&compiler), corrected, split))
    }

    fn write_actions(&self, monitor: &mut dyn Monitor) -> Result<Corrected, Error> {
        let mut writer = ActionsWriter::create(&self.config.output, self.latents.schema())?;
        let mut counts = LiftCounts::default();
        let corrected = self.decode(monitor, |action, label| {
            counts.lifted.add(action.proto);
            Ok(writer.write_labelled(action, label)?)
        })?;
        counts.packets = counts.actions();
        let profiles = self.latents.option_profiles();
        writer.finish(Some(self.epoch()), profiles, &counts)?;
        Ok(corrected)
    }

    /// Warns of latents that do not go together with the codec.
    fn warn(&self, corrected: Corrected, monitor: &mut dyn Monitor) {
        if let Some((meaning, hint)) = self.latents.verdict(corrected).explain() {
            let message = format!(
                "{} of {} packets contradict the flows that are open: {meaning}",
                corrected.flows,
                self.latents.packets()
            );
            monitor.warn(&Warning::new(message).with_hint(hint));
        }
    }
}
