//! Errors of the library as Python's exceptions, which the package's `_errors.py` defines.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tracecodec_pipeline::Error;
use tracecodec_pipeline::error::Kind;

/// The exception of an error.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.kind() {
        Kind::Interrupted => "Interrupted",
        Kind::NotFound => "NotFoundError",
        Kind::Exists => "ExistsError",
        Kind::System => "SystemFailure",
        Kind::Capture => "CaptureError",
        Kind::Schema => "SchemaError",
        Kind::Model => "ModelMismatchError",
        Kind::Setting => "SettingError",
    };
    let place = error.place();
    let exception = exception(py, class, &error.to_string(), |about| {
        about.set_item("hint", error.hint().as_deref())?;
        about.set_item("path", place.path.map(|path| path.display().to_string()))?;
        about.set_item("packet", place.packet)?;
        about.set_item("offset", place.offset)
    });
    exception.unwrap_or_else(|failure| failure)
}

/// The exception of a fault in this program.
pub(crate) fn fault(py: Python<'_>, message: &str) -> PyErr {
    let message = format!("a fault of this program: {message}");
    let exception = exception(py, "TraceCodecError", &message, |about| {
        about.set_item("hint", "please report it with the input that showed it")
    });
    exception.unwrap_or_else(|failure| failure)
}

fn exception(
    py: Python<'_>,
    class: &str,
    message: &str,
    describe: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyResult<PyErr> {
    let about = PyDict::new(py);
    describe(&about)?;
    let class = py.import("tracecodec._errors")?.getattr(class)?;
    let exception = class.call((message,), Some(&about))?;
    Ok(PyErr::from_value(exception))
}
