//! The variational objective (the paper, section 3.4): reconstruction + λ time + β KL, in nats a packet.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub(crate) use super::encoder::Posterior;

/// The parts of the objective, each summed over the packets of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// Packets.
    pub(crate) packets: f64,
    /// Cross-entropy of the discrete fields.
    pub(crate) fields: f64,
    /// Cross-entropy of the time's symbols.
    pub(crate) time: f64,
    /// Divergence of the posterior from the unit Gaussian.
    pub(crate) kl: f64,
}

impl Parts {
    /// Adds another batch.
    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            fields: self.fields + other.fields,
            time: self.time + other.time,
            kl: self.kl + other.kl,
        }
    }
}

/// KL(q ‖ N(0, 1)), summed over dimensions and packets.
pub(crate) fn divergence(posterior: &Posterior) -> Tensor<1> {
    let mu = posterior.mu.clone();
    let log_var = posterior.log_var.clone();
    let variance = log_var.clone().exp();
    ((mu.clone() * mu + variance - log_var) - 1.0).sum() * 0.5
}

/// A draw from the posterior with the given standard normal noise.
pub(crate) fn sample(posterior: &Posterior, noise: Tensor<2>) -> Tensor<2> {
    posterior.mu.clone() + (posterior.log_var.clone() * 0.5).exp() * noise
}
