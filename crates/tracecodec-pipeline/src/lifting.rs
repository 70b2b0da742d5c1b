//! How packets are lifted: the settings that every verb which reads captures for their actions has.

use serde::{Deserialize, Serialize};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec_nn::Codec;

use crate::error::Error;

/// How packets are lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifting {
    /// Slots for live flows; if all are taken, the flow that was silent longest loses its slot.
    pub slots: usize,
}

impl Default for Lifting {
    fn default() -> Self {
        Self { slots: MAX_SLOTS }
    }
}

impl Lifting {
    /// Refuses a number of slots that is out of range.
    ///
    /// # Errors
    /// If it is 0 or too large.
    pub fn check(&self) -> Result<(), Error> {
        match self.slots {
            1..=MAX_SLOTS => Ok(()),
            slots => Err(Error::refused(
                format!("{slots} slots"),
                format!("slots number from 1 to {}", MAX_SLOTS),
            )),
        }
    }

    /// A lifter for a codec: TCP option layouts that its dictionary lacks get numbers after its
    /// own.
    pub fn lifter_for(&self, codec: &Codec) -> Lifter {
        Lifter::new(self.slots, codec.option_profiles().clone().thaw())
    }
}
