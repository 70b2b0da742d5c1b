//! The generators behind one interface.

use std::path::Path;

use tracecodec::action::{Action, OptionProfiles};

use super::autoregressive::{self, Autoregressive};
use super::description::Backbone;
use super::drawing::Drawing;
use super::flow_matching::{FlowMatching, Solver};
use super::latent::{LatentGenerator, LatentTrace};
use crate::codec::Codec;
use crate::device::Device;
use crate::error::Error;

/// A generator of packet actions, whatever its backbone.
#[derive(Debug)]
pub enum Generator {
    /// Packet actions one after the other.
    Autoregressive(Box<Autoregressive>),
    /// Windows of a codec's latents.
    Latent(Box<LatentGenerator>),
}

/// A trace in the making, which goes on for as long as it is asked.
#[derive(Debug)]
pub enum Trace<'a> {
    /// Of the autoregressive generator.
    Autoregressive(Box<autoregressive::TraceGenerator<'a>>),
    /// Of flow matching.
    Latent(Box<LatentTrace<'a>>),
}

impl Generator {
    /// Reads a generator from a directory. One of latents needs their codec, and how to solve for them.
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

    /// The same generator, flow matching on another device; the autoregressive one draws on the CPU.
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

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        match self {
            Self::Autoregressive(generator) => generator.option_profiles(),
            Self::Latent(generator) => generator.codec().option_profiles(),
        }
    }

    /// Packets a second of the training traces of a label; without one the mean over the labels. None if that is not known.
    pub fn rate(&self, label: Option<&str>) -> Option<f64> {
        match self {
            Self::Autoregressive(generator) => generator.rate(label),
            Self::Latent(_) => None,
        }
    }

    /// A trace from nothing, or, once it has [followed](Trace::follow) one, its continuation.
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
    /// Takes the next packet of the trace that is to be continued. All of them must come before the first batch.
    pub fn follow(&mut self, action: &Action) {
        match self {
            Self::Autoregressive(trace) => trace.follow(action),
            Self::Latent(trace) => trace.follow(action),
        }
    }

    /// The next packets, in order; none only where time ends, after 292 years.
    pub fn batch(&mut self) -> Vec<Action> {
        match self {
            Self::Autoregressive(trace) => trace.batch(),
            Self::Latent(trace) => trace.batch(),
        }
    }

    /// Packets so far that contradicted their flow's state, and were made to agree.
    pub fn settled(&self) -> u64 {
        match self {
            Self::Autoregressive(trace) => trace.settled(),
            Self::Latent(trace) => trace.settled(),
        }
    }

    /// The label that the trace is of: the one that was told; where none was, once it has begun, the one that the autoregressive generator
    /// takes a followed trace to be of. None if it has none.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Autoregressive(trace) => trace.label(),
            Self::Latent(trace) => trace.label(),
        }
    }

    /// Flows with a packet yet to come; none where the generator does not plan ahead.
    pub fn open_flows(&self) -> Option<usize> {
        match self {
            Self::Autoregressive(trace) => Some(trace.open_flows()),
            Self::Latent(_) => None,
        }
    }
}
