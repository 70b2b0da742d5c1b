//! How a training is run: what its weights do not depend on.

use std::path::Path;
use std::time::Instant;

use crate::device::Device;
use crate::error::Error;

/// One run of a training, from its preparation on.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// Folder of the model, its manifest, its history and its checkpoint.
    pub folder: &'a Path,
    /// Continue from the folder's checkpoint, to the same weights as if the training had never
    /// stopped.
    pub resume: bool,
    /// Threads on the CPU; the weights do not depend on them. Default: all of the machine's.
    pub threads: Option<usize>,
    /// Where the network computes. Default: the CPU.
    pub device: Device,
    /// When the work on this training began. A budget in minutes begins here, so that reading the
    /// data counts.
    pub started: Instant,
}

impl<'a> Session<'a> {
    /// A new training into a folder, which begins now.
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            resume: false,
            threads: None,
            device: Device::default(),
            started: Instant::now(),
        }
    }

    /// Refuses a GPU for a model that computes on the CPU alone.
    pub(crate) fn check_cpu(&self) -> Result<(), Error> {
        match self.device {
            Device::Cpu => Ok(()),
            device => Err(Error::Config {
                name: "device",
                value: device.to_string(),
                reason: "this model computes on the CPU alone",
            }),
        }
    }
}
