//! The extension module of the Python package: verbs by name, actions as Arrow streams, models by
//! their digests. The package's own files give them their Python shape.

mod arrow;
mod convert;
mod errors;
mod experiment;
mod latents;
mod models;
mod monitor;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tracecodec_pipeline::run::by_name::{VERBS, Verb};

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::arrow::{Batches, lift, save};
    #[pymodule_export]
    use super::experiment::{experiment, experiment_step};
    #[pymodule_export]
    use super::latents::{latents_layout, sequence_windows, write_latents};
    #[pymodule_export]
    use super::models::{describe_codec, describe_generator};
    #[pymodule_export]
    use super::{defaults, run, verbs};
}

/// Names of the verbs.
#[pyfunction]
fn verbs() -> Vec<&'static str> {
    VERBS.iter().map(|verb| verb.name).collect()
}

/// Settings of a verb that have a default, with it.
#[pyfunction]
fn defaults<'py>(py: Python<'py>, verb: &str) -> PyResult<Bound<'py, PyAny>> {
    let verb = Verb::named(verb).map_err(|error| errors::raise(py, &error))?;
    convert::from_json(py, &verb.defaults())
}

/// Runs a verb with settings, and returns its outcome.
#[pyfunction]
fn run<'py>(
    py: Python<'py>,
    verb: &str,
    settings: &Bound<'py, PyDict>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let verb = Verb::named(verb).map_err(|error| errors::raise(py, &error))?;
    let settings = convert::to_json(settings)?;
    let outcome = monitor::attended(py, progress, |monitor| verb.run(settings, monitor))?;
    convert::from_json(py, &outcome)
}
