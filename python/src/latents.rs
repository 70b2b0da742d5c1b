//! Files of latents and of latent sequences: where their rows lie, for memory maps; and rows of
//! NumPy as such a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_nn::generator::Sequences;
use tracecodec_nn::latents;
use tracecodec_pipeline::Error;

use crate::errors;

/// For each tensor of a file of latents: its first byte, its rows and its columns.
#[pyfunction]
pub(crate) fn latents_layout(
    py: Python<'_>,
    path: PathBuf,
) -> PyResult<BTreeMap<String, (usize, usize, usize)>> {
    let layout = py.detach(|| latents::layout(&path));
    layout.map_err(|error| errors::raise(py, &error.into()))
}

/// Writes rows of little-endian 32-bit floats, one row after the other, as a file of latents.
#[pyfunction]
pub(crate) fn write_latents(
    py: Python<'_>,
    path: PathBuf,
    columns: usize,
    rows: &[u8],
) -> PyResult<()> {
    let written = py.detach(|| latents::write_rows(&path, columns, rows));
    written.map_err(|error| errors::raise(py, &error.into()))
}

/// Windows of a split of latent sequences: the rows of the file at which prefix and suffix begin,
/// and the sequence's label.
#[pyfunction]
pub(crate) fn sequence_windows(
    py: Python<'_>,
    folder: PathBuf,
    split: &str,
    prefix: usize,
    suffix: usize,
    stride: usize,
) -> PyResult<Vec<(u64, u64, Option<String>)>> {
    let windows = || {
        let split = Split::of_name(split).ok_or_else(|| {
            let names: Vec<_> = Split::all().map(Split::name).collect();
            let hint = format!("there are {}", names.join(", "));
            Error::refused(format!("no split `{split}`"), hint)
        })?;
        let windows = Sequences::open(&folder)?.windows(split, prefix, suffix, stride)?;
        let places = (0..windows.len()).map(|number| {
            let (sequence, row) = windows.position(number);
            let middle = sequence.first + row;
            let first = middle - windows.prefix_rows(number) as u64;
            (first, middle, sequence.label.clone())
        });
        Ok::<_, Error>(places.collect())
    };
    windows().map_err(|error| errors::raise(py, &error))
}
