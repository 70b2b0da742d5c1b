//! The autoregressive generator: a trace as a superposition of marked point processes over packet actions.
//!
//! ```text
//! trace ─┬─ openings:  one event after the other      (time since the last opening, the first packet)
//!        └─ each flow: one event after the other      (over, or time since its last packet, the next packet)
//! openings and flows, merged by time ─▶ packet actions
//! ```
//!
//! Flows are independent given their openings, as far as the model goes: what it does not know is how they wait for one another on a link.
//! For that any number of them can be open, no packet costs more where many are, and a continued flow goes on from all of its past.

mod config;
mod courses;
mod events;
mod network;
mod past;
mod process;
mod scan;
mod store;
mod superposition;
mod training;

pub use config::{AutoregressiveConfig, Shape, Shapes};
pub use courses::Courses;
pub use superposition::{Drawing, TraceGenerator};
pub use training::{Data, TrainingManifest, Validation, train};

use burn::tensor::Device as Tensors;
use tracecodec::action::OptionProfiles;

use crate::random::{Purpose, stream};
use crate::weights::Weights;
use courses::row_width;
use events::{CLASSES, Events, Unacknowledged};
use network::Process;
use process::Sampler;
use training::Networks;

/// A trained, or fresh, generator.
#[derive(Debug, Clone)]
pub struct Autoregressive {
    shapes: Shapes,
    events: Events,
    /// Names of the labels, by their number less one; 0 is none.
    labels: Vec<String>,
    /// Packets a second of the training traces of each label; first of those without one.
    rates: Vec<Option<f64>>,
    profiles: OptionProfiles,
    weights: Weights,
}

impl Autoregressive {
    /// Labels that a generator can tell apart.
    pub const MAX_LABELS: usize = 255;

    fn new(
        shapes: Shapes,
        labels: Vec<String>,
        rates: Vec<Option<f64>>,
        profiles: OptionProfiles,
        weights: Weights,
    ) -> Self {
        Self {
            shapes,
            events: Events::default(),
            labels,
            rates,
            profiles: profiles.freeze(),
            weights,
        }
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Names of the labels that a trace can be generated for.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Packets a second of the training traces of a label, or of all where it is none; none if that is not known.
    pub fn rate(&self, label: Option<&str>) -> Option<f64> {
        let known = self
            .labels
            .iter()
            .position(|known| Some(known.as_str()) == label);
        match known {
            Some(known) => self.rates[known + 1],
            None => {
                let rates: Vec<f64> = self.rates.iter().flatten().copied().collect();
                let mean = rates.iter().sum::<f64>() / rates.len() as f64;
                (!rates.is_empty()).then_some(mean)
            }
        }
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.weights.values.len()
    }

    /// The openings' process and the flows', to draw from.
    fn samplers(&self) -> [Sampler<'_>; 2] {
        let inputs = input_sizes(&self.events, self.labels.len());
        let of = |name, shape| Sampler::new(name, &self.weights, shape, &self.events, &inputs);
        [
            of("openings", &self.shapes.openings),
            of("packets", &self.shapes.packets),
        ]
    }
}

/// Sizes of the symbols that a process reads.
fn input_sizes(events: &Events, labels: usize) -> Vec<usize> {
    let mut sizes = events.sizes();
    sizes.extend([CLASSES; Unacknowledged::DIGITS]);
    sizes.push(labels + 1);
    debug_assert_eq!(sizes.len(), row_width(events));
    sizes
}

/// Both processes with fresh weights.
fn process_networks(shapes: &Shapes, labels: usize, seed: u64, device: &Tensors) -> Networks {
    let events = Events::default();
    let (inputs, sizes) = (input_sizes(&events, labels), events.sizes());
    let mut rng = stream(seed, Purpose::Weights, 0);
    let mut process = |shape| Process::new(shape, &inputs, &sizes, &mut rng, device);
    Networks {
        openings: process(&shapes.openings),
        packets: process(&shapes.packets),
    }
}
