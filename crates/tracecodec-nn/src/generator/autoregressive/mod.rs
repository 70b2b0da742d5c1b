//! The autoregressive generator: a trace as a superposition of marked point processes over packet
//! actions.
//!
//! ```text
//! openings:  one event after the other   (time since the last opening, the first packet)
//! each flow: one event after the other   (over, or time since its last packet, the next packet)
//! openings and flows ─▶ packets that are due ─clock▶ packet actions
//! clock:     one step after the other    (time since the last packet of the trace)
//! ```
//!
//! Flows are independent of each other, so any number of them can be open, a packet costs the same
//! however many there are, and a continued flow depends on its whole past. The clock models how
//! packets wait for one another on a link, and keeps the pace at which hosts answer.

mod clock;
mod config;
mod emission;
mod event_sequences;
mod events;
mod familiarity;
mod hosts;
mod label;
mod legal;
mod network;
mod past;
mod process;
mod store;
mod superposition;
mod training;

pub use config::{AutoregressiveConfig, Shape, Shapes, TrainConfig};
pub use event_sequences::EventSequences;
pub use familiarity::{Familiarity, FlowNats, HeldOut};
pub use superposition::TraceGenerator;
pub use training::{Data, Manifest, Origin, Validation, train};

use tracecodec::action::{ActionSchema, OptionProfiles};
use tracecodec_tensor::Device as Tensors;

use crate::random::{Purpose, stream};
use crate::weights::Weights;
use clock::{clock_sizes, predicted_sizes};
use event_sequences::row_sizes;
use events::Events;
use network::Process;
use process::Sampler;
use training::Networks;

/// An autoregressive generator.
#[derive(Debug, Clone)]
pub struct Autoregressive {
    shapes: Shapes,
    events: Events,
    /// Names of the labels; label number n is at n - 1, and number 0 is no label.
    labels: Vec<String>,
    /// Packets a second of the training traces without a label, then of those of each label.
    rates: Vec<Option<f64>>,
    profiles: OptionProfiles,
    weights: Weights,
    /// How likely held-out packets are, once that is known.
    held_out: Option<HeldOut>,
}

impl Autoregressive {
    /// Largest number of labels of a generator.
    pub const MAX_LABELS: usize = 255;

    fn new(
        events: Events,
        shapes: Shapes,
        labels: Vec<String>,
        rates: Vec<Option<f64>>,
        profiles: OptionProfiles,
        weights: Weights,
    ) -> Self {
        Self {
            shapes,
            events,
            labels,
            rates,
            profiles: profiles.freeze(),
            weights,
            held_out: None,
        }
    }

    /// Everything that the actions keep which the generator learned from and makes.
    pub fn schema(&self) -> ActionSchema {
        ActionSchema::whole(self.events.version())
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Names of the labels that a trace can be generated for.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Name of a label by its number; none for 0.
    fn label(&self, number: u8) -> Option<&str> {
        let label = usize::from(number).checked_sub(1)?;
        Some(&self.labels[label])
    }

    /// Packets a second of the training traces of a label, or without a label the mean over all
    /// labels. None if the rate is unknown.
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

    /// How likely it finds packets that it was not trained on, if that is known.
    pub fn held_out(&self) -> Option<HeldOut> {
        self.held_out
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.weights.values.len()
    }

    /// Samplers of all processes.
    fn samplers(&self) -> [Sampler<'_>; PROCESSES] {
        let of = |process: usize| {
            let symbols = symbols(&self.events, self.labels.len(), process);
            let (name, shape) = (NAMES[process], self.shapes.of(process));
            Sampler::new(name, &self.weights, shape, &symbols.read, symbols.predicted)
        };
        [of(OPENINGS), of(PACKETS), of(CLOCK)]
    }
}

/// Number of processes, which are numbered as follows.
const PROCESSES: usize = 3;
const OPENINGS: usize = 0;
const PACKETS: usize = 1;
const CLOCK: usize = 2;

/// Names of the processes' weights.
const NAMES: [&str; PROCESSES] = ["openings", "packets", "clock"];

/// Number of values of the symbols that a process reads of an event, and of those that it predicts
/// of the next one.
struct Symbols {
    read: Vec<usize>,
    predicted: Vec<usize>,
}

fn symbols(events: &Events, labels: usize, process: usize) -> Symbols {
    match process {
        CLOCK => Symbols {
            read: clock_sizes(events, labels),
            predicted: predicted_sizes(events),
        },
        OPENINGS => Symbols {
            read: row_sizes(events.opening_sizes(), labels),
            predicted: events.opening_sizes(),
        },
        _ => Symbols {
            read: row_sizes(events.sizes(), labels),
            predicted: events.sizes()[..events.len_of_packets()].to_vec(),
        },
    }
}

/// Networks of all processes, with fresh weights.
fn networks(
    events: &Events,
    shapes: &Shapes,
    labels: usize,
    seed: u64,
    device: &Tensors,
) -> Networks {
    let mut rng = stream(seed, Purpose::Weights, 0);
    let mut network = |process| {
        let Symbols { read, predicted } = symbols(events, labels, process);
        Process::new(shapes.of(process), &read, &predicted, &mut rng, device)
    };
    Networks {
        openings: network(OPENINGS),
        packets: network(PACKETS),
        clock: network(CLOCK),
    }
}
