//! How accurately, and at which rate, a codec reproduces packets.

use std::collections::BTreeMap;

use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::action::schema::Group;

use super::{Codec, Corrected};
use crate::accuracy::Accuracy;
use crate::latents::EntropyNats;

/// Result of passing a trace through a codec.
#[derive(Debug, Clone, Serialize)]
pub struct Fidelity {
    /// Name of the codec.
    pub model: String,
    /// Accuracy and rate of the latents that were decoded.
    #[serde(flatten)]
    pub rates: Rates,
    /// Packets whose latent had to be corrected to agree with the open flows.
    #[serde(rename = "settled")]
    pub corrected: Corrected,
    /// Entropy of the packets without a model of the traffic; `None` if it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<EntropyNats>,
    /// Effect of the refinement; `None` without refinement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refinement: Option<RefinementGain>,
}

/// Effect of refining the latents.
#[derive(Debug, Clone, Serialize)]
pub struct RefinementGain {
    /// Packets that did not decode from the encoder's mean.
    pub moved: u64,
    /// Packets that did not decode from the refined latent either.
    pub left: u64,
    /// Accuracy and rate of the encoder's means.
    pub before: Rates,
}

/// Accuracy and rate of some latents.
#[derive(Debug, Clone, Serialize)]
pub struct Rates {
    /// Share of active fields that are reproduced.
    pub action_accuracy: f64,
    /// Share of packets whose discrete fields are all reproduced.
    pub exact_packets: f64,
    /// KL divergence of the posterior from the prior, in nats a packet.
    pub kl_nats: f64,
    /// Share of context fields that are reproduced; not part of the accuracies above.
    pub context_accuracy: f64,
    /// Share of time steps that are reproduced to the nanosecond; not part of the accuracies above.
    pub time_exact: f64,
    /// Accuracy by quantity of the action schema.
    pub quantities: BTreeMap<&'static str, f64>,
}

/// Running count of accuracy and rate.
#[derive(Debug, Clone)]
pub struct RateMeter {
    accuracy: Accuracy,
    nats: f64,
}

impl RateMeter {
    /// An empty count.
    pub fn new(codec: &Codec) -> Self {
        Self {
            accuracy: Accuracy::carrying(|field| codec.config().carries(field)),
            nats: 0.0,
        }
    }

    /// Counts packets, their decoded counterparts, and the KL divergence of their latents in nats a
    /// packet.
    pub fn add(&mut self, actions: &[Action], decoded: &[Action], kl: f64) {
        self.accuracy.add(actions, decoded);
        self.nats += kl * actions.len() as f64;
    }

    /// The figures of the packets so far.
    pub fn rates(&self) -> Rates {
        let packets = self.accuracy.packets.max(1) as f64;
        Rates {
            action_accuracy: self.accuracy.mean(),
            exact_packets: self.accuracy.exact_share(),
            kl_nats: self.nats / packets,
            context_accuracy: self.accuracy.group(Group::Context),
            time_exact: self.accuracy.time_exact as f64 / packets,
            quantities: self.accuracy.quantities().collect(),
        }
    }
}
