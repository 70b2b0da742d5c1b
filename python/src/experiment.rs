//! An experiment whose steps Python has run elsewhere.

use std::ops::ControlFlow;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use tracecodec_pipeline::run::experiment::{Config, Machine, here, run_by};
use tracecodec_pipeline::{Error, Monitor, Progress, settings};

use crate::{convert, errors, monitor};

/// Seconds between two looks at a step that runs elsewhere.
const INTERVAL: f64 = 0.2;

/// Runs the verb of a step on this machine. Returns its outcome and the machine.
#[pyfunction]
pub(crate) fn experiment_step<'py>(
    py: Python<'py>,
    verb: &str,
    settings: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let settings = convert::to_json(settings)?;
    let (outcome, machine) = monitor::attended(py, None, |monitor| here(verb, settings, monitor))?;
    convert::from_json(py, &json!({"outcome": outcome, "machine": machine}))
}

/// Runs an experiment. `submit` takes the name of a verb and its settings, and returns a task with
/// two methods: `result(seconds)` waits so long, and returns None as long as the step runs, then
/// its outcome and the computer that found it, or its error and the hint; `cancel()` stops it.
#[pyfunction]
pub(crate) fn experiment<'py>(
    py: Python<'py>,
    settings: &Bound<'py, PyDict>,
    submit: Py<PyAny>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: Config =
        settings::read(convert::to_json(settings)?).map_err(|error| errors::raise(py, &error))?;
    let outcome = monitor::attended(py, progress, |monitor| {
        let runner = |verb: &str, settings: Value, monitor: &mut dyn Monitor| {
            run(&submit, verb, &settings, monitor)
        };
        run_by(&config, &runner, monitor)
    })?;
    let outcome = serde_json::to_value(outcome).expect("outcomes have string keys");
    convert::from_json(py, &outcome)
}

/// Has a verb run elsewhere, and waits for what it finds.
fn run(
    submit: &Py<PyAny>,
    verb: &str,
    settings: &Value,
    monitor: &mut dyn Monitor,
) -> Result<(Value, Machine), Error> {
    let failed = |error: PyErr| {
        let hint = "run the experiment again: it continues";
        Error::refused(format!("{verb} could not be run elsewhere: {error}"), hint)
    };
    let task = Python::attach(|py| {
        let settings = convert::from_json(py, settings)?;
        Ok(submit.bind(py).call1((verb, settings))?.unbind())
    });
    let task: Py<PyAny> = task.map_err(failed)?;
    loop {
        let found = Python::attach(|py| {
            convert::to_json(&task.bind(py).call_method1("result", (INTERVAL,))?)
        });
        let mut found = found.map_err(failed)?;
        if let Some(error) = found["error"].as_str() {
            let hint = found["hint"].as_str().unwrap_or_default();
            return Err(Error::refused(error, hint));
        }
        if !found.is_null() {
            let machine = serde_json::from_value(found["machine"].take())
                .map_err(|error| Error::refused(error.to_string(), ""))?;
            return Ok((found["outcome"].take(), machine));
        }
        let progress = Progress {
            stage: verb,
            done: 0,
            total: None,
            detail: "",
        };
        if monitor.progress(&progress) == ControlFlow::Break(()) {
            Python::attach(|py| task.call_method0(py, "cancel")).map_err(failed)?;
            return Err(Error::Interrupted);
        }
    }
}
