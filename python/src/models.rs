//! Models by name: what a handle of a codec or of a generator knows of it.

use std::path::PathBuf;

use pyo3::prelude::*;
use serde_json::json;
use tracecodec_nn::Device;
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::model::GeneratorChoice;

use crate::{convert, monitor};

/// Digest, dimensions of a latent and version of the action schema of a codec.
#[pyfunction]
pub(crate) fn describe_codec(py: Python<'_>, model: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let about = monitor::attended(py, None, |monitor| {
        let codec = ModelName::from(model).load_codec(Device::Cpu, monitor)?;
        Ok(json!({
            "blake3": codec.digest(),
            "d_latent": codec.config().d_latent,
            "schema_version": codec.config().schema_version,
        }))
    })?;
    convert::from_json(py, &about)
}

/// Digest of a generator that samples latents of a codec.
#[pyfunction]
pub(crate) fn describe_generator(
    py: Python<'_>,
    model: PathBuf,
    codec: PathBuf,
) -> PyResult<Bound<'_, PyAny>> {
    let about = monitor::attended(py, None, |monitor| {
        let choice = GeneratorChoice {
            model: model.into(),
            codec: codec.into(),
            ..GeneratorChoice::default()
        };
        Ok(json!({"blake3": choice.load(monitor)?.digest()}))
    })?;
    convert::from_json(py, &about)
}
