//! Settings of a training run that its weights do not depend on.

use std::path::Path;
use std::time::Instant;

use crate::device::Device;
use crate::error::Error;

/// One session of a training, from its preparation on.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// Folder of the model, its manifest, its history and its checkpoint.
    pub folder: &'a Path,
    /// Whether to continue from the folder's checkpoint, to the same weights as if the training had
    /// never stopped.
    pub resume: bool,
    /// Threads on the CPU; the weights do not depend on their number. Default: as many as the
    /// machine has.
    pub threads: Option<usize>,
    /// Where the network computes. Default: the CPU.
    pub device: Device,
    /// Time at which the work on this training began. A budget in minutes begins here, so that it
    /// includes reading the data.
    pub started: Instant,
}

impl<'a> Session<'a> {
    /// A session that begins now, for a new training into a folder.
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            resume: false,
            threads: None,
            device: Device::default(),
            started: Instant::now(),
        }
    }

    /// Fails if a GPU is chosen for a model that computes on the CPU alone.
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
