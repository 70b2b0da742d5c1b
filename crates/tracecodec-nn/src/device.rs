//! The device that networks compute on: the CPU, or a GPU.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec_tensor::{Device as Tensors, NoDevice};

use crate::error::Error;

/// Factor by which a GPU computes more packets at once than the CPU.
const GPU_FACTOR: usize = 16;

/// The device that a network computes on. Weights, latents and files have the same form on every
/// device; only on the CPU are results the same bytes from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The CPU: small pieces on several threads.
    #[default]
    Cpu,
    /// A GPU by Vulkan, Metal or DirectX 12: large pieces one after the other. Needs the Cargo
    /// feature `wgpu`.
    Wgpu,
    /// An NVIDIA GPU by CUDA. Needs the Cargo feature `cuda`. Unverified.
    Cuda,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Choice for Device {
    const WHAT: &'static str = "device";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Cpu, "cpu", "The CPU: the same bytes from run to run"),
        (Self::Wgpu, "wgpu", "A GPU by Vulkan, Metal or DirectX 12"),
        (Self::Cuda, "cuda", "An NVIDIA GPU by CUDA; unverified"),
    ];
}

impl Device {
    /// Checks that networks can compute on this device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn check(self) -> Result<(), Error> {
        self.open().map(|_| ())
    }

    /// The place of the tensors.
    pub(crate) fn open(self) -> Result<Tensors, Error> {
        let opened = match self {
            Self::Cpu => return Ok(Tensors::cpu()),
            Self::Wgpu => Tensors::wgpu(),
            Self::Cuda => Tensors::cuda(),
        };
        opened.map_err(|why| match why {
            NoDevice::NotBuilt => Error::NotBuilt(self.name()),
            NoDevice::NotFound(reason) => Error::NoDevice {
                device: self.name(),
                reason,
            },
        })
    }

    /// Number of packets to compute at once, if the CPU takes pieces of `packets`.
    pub(crate) fn piece(self, packets: usize) -> usize {
        match self {
            Self::Cpu => packets,
            Self::Wgpu | Self::Cuda => GPU_FACTOR * packets,
        }
    }

    /// Number of threads to work on, out of `threads`: a GPU uses one.
    pub(crate) fn threads(self, threads: usize) -> usize {
        match self {
            Self::Cpu => threads,
            Self::Wgpu | Self::Cuda => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "wgpu"))]
    fn test_device_without_its_feature() {
        let error = Device::Wgpu.check().unwrap_err();
        assert!(error.to_string().starts_with("device wgpu:"), "{error}");
        assert!(error.hint().unwrap().ends_with("feature wgpu"));
    }

    #[test]
    fn test_device_sets_piece_and_threads() {
        let of = |device: Device| (device.piece(256), device.threads(4));
        assert_eq!(of(Device::Cpu), (256, 4));
        assert_eq!(of(Device::Wgpu), (4096, 1));
    }
}
