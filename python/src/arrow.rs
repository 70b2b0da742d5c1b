//! Actions as Arrow streams, by the PyCapsule interface: pandas, Polars, DuckDB and PyArrow read
//! and write them without a copy.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::PathBuf;

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, RecordBatchIterator};
use arrow_schema::DataType;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};
use tracecodec::artifact::actions::{ActionBatches, BatchesReader};
use tracecodec_pipeline::run::lift as verb;
use tracecodec_pipeline::{frame, settings};

use crate::{convert, errors, monitor};

/// Name of the capsules of streams, by the Arrow PyCapsule interface.
const STREAM: &CStr = c"arrow_array_stream";

/// Packet actions in memory: record batches of an actions file's columns.
#[pyclass(frozen, module = "tracecodec._native")]
pub(crate) struct Batches(ActionBatches);

#[pymethods]
impl Batches {
    fn __len__(&self) -> usize {
        self.0.rows()
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        let fields = self.0.schema.fields().iter();
        fields.map(|field| field.name().as_str()).collect()
    }

    /// Metadata of the actions, as an actions file has them.
    #[getter]
    fn metadata(&self) -> BTreeMap<String, String> {
        let metadata = self.0.schema.metadata().iter();
        metadata
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The same rows with their metadata in a column of text.
    fn with_metadata(&self) -> Self {
        Self(self.0.with_metadata_column())
    }

    /// Values of a column of numbers as little-endian bytes, and the letter of their type and their
    /// number of bytes, as NumPy writes them: `u1`, `i8`.
    fn numbers<'py>(
        &self,
        py: Python<'py>,
        column: &str,
    ) -> PyResult<(&'static str, Bound<'py, PyBytes>)> {
        let ActionBatches { schema, batches } = &self.0;
        let missing = |_| PyKeyError::new_err(column.to_string());
        let number = schema.index_of(column).map_err(missing)?;
        let kind = match schema.field(number).data_type() {
            DataType::UInt8 => "u1",
            DataType::UInt16 => "u2",
            DataType::UInt32 => "u4",
            DataType::Int64 => "i8",
            _ => return Err(PyTypeError::new_err(format!("{column} holds no numbers"))),
        };
        let parts = batches.iter().map(|batch| batch.column(number).to_data());
        let bytes: Vec<_> = parts.map(|part| part.buffers()[0].clone()).collect();
        let bytes: Vec<_> = bytes.iter().map(|buffer| buffer.as_slice()).collect();
        Ok((kind, PyBytes::new(py, &bytes.concat())))
    }

    /// The batches as a new stream. Types are those of the schema, whatever is requested.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let ActionBatches { schema, batches } = self.0.clone();
        let batches = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, STREAM)
    }
}

/// Lifts captures to actions in memory. Returns them and their manifest, which names no file.
#[pyfunction]
pub(crate) fn lift<'py>(
    py: Python<'py>,
    settings: &Bound<'py, PyDict>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Batches, Bound<'py, PyAny>)> {
    let settings = convert::to_json(settings)?;
    let (batches, manifest) = monitor::attended(py, progress, |monitor| {
        let config: verb::Config = settings::read(settings)?;
        let (batches, outcome) = verb::to_batches(&config, monitor)?;
        let manifest = serde_json::to_value(outcome).expect("outcomes have string keys");
        Ok((batches, manifest))
    })?;
    Ok((Batches(batches), convert::from_json(py, &manifest)?))
}

/// Writes the actions of a stream to an actions file. Metadata that the stream has lost are taken
/// from `metadata`, or else from the file `like`. Returns the number of actions.
#[pyfunction]
pub(crate) fn save<'py>(
    py: Python<'py>,
    actions: &Bound<'py, PyAny>,
    metadata: BTreeMap<String, String>,
    like: Option<PathBuf>,
    output: PathBuf,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<u64> {
    let stream = stream_of(actions)?;
    let actions = BatchesReader::new(stream, &metadata, like.as_deref());
    let actions = actions.map_err(|error| errors::raise(py, &error.into()))?;
    monitor::attended(py, progress, |monitor| {
        frame::save(actions, &output, monitor)
    })
}

/// The stream of an object that has one.
#[expect(
    unsafe_code,
    reason = "a capsule is a pointer, which Arrow's interface gives a type"
)]
fn stream_of(object: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let capsule = object.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name holds an `ArrowArrayStream` until it is dropped, and the
    // stream is moved out of it here.
    let stream = unsafe { RecordBatchStreamReader::from_raw(pointer.cast().as_ptr()) };
    stream.map_err(|error| PyValueError::new_err(error.to_string()))
}
