//! Result of validating a codec.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::train::Validated;

/// Result of one validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// Objective on the validation packets with the final β: nats of reconstruction a packet, plus
    /// β times the KL divergence.
    pub loss: f64,
    /// Cross-entropy of the discrete fields, in nats a packet.
    pub fields: f64,
    /// Cross-entropy of the time, in nats a packet.
    pub time: f64,
    /// KL divergence of the posterior from the unit Gaussian, in nats a packet.
    pub kl: f64,
    /// Share of active fields that are reproduced.
    pub accuracy: f64,
    /// Share of packets whose fields are all reproduced, time aside.
    pub exact: f64,
    /// Mean objective of the training packets since the last validation, with augmentation and
    /// noise.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// Accuracy, whole packets and rate, as in `accuracy 99.350 %, whole packets 87.90 %, 124
    /// nats`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accuracy, exact) = (100.0 * self.accuracy, 100.0 * self.exact);
        write!(
            f,
            "accuracy {accuracy:.3} %, whole packets {exact:.2} %, {:.0} nats",
            self.kl
        )
    }
}

impl Validated for Validation {
    fn loss(&self) -> f64 {
        self.loss
    }
}
