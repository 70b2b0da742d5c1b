//! Python objects as JSON values, and back.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyNone, PyString, PyTuple};
use serde_json::{Map, Number, Value};

/// A Python object as a JSON value: paths become texts, NumPy's scalars numbers.
///
/// # Errors
/// If JSON has no such value.
pub(crate) fn to_json(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = object.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.extract()?));
    }
    if object.is_instance_of::<PyInt>() {
        return integer(object);
    }
    if object.is_instance_of::<PyFloat>() {
        return float(object.extract()?);
    }
    if let Ok(entries) = object.cast::<PyDict>() {
        let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((key.extract::<String>()?, to_json(&value)?))
        };
        let entries: PyResult<Map<_, _>> = entries.iter().map(entry).collect();
        return entries.map(Value::Object);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let items = object.try_iter()?.map(|item| to_json(&item?));
        return items.collect::<PyResult<_>>().map(Value::Array);
    }
    if object.hasattr("__fspath__")? {
        let path = object.call_method0("__fspath__")?;
        return Ok(Value::String(path.extract()?));
    }
    if object.hasattr("__index__")? {
        return integer(&object.call_method0("__index__")?);
    }
    if object.hasattr("__float__")? {
        return float(object.call_method0("__float__")?.extract()?);
    }
    let name = object.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "a setting cannot be of the type {name}"
    )))
}

fn integer(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let signed = object.extract::<i64>().map(Number::from);
    let number = signed.or_else(|_| object.extract::<u64>().map(Number::from));
    let too_large = |_| PyOverflowError::new_err("a setting does not fit in 64 bits");
    Ok(Value::Number(number.map_err(too_large)?))
}

fn float(value: f64) -> PyResult<Value> {
    let not_finite = || PyValueError::new_err("a setting is not a finite number");
    Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(not_finite)
}

/// A JSON value as a Python object.
///
/// # Errors
/// If Python has no memory left.
pub(crate) fn from_json<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => PyNone::get(py).to_owned().into_any(),
        Value::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => signed.into_pyobject(py)?.into_any(),
            (None, Some(unsigned)) => unsigned.into_pyobject(py)?.into_any(),
            (None, None) => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let items: PyResult<Vec<_>> = items.iter().map(|item| from_json(py, item)).collect();
            PyList::new(py, items?)?.into_any()
        }
        Value::Object(entries) => {
            let object = PyDict::new(py);
            for (key, value) in entries {
                object.set_item(key, from_json(py, value)?)?;
            }
            object.into_any()
        }
    })
}
