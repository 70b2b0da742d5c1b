//! The variational objective (the paper, section 3.4): reconstruction + λ time + β KL, in nats a
//! packet.

use serde::{Deserialize, Serialize};

/// The parts of the objective, each summed over the packets of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// Number of packets.
    pub(crate) packets: f64,
    /// Cross-entropy of the discrete fields.
    pub(crate) fields: f64,
    /// Cross-entropy of the time's symbols.
    pub(crate) time: f64,
    /// KL divergence of the posterior from the unit Gaussian.
    pub(crate) kl: f64,
}

impl Parts {
    /// The sum of these parts and another batch's.
    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            fields: self.fields + other.fields,
            time: self.time + other.time,
            kl: self.kl + other.kl,
        }
    }
}
