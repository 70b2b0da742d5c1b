//! `probe`: the local geometry of a codec's latents.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::action::Action;
use tracecodec::output::FileKind;
use tracecodec_nn::{Codec, Device, Probe, ProbeConfig, probe};

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, document};
use crate::lifting::Lifting;
use crate::model::ModelName;
use crate::monitor::{Monitor, Progress};
use crate::report::geometry;

/// What to probe.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Capture to read; `-` is stdin.
    pub input: PathBuf,
    /// Most packets to probe, in runs that are spread evenly over the capture.
    #[serde(default = "default_packets")]
    pub packets: usize,
    /// Seed of the noise and of the random pairs.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// File to draw what the dimensions change to, as SVG.
    #[serde(default)]
    pub svg: Option<PathBuf>,
    /// The codec.
    #[serde(default)]
    pub model: ModelName,
    /// Where the codec computes.
    #[serde(default)]
    pub device: Device,
    /// How the capture is read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// How packets are lifted.
    #[serde(flatten)]
    pub lift: Lifting,
}

fn default_packets() -> usize {
    ProbeConfig::default().packets
}

fn default_seed() -> u64 {
    ProbeConfig::default().seed
}

/// What lies around and between the latents of packets.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the capture.
    pub input: String,
    /// Name of the codec.
    pub model: String,
    /// Seed of the noise and of the random pairs.
    pub seed: u64,
    /// What was measured.
    #[serde(flatten)]
    pub probe: Probe,
}

/// Encodes packets of a capture and decodes what lies around their latents.
///
/// # Errors
/// If the capture or the codec cannot be read, there are fewer than two packets in scope, or the
/// monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.lift.check()?;
    if let Some(svg) = &config.svg {
        claim::distinct(&[&config.input], svg)?;
        claim::named_as(svg, FileKind::Figure)?;
    }
    let codec = config.model.load_codec(config.device, monitor)?;
    let actions = lift(config, &codec, monitor)?;
    let settings = ProbeConfig {
        packets: config.packets,
        seed: config.seed,
    };
    let parts = probe::PARTS + codec.config().d_latent;
    let mut done = 0;
    let probe = probe(&codec, &actions, settings, || {
        done += 1;
        monitor.progress(&Progress {
            stage: "probing",
            done,
            total: Some(parts as u64),
            detail: "measurements",
        })
    })?;
    let outcome = Outcome {
        input: config.input.display().to_string(),
        model: config.model.label(),
        seed: config.seed,
        probe,
    };
    if let Some(svg) = &config.svg {
        document::write_text(svg, &geometry::svg(&outcome.probe, &outcome.model))?;
    }
    Ok(outcome)
}

/// The packet actions of the whole capture: the latent of a packet depends on those before it.
fn lift(config: &Config, codec: &Codec, monitor: &mut dyn Monitor) -> Result<Vec<Action>, Error> {
    let mut lifter = config.lift.lifter_for(codec)?;
    let mut actions = Vec::new();
    Capture::open(&config.input, &config.read)?.for_each(monitor, |packet| {
        actions.extend(lifter.lift(packet));
        Ok(())
    })?;
    if actions.len().min(config.packets) < 2 {
        return Err(Error::refused(
            format!("{}: too few packets to probe", config.input.display()),
            "probe two packets in scope or more; `tracecodec inspect` counts them",
        ));
    }
    Ok(actions)
}
