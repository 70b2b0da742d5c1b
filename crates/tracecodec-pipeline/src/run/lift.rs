//! `lift`: captures to packet actions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::actions::ROW_GROUP;
use tracecodec::artifact::document::manifest_path;
use tracecodec::artifact::{ActionsReader, ActionsWriter, LiftManifest};
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::output::FileKind;
use tracecodec::pcap::Label;
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
    config.lift.check()?;
    claim::named_file(path, "actions")?;
    claim::named_as(path, FileKind::Actions)?;
    claim::distinct(&config.inputs, path)?;
    let kept = config.lift.kept()?;
    let profiles = config.profiles(monitor)?.thaw();
    let mut lifter = Lifter::new(kept, config.lift.slots, profiles);
    let mut writer = ActionsWriter::create(path, kept)?;
    let mut sources = Vec::new();
    for input in &config.inputs {
        let mut capture = Capture::open(input, &config.read)?;
        capture.for_each(monitor, |packet| {
            // Out of scope is no error: the lifter counts it.
            lifter.lift(packet).map_or(Ok(()), |action| {
                let label = Label::of_comment(packet.comment);
                Ok(writer.write_labelled(&action, label)?)
            })
        })?;
        sources.push(capture.finish(monitor)?);
    }
    let left_out = writer.labels_left_out();
    if left_out > 0 {
        monitor.warn(&Warning::new(format!(
            "{left_out} labels are left out, since none of the first {ROW_GROUP} packets in scope has one"
        )));
    }
    let lift_counts = lifter.counts();
    config.lift.warn(&lift_counts, monitor);
    let epoch = config.disclosure.epoch(lifter.epoch());
    writer.finish(epoch, lifter.profiles(), &lift_counts)?;
    let manifest = LiftManifest::new(
        path,
        kept,
        config.lift.slots.min(kept.max_slots()) as u64,
        config.disclosure.sources(sources),
        epoch.map(|epoch| epoch.0),
        &lift_counts,
        lifter.profiles(),
    )?;
    manifest.write(manifest_path(path))?;
    Ok(Outcome {
        manifest,
        lift_counts,
    })
}

impl Config {
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
