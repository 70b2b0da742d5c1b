//! Where tensors are computed.

use std::fmt;

/// The CPU, or a GPU.
#[derive(Debug, Clone)]
pub struct Device(pub(crate) Place);

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu(burn::tensor::Device),
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDevice {
    /// This build lacks the device's Cargo feature.
    NotBuilt,
    /// The machine has no such device; the reason.
    NotFound(String),
}

impl fmt::Display for NoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("this build lacks the device's feature"),
            Self::NotFound(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NoDevice {}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self(Place::Cpu)
    }

    /// The GPU that the graphics drivers prefer, by Vulkan, Metal or DirectX 12. It is opened once,
    /// and stays open until the program ends.
    ///
    /// # Errors
    /// If this build lacks the feature `wgpu`, or the machine has no such GPU.
    #[cfg(feature = "wgpu")]
    pub fn wgpu() -> Result<Self, NoDevice> {
        use std::sync::OnceLock;

        use burn::tensor::Device as Gpu;

        static OPENED: OnceLock<Result<Gpu, String>> = OnceLock::new();
        let open = || {
            let opened = Gpu::wgpu_options().init();
            opened.map_err(|e| format!("no adapter that can be used: {e}"))
        };
        let opened = OPENED.get_or_init(open).clone();
        let gpu = opened.map_err(NoDevice::NotFound)?;
        Ok(Self(Place::Gpu(gpu)))
    }

    /// A GPU by Vulkan, Metal or DirectX 12: not in this build.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "wgpu"))]
    pub fn wgpu() -> Result<Self, NoDevice> {
        Err(NoDevice::NotBuilt)
    }

    /// The first GPU that the CUDA driver lists.
    ///
    /// # Errors
    /// If this build lacks the feature `cuda`, or the driver lists no GPU.
    #[cfg(feature = "cuda")]
    pub fn cuda() -> Result<Self, NoDevice> {
        use burn::tensor::{Device as Gpu, DeviceType};

        let first = Gpu::enumerate(DeviceType::Cuda).into_iter().next();
        let reason = || "the CUDA driver is not installed or lists no GPU".to_string();
        let gpu = first.ok_or_else(|| NoDevice::NotFound(reason()))?;
        Ok(Self(Place::Gpu(gpu)))
    }

    /// A GPU by CUDA: not in this build.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "cuda"))]
    pub fn cuda() -> Result<Self, NoDevice> {
        Err(NoDevice::NotBuilt)
    }

    /// The device for tensors that take part in a differentiation: constants and tracked ones. On
    /// the CPU all tensors may.
    pub fn differentiating(&self) -> Self {
        match &self.0 {
            Place::Cpu => self.clone(),
            #[cfg(feature = "gpu")]
            Place::Gpu(gpu) => Self(Place::Gpu(gpu.clone().autodiff())),
        }
    }
}
