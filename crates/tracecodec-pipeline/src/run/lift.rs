//! `lift`: captures to packet actions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::artifact::actions::ROW_GROUP;
#[cfg(feature = "arrow")]
use tracecodec::artifact::actions::{ActionBatches, BatchesWriter};
use tracecodec::artifact::document::manifest_path;
use tracecodec::artifact::{ActionsReader, ActionsWriter, LiftManifest, SourceEntry};
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::output::FileKind;
use tracecodec::pcap::{Label, Timestamp};
use tracecodec_nn::Device;

use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::files::claim;
use crate::lifting::Lifting;
use crate::model::ModelName;
use crate::monitor::{Monitor, Warning};

/// What to lift, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures to read one after the other as one; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// Actions to write (Parquet). A manifest is written beside them.
    pub output: PathBuf,
    /// An actions file, or a codec by its name, whose dictionary of TCP option layouts is
    /// continued.
    #[serde(default)]
    pub profiles_of: Option<PathBuf>,
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

/// What was lifted.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The manifest of the actions.
    #[serde(flatten)]
    pub manifest: LiftManifest,
    /// The lifter's counts.
    #[serde(skip)]
    pub lift_counts: LiftCounts,
}

/// Lifts captures to packet actions and their manifest.
///
/// # Errors
/// If a capture cannot be read, the actions cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let path = &config.output;
    claim::named_file(path, "actions")?;
    claim::named_as(path, FileKind::Actions)?;
    claim::distinct(&config.inputs, path)?;
    let lifting = config.begin(monitor)?;
    let mut writer = ActionsWriter::create(path, lifting.kept)?;
    let lifted = lifting.lift(monitor, |action, label| {
        Ok(writer.write_labelled(action, label)?)
    })?;
    let left_out = writer.labels_left_out();
    if left_out > 0 {
        monitor.warn(&Warning::new(format!(
            "{left_out} labels are left out, since none of the first {ROW_GROUP} packets in scope has one"
        )));
    }
    let lift_counts = lifted.lifter.counts();
    writer.finish(lifted.epoch(config), lifted.lifter.profiles(), &lift_counts)?;
    let manifest = lifted.manifest(config).of_file(path)?;
    manifest.write(manifest_path(path))?;
    Ok(Outcome {
        manifest,
        lift_counts,
    })
}

/// Lifts captures to packet actions in memory; `output` of the settings is not read. The manifest
/// in the outcome names no file.
///
/// # Errors
/// If a capture cannot be read, or the monitor stops it.
#[cfg(feature = "arrow")]
pub fn to_batches(
    config: &Config,
    monitor: &mut dyn Monitor,
) -> Result<(ActionBatches, Outcome), Error> {
    let lifting = config.begin(monitor)?;
    let mut writer = BatchesWriter::new(lifting.kept);
    let lifted = lifting.lift(monitor, |action, label| {
        writer.write_labelled(action, label);
        Ok(())
    })?;
    let lift_counts = lifted.lifter.counts();
    let batches = writer.finish(lifted.epoch(config), lifted.lifter.profiles(), &lift_counts);
    let outcome = Outcome {
        manifest: lifted.manifest(config),
        lift_counts,
    };
    Ok((batches, outcome))
}

/// A lift that is about to begin.
struct Begun<'a> {
    config: &'a Config,
    kept: ActionSchema,
    lifter: Lifter,
}

/// Captures that were lifted.
struct Lifted {
    kept: ActionSchema,
    lifter: Lifter,
    sources: Vec<SourceEntry>,
}

impl Begun<'_> {
    /// Lifts every capture, and hands over each action and its label.
    fn lift(
        mut self,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Action, Option<Label<'_>>) -> Result<(), Error>,
    ) -> Result<Lifted, Error> {
        let mut sources = Vec::new();
        for input in &self.config.inputs {
            let mut capture = Capture::open(input, &self.config.read)?;
            capture.for_each(monitor, |packet| {
                // Out of scope is no error: the lifter counts it.
                self.lifter.lift(packet).map_or(Ok(()), |action| {
                    each(&action, Label::of_comment(packet.comment))
                })
            })?;
            sources.push(capture.finish(monitor)?);
        }
        self.config.lift.warn(&self.lifter.counts(), monitor);
        Ok(Lifted {
            kept: self.kept,
            lifter: self.lifter,
            sources,
        })
    }
}

impl Lifted {
    /// Time of the first action, as it is disclosed.
    fn epoch(&self, config: &Config) -> Option<Timestamp> {
        config.disclosure.epoch(self.lifter.epoch())
    }

    fn manifest(&self, config: &Config) -> LiftManifest {
        LiftManifest::new(
            self.kept,
            config.lift.slots.min(self.kept.max_slots()) as u64,
            config.disclosure.sources(self.sources.clone()),
            self.epoch(config).map(|epoch| epoch.0),
            &self.lifter.counts(),
            self.lifter.profiles(),
        )
    }
}

impl Config {
    fn begin(&self, monitor: &mut dyn Monitor) -> Result<Begun<'_>, Error> {
        self.lift.check()?;
        let kept = self.lift.kept()?;
        let profiles = self.profiles(monitor)?.thaw();
        Ok(Begun {
            config: self,
            kept,
            lifter: Lifter::new(kept, self.lift.slots, profiles),
        })
    }

    /// The dictionary of TCP option layouts that is continued.
    fn profiles(&self, monitor: &mut dyn Monitor) -> Result<OptionProfiles, Error> {
        let Some(path) = &self.profiles_of else {
            return Ok(OptionProfiles::new());
        };
        let model = ModelName::from(path.clone());
        if model == ModelName::BuiltIn || path.is_dir() {
            return Ok(model
                .load_codec(Device::Cpu, monitor)?
                .option_profiles()
                .clone());
        }
        Ok(ActionsReader::open(path)?.profiles().clone())
    }
}
