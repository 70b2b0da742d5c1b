//! One interface for the generators of all backbones.

use std::path::Path;

use tracecodec::action::{Action, ActionSchema, OptionProfiles};

use super::autoregressive::{self, Autoregressive, Familiarity};
use super::description::Backbone;
use super::drawing::Drawing;
use super::flow_matching::{FlowMatching, Solver};
use super::latent::{LatentGenerator, LatentTrace};
use crate::codec::Codec;
use crate::device::Device;
use crate::error::Error;

/// A generator of packet actions of any backbone.
#[derive(Debug)]
pub enum Generator {
    /// A generator of one packet action after the other.
    Autoregressive(Box<Autoregressive>),
    /// A generator of windows of a codec's latents.
    Latent(Box<LatentGenerator>),
}

/// A trace that is being generated, without an end.
#[derive(Debug)]
pub enum Trace<'a> {
    /// A trace of the autoregressive generator.
    Autoregressive(Box<autoregressive::TraceGenerator<'a>>),
    /// A trace of flow matching on latents.
    Latent(Box<LatentTrace<'a>>),
}

impl Generator {
    /// Reads a generator from a directory. A generator of latents needs their codec and a solver.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the latents are not the codec's.
    pub fn load(
        directory: &Path,
        codec: impl FnOnce() -> Result<Codec, Error>,
        solver: Solver,
    ) -> Result<Self, Error> {
        Ok(match Backbone::of(directory)? {
            Backbone::Autoregressive => {
                Self::Autoregressive(Box::new(Autoregressive::load(directory)?))
            }
            Backbone::FlowMatching => {
                let matching = FlowMatching::load(directory)?;
                Self::Latent(Box::new(LatentGenerator::new(matching, codec()?, solver)?))
            }
        })
    }

    /// Moves flow matching to another device; the autoregressive generator stays on the CPU.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(self, device: Device) -> Result<Self, Error> {
        Ok(match self {
            Self::Latent(generator) => Self::Latent(Box::new(generator.with_device(device)?)),
            autoregressive => autoregressive,
        })
    }

    /// The autoregressive generator that ships with the program.
    pub fn embedded() -> Self {
        Self::Autoregressive(Box::new(Autoregressive::embedded()))
    }

    /// BLAKE3 digest of the weights with full precision: tells generators apart.
    pub fn digest(&self) -> String {
        match self {
            Self::Autoregressive(generator) => generator.digest(),
            Self::Latent(generator) => generator.digest(),
        }
    }

    /// What the actions keep that the generator makes.
    pub fn schema(&self) -> ActionSchema {
        match self {
            Self::Autoregressive(generator) => generator.schema(),
            Self::Latent(generator) => generator.codec().schema(),
        }
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        match self {
            Self::Autoregressive(generator) => generator.option_profiles(),
            Self::Latent(generator) => generator.codec().option_profiles(),
        }
    }

    /// Packets a second of the training traces of a label, or without a label the mean over all
    /// labels. None if the rate is unknown.
    pub fn rate(&self, label: Option<&str>) -> Option<f64> {
        match self {
            Self::Autoregressive(generator) => generator.rate(label),
            Self::Latent(_) => None,
        }
    }

    /// A new trace, or, after [`follow`](Trace::follow), the continuation of the followed trace.
    ///
    /// # Errors
    /// If the label is not one of the generator's.
    pub fn generate(&self, drawing: &Drawing) -> Result<Trace<'_>, Error> {
        Ok(match self {
            Self::Autoregressive(generator) => {
                Trace::Autoregressive(Box::new(generator.generate(drawing)?))
            }
            Self::Latent(generator) => Trace::Latent(Box::new(generator.generate(drawing)?)),
        })
    }
}

impl Trace<'_> {
    /// Follows the next packet of the trace that is to be continued. All of them must come before
    /// the first batch.
    pub fn follow(&mut self, action: &Action) {
        match self {
            Self::Autoregressive(trace) => trace.follow(action),
            Self::Latent(trace) => trace.follow(action),
        }
    }

    /// The next packets, in order. Empty only if the time overflows, after 292 years.
    pub fn batch(&mut self) -> Vec<Action> {
        match self {
            Self::Autoregressive(trace) => trace.batch(),
            Self::Latent(trace) => trace.batch(),
        }
    }

    /// Packets so far that contradicted their flow's state, and were made to agree.
    pub fn corrected(&self) -> u64 {
        match self {
            Self::Autoregressive(trace) => trace.corrected(),
            Self::Latent(trace) => trace.corrected(),
        }
    }

    /// The label of the trace: the label that was asked for, or the one that the autoregressive
    /// generator finds likeliest for a followed trace, once the first batch is drawn. None if there
    /// is no label.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Autoregressive(trace) => trace.label(),
            Self::Latent(trace) => trace.label(),
        }
    }

    /// How familiar the followed trace is, once the first batch is drawn; `None` if the generator
    /// cannot tell.
    pub fn familiarity(&self) -> Option<Familiarity> {
        match self {
            Self::Autoregressive(trace) => trace.familiarity(),
            Self::Latent(_) => None,
        }
    }

    /// Number of flows with another packet to come; None if the generator does not plan ahead.
    pub fn open_flows(&self) -> Option<usize> {
        match self {
            Self::Autoregressive(trace) => Some(trace.open_flows()),
            Self::Latent(_) => None,
        }
    }
}
